"""What a failed check says of itself: the value that was expected, and the one that came."""

from __future__ import annotations

import re

_MAX_LINE = 2_000
_COMPARISON = re.compile(r"(?:AssertionError: )?assert (.{1,300}?) == (.{1,300})")
_UNEQUAL = re.compile(r"(?:AssertionError: )?(.{1,300}?) != (.{1,300}?)(?: : .{0,300})?")
_NOT_RAISED = re.compile(
    r"(?:Failed: )?DID NOT RAISE (?:any of )?(.{1,200})|(?:AssertionError: )?(\w{1,80}) not raised.{0,200}"
)
_CLASS = re.compile(r"<class '(?:[\w.]{0,200}\.)?(\w{1,80})'>")


def compared_values(message: str) -> tuple[str, str]:
    """What a failed check expected and what it got; two empty texts if the message says neither.

    Of `assertEqual(first, second)` the second counts as expected, as in `assert first == second`.
    """
    first_line = message.split("\n", 1)[0][:_MAX_LINE]
    if match := _COMPARISON.fullmatch(first_line) or _UNEQUAL.fullmatch(first_line):
        return match[2], match[1]
    if match := _NOT_RAISED.fullmatch(first_line):
        wanted = _CLASS.sub(r"\1", match[1] or match[2])
        return f"{wanted} is raised", "no exception"
    return "", ""
