from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from agent.reply.parse import parse_reply
from agent.reply.parsed import FileEdits, ParsedReply, Unusable

KNOWN = ("ops.py", "src/cart.py")
BLOCK = "<<<<<<< SEARCH\nold\n=======\nnew\n>>>>>>> REPLACE\n"


def read(text: str) -> ParsedReply:
    return parse_reply(text, known_paths=KNOWN, take_patches=True)


def changes(text: str) -> list[tuple[str, str, str]]:
    reading = read(text)
    assert isinstance(reading, FileEdits), reading
    return [(p.path, h.search, h.replace) for p in reading.patches for h in p.hunks]


@pytest.mark.parametrize(
    "text",
    [
        f"ops.py\n```python\n{BLOCK}```\n",
        f"ops.py\n{BLOCK}",
        f"I change `it`.\n\n**ops.py**\n\n```\n{BLOCK}```\nThat is all.",
        f"```python\n# ops.py\n{BLOCK}```",
        BLOCK.replace("SEARCH", "SEARCH ops.py"),
        f"ops.py\n{BLOCK}".replace("\n", "\r\n"),
        f"File: ops.py\n{BLOCK}".replace("<<<<<<<", "<<<<<").replace("=======", "====="),
    ],
)
def test_blocks_are_read_in_and_out_of_fences(text: str) -> None:
    assert changes(text) == [("ops.py", "old\n", "new\n")]


def test_blocks_for_two_files_and_a_command_after_them() -> None:
    text = f"ops.py\n```\n{BLOCK}{BLOCK}```\n\nsrc/cart.py\n```\n{BLOCK}```\n\n```sh\npytest\n```\n"
    assert [path for path, _, _ in changes(text)] == ["ops.py", "ops.py", "src/cart.py"]
    reading = read(text)
    assert isinstance(reading, FileEdits)
    assert reading.command == "pytest"


def test_a_new_file_may_stand_beside_blocks() -> None:
    reading = read(f"ops.py\n```\n{BLOCK}```\n\nnew.py\n```python\nX = 1\n```\n")
    assert isinstance(reading, FileEdits)
    assert [edit.path for edit in reading.edits] == ["new.py"]
    assert len(reading.patches) == 1


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BLOCK, "no path"),
        ("ops.py\n<<<<<<< SEARCH\nold\n=======\nnew\n", "cut off"),
        ("ops.py\n<<<<<<< SEARCH\nold\n>>>>>>> REPLACE\n", "no ======= lines"),
        (f"ops.py\n<<<<<<< SEARCH\n{BLOCK}", "inside another"),
        ("ops.py\n<<<<<<< SEARCH\na\n=======\nb\n=======\nc\n>>>>>>> REPLACE\n", "2 ======="),
    ],
)
def test_what_cannot_be_used_is_said(text: str, why: str) -> None:
    reading = read(text)
    assert isinstance(reading, Unusable)
    assert why in reading.reason


def test_a_short_rule_of_equal_signs_may_be_part_of_a_block() -> None:
    text = "ops.py\n<<<<<<< SEARCH\nTitle\n=====\n=======\nName\n=====\n>>>>>>> REPLACE\n"
    assert changes(text) == [("ops.py", "Title\n=====\n", "Name\n=====\n")]


def test_without_the_setting_blocks_stay_unusable() -> None:
    reading = parse_reply(f"ops.py\n```\n{BLOCK}```", known_paths=KNOWN)
    assert isinstance(reading, Unusable)
    assert reading.kind == "patch"


pieces = st.sampled_from(
    ["<<<<<<< SEARCH\n", "=======\n", ">>>>>>> REPLACE\n", "```\n", "```python\n", "ops.py\n",
     "../evil.py\n", "x = 1\n", "\n", "text", "<<<<<<< SEARCH ops.py\n"]
)  # fmt: skip


@given(st.lists(pieces, max_size=25))
def test_reading_never_raises_and_never_invents_a_file(parts: list[str]) -> None:
    text = "".join(parts)
    reading = read(text)
    if isinstance(reading, FileEdits):
        for patch in reading.patches:
            assert patch.path in KNOWN or patch.path in text
