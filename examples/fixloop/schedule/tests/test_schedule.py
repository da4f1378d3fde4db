from datetime import date

from schedule import add_months, every, parse, until, workdays


def test_a_date_is_read():
    assert parse("2024-03-31") == date(2024, 3, 31)


def test_the_first_date_counts():
    assert every(date(2024, 1, 1), 7, 3) == [date(2024, 1, 1), date(2024, 1, 8), date(2024, 1, 15)]


def test_a_month_later_is_the_default():
    assert add_months(date(2024, 1, 15)) == date(2024, 2, 15)


def test_a_short_month_ends_earlier():
    assert add_months(date(2024, 1, 31), 1) == date(2024, 2, 29)


def test_months_pass_the_year():
    assert add_months(date(2023, 11, 30), 3) == date(2024, 2, 29)


def test_both_ends_are_workdays():
    assert workdays(date(2024, 1, 1), date(2024, 1, 5)) == 5
    assert workdays(date(2024, 1, 6), date(2024, 1, 8)) == 1


def test_days_until_a_weekday():
    assert until(date(2024, 1, 1), 0) == 0
    assert until(date(2024, 1, 3), 0) == 5
