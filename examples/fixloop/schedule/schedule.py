"""Dates that come again."""

import calendar
from datetime import date, timedelta


def parse(text):
    """A date written as 2024-03-31."""
    return date.fromisoformat(text)


def every(start, days, count):
    """`count` dates, the first is `start`."""
    return [start + timedelta(days=days * number) for number in range(count)]


def add_months(day, months=1):
    """The same day some months later, or the last day of that month."""
    number = day.month - 1 + months
    year, month = day.year + number // 12, number % 12 + 1
    last = calendar.monthrange(year, month)[1]
    return date(year, month, min(day.day, last))


def workdays(first, last):
    """How many days from Monday to Friday there are, both ends included."""
    days = (last - first).days + 1
    return sum((first + timedelta(days=n)).weekday() < 5 for n in range(days))


def until(day, weekday):
    """Days from a date until the next given weekday (Monday is 0); 0 on the day itself."""
    return (weekday - day.weekday()) % 7
