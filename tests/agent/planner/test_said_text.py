"""A request about a text that one function says begins at that function."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.planner.said_text import said_text_steps
from agent.planner.step import PlanStep

READER = '''class SheetError(Exception):
    """missing column"""


class Reader:
    def read(self, head):
        """Read it; 'missing column' is raised."""
        if "name" not in head:
            raise SheetError("missing column")
        return head

    def close(self):
        print(f"closed {self} at last")


def one_line(): return "only one line"
'''


def steps_for(
    root: Path, text: str, *, wanted: Wanted = Wanted.EDIT, second: str = ""
) -> tuple[PlanStep, ...]:
    files = {"birds/reader.py": READER, "tests/test_reader.py": "X = 'missing column'\n"}
    files |= {"birds/second.py": second} if second else {}
    for path, content in files.items():
        (root / path).parent.mkdir(exist_ok=True, parents=True)
        (root / path).write_text(content)
    return said_text_steps(text, wanted, Sources(root, files))


@pytest.mark.parametrize(
    "text",
    [
        "People ask which column it is, all they see is 'missing column'. Put the names into the error.",
        "'missing column' is a useless message, it should say which one",
        'the text "missing column" should be "no such column"',
        "the error “missing column” isn't helpful",
    ],
)
def test_the_reply_begins_with_the_function_that_says_it(tmp_path: Path, text: str) -> None:
    (step,) = steps_for(tmp_path, text)
    assert step.begun.startswith("birds/reader.py\n```python\n")
    assert step.begun.endswith('is raised."""\n')
    assert "def read(self, head):" in step.begun
    assert "`Reader.read` in birds/reader.py" in step.text
    assert 'raise SheetError("missing column")' in step.text


def test_a_part_of_a_formatted_text_is_found(tmp_path: Path) -> None:
    (step,) = steps_for(tmp_path, "it prints 'at last', say 'finally' instead")
    assert "def close(self):" in step.begun


@pytest.mark.parametrize(
    "text",
    [
        '"error: missing column" is useless, it should say which one',
        "the 'missing column ...' errors break our script, put the line number into the message",
        "SheetError('missing column') helps nobody, the message should say which",
    ],
)
def test_a_prefix_of_the_caller_dots_and_the_names_beside_it_do_not_hide_it(
    tmp_path: Path, text: str
) -> None:
    (step,) = steps_for(tmp_path, text)
    assert "def read(self, head):" in step.begun


@pytest.mark.parametrize(
    "text",
    [
        'the prefix in "error: missing column" is ugly, print the message alone',
        "SheetError('missing column') is raised too late, close should give the message",
    ],
)
def test_what_is_about_another_part_has_no_step(tmp_path: Path, text: str) -> None:
    assert steps_for(tmp_path, text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "'bad block' is a useless message",
        "'missing column' is my favourite",
        "write a test for the message 'missing column'",
        "say in the readme that the error is 'missing column'",
        "don't print the message's missing column, it's the user's",
        "the message 'only one line' is too short",
        "change close so that errors read like 'missing column'",
        "raise the error 'missing column' in close, too",
        "extract the message 'missing column' into a constant",
        "Add a translation of the message 'missing column'",
        "the error messages, e.g. 'missing column', end without a dot",
        "Reader.close should print the error 'missing column'",
    ],
)
def test_there_is_no_step_where_the_request_is_about_something_else(
    tmp_path: Path, text: str
) -> None:
    assert steps_for(tmp_path, text) == ()


def test_there_is_no_step_where_two_functions_say_it(tmp_path: Path) -> None:
    second = 'def check(head):\n    raise ValueError("missing column")\n'
    assert steps_for(tmp_path, "the error 'missing column' says too little", second=second) == ()


def test_there_is_no_step_for_a_question_or_a_long_function(tmp_path: Path) -> None:
    text = "the error 'missing column' says too little"
    assert steps_for(tmp_path, text, wanted=Wanted.QUESTION) == ()
    long = "def check(head):\n" + "    head += 1\n" * 70 + "    raise ValueError('no such row')\n"
    assert steps_for(tmp_path, "the error 'no such row' is wrong", second=long) == ()
