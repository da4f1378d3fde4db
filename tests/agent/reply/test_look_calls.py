from __future__ import annotations

import pytest

from agent.reply.parse import parse_reply
from agent.reply.parsed import PlainAnswer, ShellCommand

KNOWN = ("ops.py",)


@pytest.mark.parametrize(
    ("reply", "command"),
    [
        ('{"name": "read_file", "arguments": {"path": "ops.py"}}', "cat ops.py"),
        ('<tool_call>\n{"name": "list_files", "arguments": {}}\n</tool_call>', "ls"),
        ('{"name": "list_files", "arguments": {"path": "."}}', "ls"),
        ('{"tool": "search", "args": {"query": "def add"}}', "grep -rnF 'def add' ."),
        ('{"name": "run_tests", "arguments": {}}', "pytest"),
        ('read_file("ops.py")', "cat ops.py"),
        ("read_file(path='my file.py')", "cat 'my file.py'"),
        ('```json\n{"name": "read_file", "arguments": {"path": "a; rm b"}}\n```', "cat 'a; rm b'"),
        ("run_tests()", "pytest"),
    ],
)
def test_calls_that_look_are_understood(reply: str, command: str) -> None:
    reading = parse_reply(reply, known_paths=KNOWN)
    assert isinstance(reading, ShellCommand), reading
    assert reading.command == command


def test_code_that_looks_like_a_call_stays_an_answer() -> None:
    reading = parse_reply("Use `view(x)` or:\n\nread(handle)\n", known_paths=KNOWN)
    assert isinstance(reading, PlainAnswer)
