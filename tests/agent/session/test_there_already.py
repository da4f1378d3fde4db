"""A docstring that is there already is told, and the model is not asked for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.session.there_already import docstring_there

CODE = '''\
def total(spans):
    """How many numbers are covered.

    Each once.
    """
    return 1


def bare():
    return 2


class A:
    """An A."""

    def twice(self):
        """Two."""


class B:
    def twice(self):
        """Two."""
'''


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "sets.py").write_text(CODE)
    return Sources(tmp_path, ["sets.py"])


@pytest.mark.parametrize(
    "said",
    ["add a docstring to total", "please add a docstring to total() in sets.py", "document total"],
)
def test_the_docstring_that_is_there_is_named(sources: Sources, said: str) -> None:
    assert docstring_there(said, sources) == (
        'total in sets.py has a docstring already: "How many numbers are covered.";'
        " say what it should say instead."
    )


@pytest.mark.parametrize(
    "said",
    [
        "add a docstring to bare",
        "add a docstring to twice",
        "add a docstring to total that names the spans",
        "improve the docstring of total",
        "add docstrings to sets.py",
        "document A",
        "add a docstring to nothing_here",
        "document total in README.md",
    ],
)
def test_any_other_request_is_for_the_model(sources: Sources, said: str) -> None:
    assert docstring_there(said, sources) == ""
