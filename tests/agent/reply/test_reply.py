"""Replies as weak models write them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from agent.reply.parse import parse_reply
from agent.reply.parsed import FileEdits, Finish, ParsedReply, PlainAnswer, ShellCommand, Unusable

CORPUS = Path(__file__).parents[2] / "data" / "replies"
EXPECTED: dict[str, dict[str, Any]] = json.loads((CORPUS / "expected.json").read_text())
KNOWN = ("calc/ops.py", "calc/text.py", "README.md")


def described(reading: ParsedReply) -> dict[str, object]:
    match reading:
        case FileEdits(edits=edits, command=command, notes=notes):
            contents = {edit.path: edit.content for edit in edits}
            found: dict[str, object] = {"kind": "edits", "edits": contents}
            return (
                found
                | ({"command": command} if command else {})
                | ({"notes": len(notes)} if notes else {})
            )
        case ShellCommand(command=command):
            return {"kind": "command", "command": command}
        case PlainAnswer():
            return {"kind": "answer"}
        case Unusable(kind=kind):
            return {"kind": "unusable", "unusable": kind}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_reply_of_the_corpus_is_read_as_expected(name: str) -> None:
    expected = dict(EXPECTED[name])
    reading = parse_reply(
        (CORPUS / f"{name}.txt").read_bytes().decode(),
        known_paths=expected.pop("known"),
        default_path=expected.pop("default"),
        finish=expected.pop("finish"),
    )
    assert described(reading) == expected


def test_every_reply_of_the_corpus_has_an_expectation() -> None:
    assert {path.stem for path in CORPUS.glob("*.txt")} == set(EXPECTED)
    assert len(EXPECTED) >= 25


FRAGMENTS = st.sampled_from(
    [
        "```", "````", "~~~", "```python", "```python calc/ops.py", "```json", "```sh", "```diff",
        "calc/ops.py", "**calc/text.py**", "# other/new.py", "`made/up.py`:", "order.net",
        "../../etc/passwd", "/etc/hosts", ".git/config", "def f():", "    return 1", "\treturn 2",
        '"""', "write_file(", 'write_file("a/b.py", """', '""")', "<tool_call>", "</tool_call>",
        '{"path": "x/y.py", "content": "', '"}', '{"name": "run", "arguments": {"command": "ls"}}',
        "<think>", "</think>", "<file path='q.py'>", "</file>", "...", "@@ -1 +1 @@", "\\", "\x00",
        "\ud800", "[" * 40, "(" * 40, "",
    ]
)  # fmt: skip
REPLIES = st.one_of(
    st.lists(FRAGMENTS, max_size=14).map("\n".join),
    st.lists(st.one_of(FRAGMENTS, st.text(max_size=20)), max_size=10).map("\r\n".join),
    st.text(max_size=200),
)
FINISHES: st.SearchStrategy[Finish] = st.sampled_from(["stop", "length", "cancelled"])


@settings(max_examples=300, deadline=None)
@given(text=REPLIES, default=st.sampled_from([None, "calc/ops.py"]), finish=FINISHES)
def test_parsing_never_raises_and_never_invents_a_file(
    text: str, default: str | None, finish: Finish
) -> None:
    reading = parse_reply(text, known_paths=KNOWN, default_path=default, finish=finish)
    if isinstance(reading, FileEdits):
        for edit in reading.edits:
            assert (
                edit.path in KNOWN or edit.path == default or edit.path in text.replace("\\", "/")
            )
        paths = [edit.path for edit in reading.edits]
        assert len(paths) == len(set(paths))


@settings(max_examples=200, deadline=None)
@given(
    body=st.lists(st.sampled_from(["x = 1", "", "def f():", "    pass", "# note", "s = '`'"])),
    prose=st.sampled_from(["", "Here it is:", "Sure!\n"]),
)
def test_a_single_fenced_block_comes_back_whole(body: list[str], prose: str) -> None:
    code = "\n".join(["a = 0", *body])
    reading = parse_reply(
        f"{prose}\n```python\n{code}\n```\n", known_paths=KNOWN, default_path="calc/ops.py"
    )
    assert isinstance(reading, FileEdits)
    assert reading.edits[0].content.rstrip("\n") == code.rstrip("\n")


def test_a_reply_cut_anywhere_never_yields_half_a_block() -> None:
    code = "def add(a, b):\n    total = a + b\n    return total\n"
    whole = f"calc/ops.py\n```python\n{code}```\n"
    for end in range(len(whole) - len("```\n") + 3):
        reading = parse_reply(whole[:end], known_paths=KNOWN, default_path="calc/ops.py")
        assert not isinstance(reading, FileEdits), whole[:end]
