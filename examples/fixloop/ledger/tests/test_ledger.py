import pytest

from ledger import Account, NotEnoughMoney, interest, statement, transfer


def test_transfer_moves_money_and_the_source_pays_the_fee():
    anna, bob = Account("Anna", 1000), Account("Bob")
    transfer(anna, bob, 300, fee=10)
    assert (anna.balance, bob.balance) == (690, 300)


def test_transfer_is_named_on_both_sides():
    anna, bob = Account("Anna", 1000), Account("Bob")
    transfer(anna, bob, 300)
    assert anna.entries == [("to Bob", -300)]
    assert bob.entries == [("from Anna", 300)]


def test_an_account_may_be_emptied():
    anna, bob = Account("Anna", 300), Account("Bob")
    transfer(anna, bob, 300)
    assert anna.balance == 0


def test_an_account_may_not_be_overdrawn():
    with pytest.raises(NotEnoughMoney):
        transfer(Account("Anna", 100), Account("Bob"), 101)


def test_an_amount_must_be_positive():
    with pytest.raises(ValueError):
        transfer(Account("Anna", 100), Account("Bob"), 0)


def test_interest_is_for_a_year_unless_said():
    assert interest(10000, 3) == 300
    assert interest(10000, 3, months=6) == 150


def test_statement_shows_the_newest_first():
    account = Account("Anna")
    for number in range(1, 6):
        account.book(number * 100, f"pay {number}")
    assert statement(account) == ["pay 5: 5.00", "pay 4: 4.00", "pay 3: 3.00"]


def test_statement_of_a_new_account_is_empty():
    assert statement(Account("Anna")) == []
