"""What a call or a tag gives as a file is that file, whatever it holds."""

from __future__ import annotations

import json

import pytest

from agent.reply.parse import parse_reply
from agent.reply.parsed import FileEdits


def contents(reply: str) -> dict[str, str]:
    reading = parse_reply(reply, known_paths=("README.md", "a.py"))
    assert isinstance(reading, FileEdits), reading
    return {edit.path: edit.content for edit in reading.edits}


def call(path: str, content: str) -> str:
    asked = {"name": "write_file", "arguments": {"path": path, "content": content}}
    return f"<tool_call>{json.dumps(asked)}</tool_call>"


def test_a_markdown_file_may_be_one_fence() -> None:
    fence = "```sh\nls\n```\n"
    assert contents(call("README.md", fence)) == {"README.md": fence}


@pytest.mark.parametrize(("path", "info"), [("README.md", "markdown"), ("a.py", "python")])
def test_a_fence_around_a_file_is_no_part_of_it(path: str, info: str) -> None:
    assert contents(call(path, f"```{info}\nx = 1\n```\n")) == {path: "x = 1\n"}


@pytest.mark.parametrize(
    "own",
    [
        "<file>x</file>\n<y/>\n",
        '<file path="b.xml">x</file>\n<y/>\n',
        "it ends in </file>, mostly\n",
    ],
)
def test_closing_tags_in_a_file_do_not_end_it(own: str) -> None:
    tagged = f'<file path="a.xml">\n{own}</file>\n'
    assert contents(f"{tagged}Done.\n") == {"a.xml": own}
    other = '<file path="c.xml">\n<z/>\n</file>\n'
    assert contents(tagged + other) == {"a.xml": own, "c.xml": "<z/>\n"}


@pytest.mark.parametrize("sign", ["\u2028", "\x85", "\f", "\v"])
def test_a_python_like_call_ends_where_python_says(sign: str) -> None:
    reply = f'write_file("a.py", """x = 1\n# {sign} y\nz = 2\n""")\n'
    assert contents(reply) == {"a.py": f"x = 1\n# {sign} y\nz = 2\n"}
