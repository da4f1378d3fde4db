"""Notices a reply that goes in circles while it comes, so that it can be stopped and used.

A circle is a run of lines that came just before, or a piece within a line that came three times; in new
tests also a phrase that comes in comment after comment, which a file of settings may well have, and an assertion that
comes a third time, whatever its message. Assertions that go on and on, each with other values, are no circle, and end a
reply, too: soon where nobody asked for tests.
Code may well repeat a short line; two rounds of a long piece, or three of a short one, it does not.
"""

from __future__ import annotations

import ast
import re

from agent.editing.python_source import parse_python

_MOST_LINES = 12
_LONG = 60
"""Characters of a run of lines that may not come twice."""
_SHORT = 12
"""Characters of a run of lines that may not come three times."""
_PIECE = (4, 120)
"""The shortest and the longest piece within a line that is looked for."""
_ROUNDS = 3
_LEAST_IN_LINE = 90
_PHRASE = 8
"""Words of a phrase in a comment."""
_PHRASES = 6
"""Comments that may not have the same phrase."""
_LOOKED_AT = 4000
"""Characters at the end of a reply in which phrases are counted."""
_SAME_ASSERTIONS = 3
_MOST_ASSERTIONS = 20
"""Assertions in a row, after which a test is taken for endless in a reply of tests alone."""
_MOST_BESIDE = 40
"""As many beside other code, where a long table may be meant."""
_MOST_UNASKED = 12
"""As many where the request asks for no test."""
_ASSERTION = re.compile(r"\s*(assert\b.*|self\.assert\w+\(.*)")
_HEAD = re.compile(r"\s*(?:async\s+)?def\s")
_TEST_HEAD = re.compile(r"\s*(?:async\s+)?def\s+test")
_COUNTED = 12
"""Rounds of some lines that differ in their numbers alone; of one line, which a table may have, twice as many."""
_COUNTED_LINES = 4
_COUNTED_SIZE = 40
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[^\W\d]+")
_COMMENT = re.compile(r"\s*(?:#|//|--|\*)")


def end_of_first_round(text: str) -> int | None:
    """The place behind the first round of what the end of a text repeats; None if it repeats nothing."""
    if not text.endswith("\n"):
        return _within_line(text)
    end = _of_lines(text)
    return end if end is not None else _of_counted_lines(text)


def end_of_code(text: str, *, with_tests: bool, shown: str = "") -> int | None:
    """As `end_of_first_round`, for a reply with code; `with_tests` if tests were asked for beside it.

    Assertions that stand in a text that the model was shown may all come again.
    """
    end = end_of_first_round(text)
    if end is not None or not text.endswith("\n"):
        return end
    most = _MOST_BESIDE if with_tests else _MOST_UNASKED
    said = _last_assertions(text)
    if len(said) < most:
        return None
    lines = text.split("\n")
    heads = [line for line in lines[: said[-1][0]] if _HEAD.match(line)]
    if heads and not _TEST_HEAD.match(heads[-1]):  # code may well assert much of its own
        return None
    new = [at for at, _ in said if lines[at].strip() not in shown]
    return len(text) if len(new) >= most else None


def end_of_tests(text: str) -> int | None:
    """As `end_of_first_round`, for a reply of nothing but new tests.

    Comments that say the same end it, too, and so do assertions that come again or never end.
    """
    end = end_of_first_round(text)
    if end is not None or not text.endswith("\n"):
        return end
    return _of_assertions(text) or _of_phrases(text)


