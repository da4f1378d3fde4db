"""A literal becomes a constant, and a class a data class, without the model and without a change of what runs."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.refactoring.asked import asked_refactoring
from agent.refactoring.planned import RefactoringError
from agent.refactoring.planning import plan_refactoring

BACKOFF = (
    '"""Waits."""\n\n\ndef delay(attempt, base=2.0):\n    """Seconds, 300 at most."""\n'
    "    return min(base**attempt, 300)\n\n\ndef joined(parts):\n    return '-'.join(parts) + f'-{300}'\n"
)
LAP = (
    '"""Laps."""\n\nimport math\n\n\nclass Lap:\n    """One lap."""\n\n'
    '    def __init__(self, metres, seconds: float, label="", tags=None):\n        self.metres = metres\n'
    "        self.seconds = seconds\n        self.label = label\n        self.tags: list[str] | None = tags\n"
    "        self.notes = []\n        self.done = False\n\n"
    "    def __repr__(self):\n        return self.label\n\n    def kmh(self):\n        return self.metres / self.seconds\n"
)


def after(tmp_path: Path, text: str, said: str) -> str:
    (tmp_path / "a.py").write_text(text)
    asked = asked_refactoring(said)
    assert asked is not None, said
    (new,) = plan_refactoring(asked, Sources(tmp_path, ["a.py"])).texts.values()
    return new


@pytest.mark.parametrize(
    ("said", "name"),
    [
        (
            "The 300 in a.py is a magic number. Please make it a constant at the top of the file.",
            "MAX_DELAY",
        ),
        ("make 300 in delay() a constant", "MAX_DELAY"),
        ("turn the 300 in a.py into a constant called LONGEST", "LONGEST"),
        (
            "pls extract the magic number 300 to a constant LONGEST at the top of the file",
            "LONGEST",
        ),
        ("use a constant LONGEST = 300 in delay instead of the literal", "LONGEST"),
    ],
)
def test_a_literal_becomes_a_constant_under_the_name_that_is_said_or_fits(
    tmp_path: Path, said: str, name: str
) -> None:
    new = after(tmp_path, BACKOFF, said)
    assert new.startswith(f'"""Waits."""\n\n{name} = 300\n\n\ndef delay')
    assert f"return min(base**attempt, {name})" in new
    assert '"""Seconds, 300 at most."""' in new, "a docstring is no code"
    assert "f'-{300}'" in new, "a part of a text stays"


@pytest.mark.parametrize(
    ("text", "said", "lines"),
    [
        (BACKOFF, "make '-' in joined a constant", ["SEPARATOR = '-'", "    return SEPARATOR.join(parts) + f'-{300}'"]),
        ("# a note\n\n# of f\ndef f(limit=5):\n    return limit\n", "make 5 a constant",
         ["# a note", "DEFAULT_LIMIT = 5", "# of f", "def f(limit=DEFAULT_LIMIT):"]),
        ("@wraps\ndef f(x):\n    return x > 2.5 or g(size=7)\n", "make 2.5 a constant", ["F_LIMIT = 2.5", "@wraps"]),
        ("def f(x):\n    return g(size=7)\n", "make 7 in a.py a constant", ["SIZE = 7", "    return g(size=SIZE)"]),
    ],
)  # fmt: skip
def test_the_name_says_what_the_literal_is_for(
    tmp_path: Path, text: str, said: str, lines: list[str]
) -> None:
    found = after(tmp_path, text, said).split("\n")
    places = [found.index(line) for line in lines]
    assert places == sorted(places)


def test_annotations_and_what_a_text_shows_of_itself_stay(tmp_path: Path) -> None:
    text = "def sort(by: Literal['order'] = 'order') -> 'order':\n    x = 'order'\n    return f'{x + \"order\"=}'\n"
    new = after(tmp_path, text, "make 'order' a constant called ORDER")
    assert new.endswith(
        "def sort(by: Literal['order'] = ORDER) -> 'order':\n    x = ORDER\n    return f'{x + \"order\"=}'\n"
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BACKOFF, "make 301 a constant"),
        ("def f():\n    return 1\n\n\ndef g():\n    return 1\n", "make 1 a constant"),
        ("LONGEST = 1\n\n\ndef f():\n    return 7\n", "make 7 a constant called LONGEST"),
        ("X = 7\n", "make 7 a constant"),
        (
            LAP.replace("self.seconds = seconds", "self.seconds = seconds * 2"),
            "make Lap a dataclass",
        ),
        (LAP.replace("self.done = False", "self.start()"), "make Lap a dataclass"),
        (LAP.replace("tags=None", "*tags"), "make Lap a dataclass"),
        (LAP.replace("class Lap", "@final\nclass Lap"), "make Lap a dataclass"),
        ("class Lap:\n    x = 1\n", "make Lap a dataclass"),
        (LAP.replace("class Lap:", "class Lap(Base):"), "make Lap a dataclass"),
        (
            LAP.replace('"""One lap."""', '"""One lap."""\n\n    count: int = 0'),
            "make Lap a dataclass",
        ),
        (
            LAP.replace('"""One lap."""', '"""One lap."""\n\n    __slots__ = ("metres",)'),
            "make Lap a dataclass",
        ),
        (LAP.replace("def kmh", "@property\n    def metres"), "make Lap a dataclass"),
        (LAP.replace("tags=None", "tags=DEFAULTS"), "make Lap a dataclass"),
        (
            LAP.replace(
                "        self.metres = metres", "        # in metres\n        self.metres = metres"
            ),
            "make Lap a dataclass",
        ),
        (LAP.replace("    def __init__", "    @log\n    def __init__"), "make Lap a dataclass"),
        (LAP.replace("import math", "from attrs import field"), "make Lap a dataclass"),
        ("class Lap:\n    def __init__():\n        pass\n", "make Lap a dataclass"),
        (
            "def f(url):\n    F_VALUE = 30\n    return F_VALUE\n",
            "make 30 a constant called F_VALUE",
        ),
        ("def f(LIMIT=5):\n    return 30\n", "make 30 a constant called LIMIT"),
        ("from defaults import *\n\n\ndef f():\n    return 30\n", "make 30 a constant"),
        (
            "class A:\n    def get(self):\n        return 30\n\n\nclass B:\n    def get(self):\n        return 30\n",
            "make 30 in get a constant",
        ),
        ("import os; import sys\n\n\ndef f():\n    return 30\n", "make 30 a constant"),
    ],
)
def test_what_is_in_doubt_is_left_to_the_model(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RefactoringError):
        after(tmp_path, text, said)


@pytest.mark.parametrize(
    "said",
    [
        "make a dataclass for points",
        "turn Lap into a dataclass and add a test",
        "turn Lap into a dataclass that validates its fields",
        "make 300 configurable",
        "is 300 in a.py a magic number?",
        "make the timeout a constant",
        "add a constant MAX_USERS = 100",
        "define a constant RETRIES = 3 in client.py",
        "make P a dataclass, drop the handwritten __eq__ and __hash__",
    ],
)
def test_a_request_for_more_is_not_taken_for_one_of_these(said: str) -> None:
    asked = asked_refactoring(said)
    assert asked is None or asked.kind not in ("constant", "dataclass")


def test_a_class_that_only_keeps_its_arguments_becomes_a_data_class(tmp_path: Path) -> None:
    new = after(tmp_path, LAP, "turn Lap into a dataclass please")
    assert new.startswith(
        '"""Laps."""\n\nimport math\nfrom dataclasses import dataclass, field\nfrom typing import Any\n'
    )
    (tmp_path / "a.py").write_text(new)
    made = runpy.run_path(str(tmp_path / "a.py"))["Lap"]
    assert callable(made)
    lap = made(1000, 250.0, "first")
    assert (lap.metres, lap.seconds, lap.label, lap.tags, lap.notes, lap.done) == (
        1000, 250.0, "first", None, [], False
    )  # fmt: skip
    assert lap == made(1000, 250.0, "first")
    assert repr(lap) == "first", "a handwritten method stays unless it is to go"
    assert lap.kmh() == 4
    assert made(1, 2).notes is not made(1, 2).notes


def test_handwritten_methods_that_the_decorator_makes_go_where_that_is_said(tmp_path: Path) -> None:
    said = "turn Lap into a dataclass please, so that the handwritten __init__ and __repr__ can go"
    new = after(tmp_path, LAP, said)
    assert "def __repr__" not in new
    assert "def kmh" in new
