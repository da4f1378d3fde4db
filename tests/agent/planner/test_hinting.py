"""A request for the type hints of one function begins at its first line."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.planner.hinting import hint_steps

ROUTES = """class Other:
    def find(self, path):
        return path


class Router:
    def add(self, name, handler=None):
        self.names[name] = handler

    def find(self, path: str) -> str:
        return path


def fill(pattern, values):
    return pattern % values


def fill_all(patterns: list, values: dict): return patterns
"""


OTHER = "def other(x):\n    return x\n"


def begun(root: Path, text: str, *, wanted: Wanted = Wanted.EDIT) -> list[str]:
    files = {"web/routes.py": ROUTES, "web/other.py": OTHER, "web/third.py": OTHER}
    for path, content in files.items():
        (root / path).parent.mkdir(exist_ok=True, parents=True)
        (root / path).write_text(content)
    return [step.begun for step in hint_steps(text, wanted, Sources(root, files))]


@pytest.mark.parametrize(
    ("text", "head"),
    [
        ("add type hints to fill in web/routes.py", "def fill(pattern: "),
        ("add type hints to fill", "def fill(pattern: "),
        ("please annotate fill_all", "def fill_all(patterns: list, values: dict) -> "),
        ("add type hints to add in routes.py", "class Router:\n    def add(self, name: "),
    ],
)
def test_the_reply_begins_where_the_first_type_is_missing(
    tmp_path: Path, text: str, head: str
) -> None:
    assert begun(tmp_path, text) == [f"web/routes.py\n```python\n{head}"]


@pytest.mark.parametrize(
    "text",
    [
        "add type hints to routes.py",
        "add type hints to find in web/routes.py",
        "add type hints to fill and fill_all",
        "add type hints and docstrings to fill",
        "add type hints to fill and let it raise a KeyError if a value is missing",
        "rename fill to fill_in in web/routes.py",
        "what are the types of fill?",
        "add type hints to other",
        "add type hints to Router.find",
        "document types of fill",
        "add a hint to fill",
    ],
)
def test_any_other_request_has_no_such_step(tmp_path: Path, text: str) -> None:
    assert begun(tmp_path, text) == []


def test_a_question_has_no_such_step(tmp_path: Path) -> None:
    assert begun(tmp_path, "add type hints to fill", wanted=Wanted.QUESTION) == []