def _of_lines(text: str) -> int | None:
    lines = text.split("\n")[:-1]
    for count in range(1, min(_MOST_LINES, len(lines) // 2) + 1):
        last = lines[-count:]
        size = sum(len(line.strip()) for line in last)
        rounds = 1
        while lines[-(rounds + 1) * count : -rounds * count] == last:
            rounds += 1
        enough = 2 if size >= _LONG else _ROUNDS
        if rounds >= enough and size >= _SHORT:
            kept = len(lines) - (rounds - 1) * count
            return len("\n".join(lines[:kept])) + 1
    return None


def _of_counted_lines(text: str) -> int | None:
    """The place behind the first round of lines that come again with other numbers: `with open("file7.txt")`.

    Only statements of a test: rows may be what was asked for. Assertions are counted by themselves.
    """
    lines = text.split("\n")[:-1]
    head = next((line for line in reversed(lines) if _HEAD.match(line)), "")
    if not _TEST_HEAD.match(head):
        return None
    for count in range(1, _COUNTED_LINES + 1):
        last = _round(lines, count, 0)
        if not _may_count_on(last):
            continue
        rounds = 1
        while _round(lines, count, rounds) == last and _differs(lines, count, rounds):
            rounds += 1
        if rounds >= (_COUNTED if count > 1 else 2 * _COUNTED):
            kept = len(lines) - (rounds - 1) * count
            return len("\n".join(lines[:kept])) + 1
    return None


def _may_count_on(lines: list[str]) -> bool:
    """True for lines with numbers that are statements, no rows, no assertions, and long enough."""
    whole = "".join(lines)
    size = sum(len(line.strip()) for line in lines)
    rows = any(line.rstrip().endswith((",", "(", "[", "{")) for line in lines)
    return (
        "#" in whole
        and size >= _COUNTED_SIZE
        and not rows
        and not any(map(_ASSERTION.match, lines))
    )


def _round(lines: list[str], count: int, rounds: int) -> list[str]:
    """The lines so many rounds before the last, without their numbers."""
    end = len(lines) - rounds * count
    return [_NUMBER.sub("#", line) for line in lines[max(0, end - count) : end]]


def _differs(lines: list[str], count: int, rounds: int) -> bool:
    """True if the numbers of a round are others than those of the next."""
    begin = len(lines) - rounds * count
    return lines[begin - count : begin] != lines[begin : begin + count]


def _of_assertions(text: str) -> int | None:
    """The place before the first repeat of an assertion, or behind the last one that a test may have."""
    said = _last_assertions(text)
    same = [at for at, words in said if words == said[0][1]]
    if len(same) >= _SAME_ASSERTIONS:
        return len("\n".join(text.split("\n")[: same[-2]])) + 1
    return len(text) if len(said) >= _MOST_ASSERTIONS else None


def _last_assertions(text: str) -> list[tuple[int, str]]:
    """The assertions in a row that end a text, each with its line, the last one first; none if its last line is none.

    Only comments may stand between them, and each is whole on its line.
    """
    lines = text.split("\n")[:-1]
    said: list[tuple[int, str]] = []
    for at in range(len(lines) - 1, -1, -1):
        if assertion := _assertion(lines[at]):
            said.append((at, assertion))
        elif not said or (lines[at].strip() and not _COMMENT.match(lines[at])):
            break
    return said


def _assertion(line: str) -> str:
    """An assertion without its message, in a spelling that is equal for equal ones; empty for other lines."""
    if not _ASSERTION.match(line) or (tree := parse_python(line.strip())) is None:
        return ""
    match tree.body:
        case [ast.Assert(test=test)]:
            return ast.dump(test)
        case [ast.Expr(value=ast.Call() as call)]:
            return ast.dump(call)
        case _:
            return ""


def _of_phrases(text: str) -> int | None:
    """The end of the second comment with a phrase of the last one, if that phrase came far too often."""
    lines = text[-_LOOKED_AT:].split("\n")[:-1]
    comments = {at: _WORD.findall(line) for at, line in enumerate(lines) if _COMMENT.match(line)}
    last = comments[max(comments)] if comments else []
    for at in range(len(last) - _PHRASE + 1):
        phrase = last[at : at + _PHRASE]
        found = [number for number, words in comments.items() if _has(phrase, words)]
        if len(found) >= _PHRASES:
            return len(text) - len("\n".join(lines[found[1] + 1 :])) - 1
    return None


def _has(phrase: list[str], words: list[str]) -> bool:
    size = len(phrase)
    return any(words[at : at + size] == phrase for at in range(len(words) - size + 1))


def _within_line(text: str) -> int | None:
    line = text.rpartition("\n")[2]
    if len(line) < _LEAST_IN_LINE:
        return None
    for size in range(_PIECE[0], min(_PIECE[1], len(line) // _ROUNDS) + 1):
        piece = line[-size:]
        rounds = max(_ROUNDS, -(-_LEAST_IN_LINE // size))
        if len(set(piece)) > 1 and line.endswith(piece * rounds):
            return len(text) - size * (rounds - 1)
    return None


def usable_part(text: str, end: int) -> str:
    """The text up to a place, with its last line whole and an open fence closed."""
    kept = text[:end].rpartition("\n")[0] if not text[:end].endswith("\n") else text[:end]
    fences = sum(line.lstrip().startswith("```") for line in kept.split("\n"))
    return f"{kept.rstrip()}\n```\n" if fences % 2 else kept
