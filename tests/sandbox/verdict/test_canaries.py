"""Tests that must fail are made so that an honest program can never make one pass."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given, strategies as st

from sandbox.box.contract import SourceFile
from sandbox.verdict.canaries import make_canaries, spoil

TEST = b"""
import pytest
from unittest.mock import ANY

def test_plain():
    assert 1 + 1 == 2

def test_other_way():
    value = abs(-3)
    assert 3 == value

@pytest.mark.parametrize("n", [1, 2])
def test_each(n):
    assert n == n

class TestIn:
    def test_method(self):
        assert str(1) == "1"

class TestOld:
    def test_old(self):
        self.assertEqual(sum([1]), 1)

def test_maybe():
    if False:
        assert abs(1) == 1

def test_left_early():
    return
    assert abs(1) == 1

def test_any():
    assert abs(1) == ANY

@given(n=1)
def test_property(n):
    assert n == n

def test_raises():
    with pytest.raises(ValueError):
        int("x")
"""


@pytest.mark.parametrize(
    "name",
    ["test_plain", "test_other_way", "test_each[2]", "TestIn::test_method", "TestOld::test_old"],
)
def test_what_is_expected_is_replaced(name: str) -> None:
    text, changed = spoil(TEST, [name])
    assert changed == (name,)
    assert text.decode().count("object()") == 1


@pytest.mark.parametrize(
    "name",
    ["test_maybe", "test_left_early", "test_any", "test_property", "test_raises", "test_gone"],
)
def test_what_might_pass_honestly_is_left_alone(name: str) -> None:
    assert spoil(TEST, [name]) == (b"", ())


def test_a_value_written_out_is_what_is_replaced() -> None:
    text, _ = spoil(TEST, ["test_other_way"])
    assert "assert object() == value" in text.decode()


def test_they_stand_beside_the_tests_only_when_a_pass_will_matter() -> None:
    files = [
        SourceFile(path="tests/test_a.py", content=TEST),
        SourceFile(path="shop.py", content=b""),
    ]
    quiet = make_canaries("pytest", files, [])
    assert (quiet.files, len(quiet.harness), len(quiet.ids)) == ((), 1, 4)
    asked = make_canaries("pytest", files, ["tests/test_a.py::test_plain", "tests/test_a.py"])
    assert [file.path.startswith("tests/test_") for file in asked.files] == [True, True]
    assert (len(asked.ids), len(asked.plain)) == (5, 4)
    assert make_canaries("pytest", files, []).ids != quiet.ids


def test_without_tests_there_are_none() -> None:
    assert make_canaries("pytest", [SourceFile(path="a.py", content=b"")], []).ids == frozenset()
    assert (
        make_canaries("command", [SourceFile(path="test_a.py", content=b"")], []).ids == frozenset()
    )


@given(st.binary(max_size=100) | st.text(max_size=100).map(str.encode), st.text(max_size=10))
def test_any_file_can_be_looked_at(source: bytes, name: str) -> None:
    text, _ = spoil(source, [name])
    ast.parse(text)
