"""A reply that goes in circles is noticed within two or three rounds, and ordinary code is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.approval import ModeApprover
from agent.intent.wanted import Wanted
from agent.turn.conversation import Conversation
from agent.turn.loop import run_turn
from agent.turn.repeating import (
    end_of_code,
    end_of_first_round,
    end_of_tests,
    usable_part,
)
from tests.fakes.model import ScriptedModel

LINE = "    assert median([1, 2, 3]) == 2\n"
LONG = "    assert median([1, 2, 3, 4, 5, 6, 7, 8, 9]) == pytest.approx(5.0, rel=1e-9)\n"


def noticed(text: str) -> int | None:
    """The place of the first character after which a circle is noticed."""
    ends = (n for n in range(1, len(text) + 1) if end_of_first_round(text[:n]) is not None)
    return next(ends, None)


@pytest.mark.parametrize(
    ("before", "piece", "rounds"),
    [
        ("def test_median():\n", LINE, 3),
        ("def test_median():\n", LONG, 2),
        ("def f():\n", "    x = 1\n    y = x + 1\n", 3),
        ("The answer is that ", "it is what it is and ", 5),
    ],
)
def test_a_circle_is_noticed_soon(before: str, piece: str, rounds: int) -> None:
    at = noticed(before + piece * 40)
    assert at is not None
    assert at <= len(before) + rounds * len(piece) + 1


def test_a_phrase_that_comes_line_after_line_is_a_circle_and_two_lines_of_it_are_kept() -> None:
    begun = "def test_parse_date():\n"
    lines = [
        f"    # Test with a date in the current year, month and day, but with another {n * 'year and '}month\n"
        f'    assert parse_date("20{n:02}-05-15") == (20{n:02}, 5, 15)\n'
        for n in range(1, 30)
    ]
    ends = (n for n in range(1, 30) if end_of_tests(begun + "".join(lines[:n])) is not None)
    count = next(ends)
    text = begun + "".join(lines[:count])
    assert count <= 6
    kept = usable_part(text, end_of_tests(text) or 0)
    assert kept.count("# Test with a date") == 2


def test_lines_that_only_count_on_are_a_circle_and_a_table_of_some_rows_is_none() -> None:
    begun = "def test_dupes(tmp_path):\n"
    files = [
        f'    with open(tmp_path / "file{n}.txt", "w") as handle:\n        handle.write("Hello, world!")\n'
        for n in range(1, 114)
    ]
    at = noticed(begun + "".join(files))
    assert at is not None
    assert at <= len(begun + "".join(files[:13]))
    assert end_of_first_round(begun + "".join(files[:12])) == len(begun + files[0])
    table = [f'    {{"id": {n}, "name": "book {n}", "price": {n * 10}}},\n' for n in range(1, 20)]
    assert noticed("BOOKS = [\n" + "".join(table)) is None
    rows = "".join(
        f"register(id={n}, name='User {n}', email='user{n}@example.com')\n" for n in range(50)
    )
    assert noticed(rows) is None, "what was asked for may go on like this"
    assert noticed("def test_a():\n    rows = [\n" + "    ".join(table * 3)) is None


def test_an_assertion_that_comes_a_third_time_is_a_circle_whatever_its_message() -> None:
    text = "def test_parse_date():\n"
    for said in ("year", "month", "day"):
        text += f"    # in the current {said}\n"
        text += f'    assert parse_date("2023-04-15") == (2023, 4, 15), "for the {said}"\n'
        text += f'    assert parse_date("{said}") is None\n' * (said != "day")
    kept = usable_part(text, end_of_tests(text) or 0)
    assert kept.count("(2023, 4, 15)") == 1
    assert 'parse_date("year") is None' in kept
    for line in range(1, text.count("\n")):
        assert end_of_tests("\n".join(text.split("\n")[:line]) + "\n") is None


def test_the_same_assertion_may_stand_in_every_test() -> None:
    tests = [f"def test_{n}():\n    run({n})\n    assert errors() == []\n" for n in range(9)]
    text = ""
    for line in "".join(tests).splitlines(keepends=True):
        text += line
        assert end_of_tests(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "def test_a():\n"
        + "    assert f(\n        1\n    ) == 2\n" * 1
        + "".join(f"    assert slugify(\n        {n}\n    ) == 'a'\n" for n in range(5)),
        "def test_b():\n" + "".join(f"    self.assertEqual(next(t), {c!r})\n" for c in "abcd"),
        "def test_c():\n" + "".join(f"    assert c.color == '#{c * 3}'\n" for c in "fab0"),
        "def test_d():\n" + "    assert c.value == 0\n    c.toggle()\n" * 6,
    ],
)
def test_assertions_that_only_look_alike_are_no_circle(text: str) -> None:
    found = ""
    for line in text.splitlines(keepends=True):
        found += line
        assert end_of_tests(found) is None or end_of_first_round(found) is not None


def test_a_test_that_asserts_without_end_is_ended() -> None:
    text = "def test_square():\n"
    for number in range(99):
        text += f"    assert square({number}) == {number * number}\n"
        if end_of_tests(text) is not None:
            break
    assert text.count("assert") == 20
    assert usable_part(text, end_of_tests(text) or 0) == text


@pytest.mark.parametrize(("with_tests", "most"), [(False, 12), (True, 40)])
def test_assertions_without_end_end_a_reply_soon_where_no_test_was_asked_for(
    with_tests: bool, most: int
) -> None:
    lines = [f'    assert parse_date("20{n:02}-01-02") == (20{n:02}, 1, 2)\n' for n in range(99)]
    text = 'def parse_date(text):\n    """Read a date."""\n\n\ndef test_parse_date():\n'
    for line in lines:
        text += line
        if end_of_code(text, with_tests=with_tests) is not None:
            break
    assert text.count("assert") == most
    assert end_of_code(text, with_tests=with_tests) == len(text)
    assert end_of_code(text, with_tests=with_tests, shown="".join(lines)) is None


def test_code_may_assert_as_much_of_its_own_as_it_likes() -> None:
    text = "class Config:\n    def __init__(self, c):\n"
    for number in range(30):
        text += f"        assert c.f{number} is not None\n"
        assert end_of_code(text, with_tests=False) is None


def test_a_file_of_settings_may_say_the_same_in_every_comment() -> None:
    lines = [
        f"# set to true if the service should be started on boot\nkey_{n}: true\n" for n in range(9)
    ]
    assert not noticed_by_line("".join(lines))


def test_a_table_of_assertions_is_no_circle() -> None:
    lines = [
        f"    self.assertEqual(parse_date('20{n:02}-05-15'), (20{n:02}, 5, 15))\n"
        for n in range(40)
    ]
    assert not noticed_by_line("".join(lines))


def test_the_projects_own_code_is_no_circle() -> None:
    root = Path(__file__).parents[3]
    files = [
        *sorted((root / "agent").rglob("*.py"))[:40],
        *sorted((root / "tests/agent/turn").glob("*.py")),
    ]
    found = [path.name for path in files if noticed_by_line(path.read_text())]
    assert found == []


def noticed_by_line(text: str) -> bool:
    position = 0
    for line in text.splitlines(keepends=True):
        position += len(line)
        if end_of_first_round(text[:position]) is not None:
            return True
    return False


def test_what_was_complete_before_the_circle_is_kept_with_its_fence_closed() -> None:
    text = "tests/test_stats.py\n```python\ndef test_median():\n" + LINE * 3
    end = end_of_first_round(text)
    assert end is not None
    assert usable_part(text, end) == (
        "tests/test_stats.py\n```python\ndef test_median():\n" + LINE + "```\n"
    )


async def test_a_reply_in_circles_is_stopped_and_its_first_round_written(tmp_path: Path) -> None:
    (tmp_path / "stats.py").write_text("def median(values):\n    return sorted(values)[1]\n")
    reply = "tests/test_stats.py\n```python\ndef test_median():\n" + LINE * 200
    model = ScriptedModel(script=[reply])
    async for _ in run_turn(
        Conversation(),
        "write a test for median",
        root=tmp_path,
        files=["stats.py"],
        model=model,
        approver=ModeApprover("auto"),
        wanted=Wanted.NEW,
    ):
        pass
    written = (tmp_path / "tests" / "test_stats.py").read_text()
    assert written == "from stats import median\ndef test_median():\n" + LINE
