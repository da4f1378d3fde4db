"""Comments that ask for something: which are read, what they want, how they are taken out."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.intent.wanted import Wanted
from agent.watching.comments import Comment, comments_in, take_out, without
from agent.workspace.workspace import Workspace


def _comment(words: str, path: str = "ops.py") -> Comment:
    return Comment(path=path, line=1, words=words)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("# elagent: add a median", "add a median"),
        ("    x = 1  # elagent: name it!", "name it!"),
        ("// ELAGENT: why?", "why?"),
        ("-- elagent: add an index", "add an index"),
        ("#elagent: x", "x"),
        ('say("# elagent: not this")', ""),
        ("# see elagent: the tool", ""),
        ("# elagent:", ""),
    ],
)
def test_only_a_comment_that_begins_with_the_name_asks_for_something(line: str, words: str) -> None:
    found = [comment.words for comment in comments_in("a.py", f"one\n{line}\n")]
    assert found == ([words] if words else [])


def test_the_line_and_its_neighbours_go_along() -> None:
    (found,) = comments_in("a.py", "def f():\n    # elagent: return 1!\n    pass\n")
    assert found.line == 2
    assert "def f():" in found.attached
    assert found.request == "In a.py: return 1"


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("faster!", Wanted.EDIT),
        ("rename add to plus!", Wanted.RENAME),
        ("why is that?", Wanted.QUESTION),
        ("change it to a set?", Wanted.QUESTION),
        ("make it faster", None),
    ],
)
def test_the_last_character_says_what_is_wanted(words: str, wanted: Wanted | None) -> None:
    assert _comment(words).wanted is wanted


def test_a_request_is_never_read_as_a_command() -> None:
    assert _comment("!rm -rf x").request.startswith("In ops.py: ")
    assert _comment("/undo force").request.startswith("In ops.py: ")


def test_a_line_of_its_own_goes_as_a_whole_and_a_tail_goes_alone() -> None:
    assert without("a = 1\n# elagent: x\nb = 2\n", _comment("x"), python=True) == "a = 1\nb = 2\n"
    assert without("a = 1  # elagent: x\n", _comment("x"), python=True) == "a = 1\n"
    assert without("a = 1  # elagent: y\n", _comment("x"), python=True) is None


def test_nothing_is_taken_out_of_a_text_in_a_program() -> None:
    text = 'HELP = """\n# elagent: x\n"""\n'
    assert without(text, _comment("x"), python=True) is None


def test_the_file_keeps_its_line_ends(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    (root / "ops.py").write_bytes(b"a = 1\r\n# elagent: x\r\nb = 2\r\n")
    workspace = Workspace(root, tmp_path / "home" / "git")
    with workspace.turn("x"):
        assert take_out(workspace, _comment("x"))
    assert (root / "ops.py").read_bytes() == b"a = 1\r\nb = 2\r\n"
    workspace.undo()
    assert (root / "ops.py").read_bytes() == b"a = 1\r\n# elagent: x\r\nb = 2\r\n"
