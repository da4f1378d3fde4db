"""A list of requests by a stranger to the product: thirty cases on four repositories.

The repositories: a budget importer (package with `__main__`, unittest with setUp), a maze solver (flat, `*_test.py`,
fixtures in conftest), a chat-bot (decorated handlers, test classes) and a retry helper (tests inside the package).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from benchmarks.conversation_cases import (
    After,
    Case,
    Check,
    Files,
    answers,
    same_code,
    tested,
    unchanged,
    without,
)


def _text(text: str) -> str:
    return text.lstrip("\n")


BUDGET: Files = {
    "pyproject.toml": "[project]\nname = 'budget'\nversion = '0.3'\n\n[tool.pytest.ini_options]\npythonpath = ['.']\n",
    "budget/__init__.py": '"""Imports the CSV files of a bank and sums them up."""\n',
    "budget/entry.py": _text('''
"""One booking on the account."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Entry:
    day: date
    payee: str
    amount: Decimal
    category: str = "other"

    @property
    def is_expense(self):
        return self.amount < 0

    def month(self):
        return self.day.strftime("%Y-%m")
'''),
    "budget/reader.py": _text('''
"""Reads the CSV export of the bank: date;payee;amount."""

import csv
from datetime import datetime
from decimal import Decimal

from budget.entry import Entry

DATE_FORMAT = "%d.%m.%Y"
RULES = {"rent": "housing", "market": "food", "bakery": "food", "bus": "travel"}


def parse_amount(text):
    return Decimal(text.strip().replace(",", "."))


def guess_category(payee):
    for word, category in RULES.items():
        if word in payee.lower():
            return category
    return "other"


def read_entries(lines):
    entries = []
    for row in csv.reader(lines, delimiter=";"):
        if not row or row[0] == "date":
            continue
        day = datetime.strptime(row[0], DATE_FORMAT).date()
        payee = row[1].strip()
        entries.append(Entry(day, payee, parse_amount(row[2]), guess_category(payee)))
    return entries
'''),
    "budget/report.py": _text('''
"""Sums for the report."""

from collections import defaultdict
from decimal import Decimal


def total(entries):
    return sum((entry.amount for entry in entries), Decimal("0"))


def by_category(entries):
    sums = defaultdict(Decimal)
    for entry in entries:
        sums[entry.category] += entry.amount
    return dict(sums)


def biggest_expense(entries):
    expenses = [entry for entry in entries if entry.is_expense]
    return min(expenses, key=lambda entry: entry.amount)


def format_line(name, amount, width=12):
    return f"{name:<{width}}{amount:>10.2f}"
'''),
    "budget/__main__.py": _text('''
"""The command line: python -m budget FILE."""

import argparse
from pathlib import Path

from budget.reader import read_entries
from budget.report import by_category, format_line, total


def build_parser():
    parser = argparse.ArgumentParser(prog="budget")
    parser.add_argument("file", type=Path)
    parser.add_argument("--month", help="only this month, such as 2024-03")
    return parser


def main(argv=None):
    args = build_parser().parse_args(argv)
    entries = read_entries(args.file.read_text().splitlines())
    if args.month:
        entries = [entry for entry in entries if entry.month() == args.month]
    for name, amount in sorted(by_category(entries).items()):
        print(format_line(name, amount))
    print(format_line("total", total(entries)))


if __name__ == "__main__":
    main()
'''),
    "tests/test_budget.py": _text('''
import unittest
from datetime import date
from decimal import Decimal

from budget.reader import guess_category, parse_amount, read_entries
from budget.report import biggest_expense, by_category, total

SAMPLE = """\\
date;payee;amount
01.03.2024;Rent March;-800,00
03.03.2024;Green Market;-42,50
28.03.2024;Employer;2100,00
02.04.2024;Night Bus;-3,20
"""


class ReaderTest(unittest.TestCase):
    def setUp(self):
        self.entries = read_entries(SAMPLE.splitlines())

    def test_reads_every_row(self):
        self.assertEqual([e.payee for e in self.entries], ["Rent March", "Green Market", "Employer", "Night Bus"])

    def test_day_and_month(self):
        self.assertEqual(self.entries[0].day, date(2024, 3, 1))
        self.assertEqual(self.entries[3].month(), "2024-04")

    def test_category(self):
        self.assertEqual(guess_category("Old Bakery"), "food")

    def test_decimal_comma(self):
        self.assertEqual(parse_amount("-4,50"), Decimal("-4.50"))

    def test_thousands(self):
        self.assertEqual(parse_amount("1.250,00"), Decimal("1250"))


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.entries = read_entries(SAMPLE.splitlines())

    def test_total(self):
        self.assertEqual(total(self.entries), Decimal("1254.30"))

    def test_by_category(self):
        self.assertEqual(by_category(self.entries)["food"], Decimal("-42.50"))

    def test_biggest_expense(self):
        self.assertEqual(biggest_expense(self.entries).payee, "Rent March")
'''),
}
"""One test is red: `test_thousands`: 1 failed, 7 passed."""

MAZE: Files = {
    "README.md": "# maze\n\nFinds the shortest way through a maze: `python solve.py maze.txt`.\n",
    "grid.py": _text('''
"""A maze made of text: '#' is a wall, 'S' the start and 'E' the exit."""

WALL = "#"


class Grid:
    def __init__(self, rows):
        self.rows = rows

    @classmethod
    def from_text(cls, text):
        return cls([line.strip() for line in text.splitlines() if line.strip()])

    def inside(self, x, y):
        return 0 <= y < len(self.rows) and 0 <= x < len(self.rows[y])

    def is_wall(self, x, y):
        return self.rows[y][x] == WALL

    def find(self, mark):
        for y, row in enumerate(self.rows):
            if mark in row:
                return row.index(mark), y
        return None

    def neighbours(self, x, y):
        steps = [(x + 1, y), (x - 1, y), (x, y + 1), (x, y - 1)]
        return [(a, b) for a, b in steps if self.inside(a, b) and not self.is_wall(a, b)]
'''),
    "solver.py": _text('''
"""Searches a grid."""

from collections import deque

LETTERS = {(1, 0): "R", (-1, 0): "L", (0, 1): "D", (0, -1): "U"}


def shortest_path(grid):
    start, goal = grid.find("S"), grid.find("E")
    came_from = {start: None}
    queue = deque([start])
    while queue:
        place = queue.pop()
        if place == goal:
            return walk_back(came_from, place)
        for step in grid.neighbours(*place):
            if step not in came_from:
                came_from[step] = place
                queue.append(step)
    return None


def walk_back(came_from, place):
    path = []
    while place is not None:
        path.append(place)
        place = came_from[place]
    return path[::-1]


def reachable(grid, start):
    seen, todo = {start}, [start]
    while todo:
        for step in grid.neighbours(*todo.pop()):
            if step not in seen:
                seen.add(step)
                todo.append(step)
    return seen


def directions(path):
    return "".join(LETTERS[(b[0] - a[0], b[1] - a[1])] for a, b in zip(path, path[1:]))
'''),
    "solve.py": _text("""
import argparse
from pathlib import Path

from grid import Grid
from solver import directions, shortest_path


def draw(grid, path):
    rows = [list(row) for row in grid.rows]
    for x, y in path[1:-1]:
        rows[y][x] = "o"
    return "\\n".join("".join(row) for row in rows)


def main(argv=None):
    parser = argparse.ArgumentParser(description="Solves a maze.")
    parser.add_argument("maze", help="a text file")
    parser.add_argument("--letters", action="store_true", help="print the way as letters")
    args = parser.parse_args(argv)
    grid = Grid.from_text(Path(args.maze).read_text())
    path = shortest_path(grid)
    if path is None:
        print("no way out")
        return 1
    print(directions(path) if args.letters else draw(grid, path))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
"""),
    "conftest.py": _text('''
import pytest

from grid import Grid


@pytest.fixture
def ring():
    return Grid.from_text(
        """
        S..E
        .##.
        ....
        """
    )


@pytest.fixture
def closed():
    return Grid.from_text("S.#E")
'''),
    "grid_test.py": _text("""
def test_find(ring):
    assert ring.find("E") == (3, 0)


def test_find_nothing(ring):
    assert ring.find("X") is None


def test_walls(ring):
    assert ring.is_wall(1, 1)
    assert not ring.is_wall(0, 1)


def test_neighbours(ring):
    assert sorted(ring.neighbours(0, 0)) == [(0, 1), (1, 0)]


def test_outside(closed):
    assert not closed.inside(0, 1)
"""),
    "solver_test.py": _text("""
from solver import reachable, shortest_path


def test_takes_the_short_way(ring):
    assert shortest_path(ring) == [(0, 0), (1, 0), (2, 0), (3, 0)]


def test_both_ends(ring):
    path = shortest_path(ring)
    assert path[0] == (0, 0)
    assert path[-1] == (3, 0)


def test_no_way(closed):
    assert shortest_path(closed) is None


def test_reachable(closed):
    assert reachable(closed, (0, 0)) == {(0, 0), (1, 0)}
"""),
}
"""One test is red: `test_takes_the_short_way`: 1 failed, 8 passed."""

MAZE_GREEN: Files = {
    **MAZE,
    "solver.py": MAZE["solver.py"].replace("queue.pop()", "queue.popleft()"),
}

BOT: Files = {
    "setup.cfg": "[metadata]\nname = chatbot\n\n[tool:pytest]\npythonpath = .\n",
    "README.md": "# chatbot\n\nA bot that answers lines such as `!echo hello`.\n",
    "chatbot/__init__.py": "",
    "chatbot/parsing.py": _text('''
"""Turns a line of the chat into a command and its arguments."""

import shlex

PREFIX = "!"
ALIASES = {"p": "ping", "say": "echo", "h": "help"}
UNITS = {"s": 1, "m": 60, "h": 3600}


def is_command(line):
    return line.startswith(PREFIX) and len(line) > len(PREFIX)


def resolve(name):
    return ALIASES.get(name, name)


def split_command(line):
    words = shlex.split(line[len(PREFIX):])
    return resolve(words[0].lower()), words[1:]


def parse_duration(text):
    """The seconds of a text like '30s', '5m' or '2h'."""
    return int(text[:-1]) * UNITS[text[-1]]
'''),
    "chatbot/router.py": _text('''
"""Finds the handler of a command."""

from chatbot.parsing import is_command, split_command


class Router:
    def __init__(self):
        self.handlers = {}
        self.muted = set()

    def command(self, name):
        def register(function):
            self.handlers[name] = function
            return function

        return register

    def mute(self, user):
        self.muted.add(user)

    def dispatch(self, user, line):
        if user in self.muted or not is_command(line):
            return None
        name, args = split_command(line)
        handler = self.handlers.get(name)
        if handler is None:
            return f"unknown command: {name}"
        return handler(user, args)
'''),
    "chatbot/commands.py": _text('''
"""The commands of the bot."""

from chatbot.parsing import parse_duration
from chatbot.router import Router

router = Router()


@router.command("ping")
def ping(user, args):
    return "pong"


@router.command("echo")
def echo(user, args):
    return " ".join(args)


@router.command("add")
def add(user, args):
    return str(sum(int(arg) for arg in args))


@router.command("remind")
def remind(user, args):
    seconds = parse_duration(args[0])
    return f"{user}: in {seconds} seconds: {' '.join(args[1:])}"


@router.command("help")
def show_help(user, args):
    return "commands: " + ", ".join(sorted(router.handlers))
'''),
    "tests/test_chatbot.py": _text("""
import pytest

from chatbot.commands import router
from chatbot.parsing import is_command, split_command
from chatbot.router import Router


class TestParsing:
    @pytest.mark.parametrize(("line", "expected"), [("!ping", True), ("ping", False), ("!", False)])
    def test_is_command(self, line, expected):
        assert is_command(line) is expected

    def test_quoted_words_stay_together(self):
        assert split_command('!echo "a b" c') == ("echo", ["a b", "c"])


class TestRouter:
    @pytest.fixture
    def bot(self):
        bot = Router()
        bot.command("hi")(lambda user, args: f"hi {user}")
        return bot

    def test_known(self, bot):
        assert bot.dispatch("ann", "!hi") == "hi ann"

    def test_unknown(self, bot):
        assert bot.dispatch("ann", "!bye") == "unknown command: bye"

    def test_muted(self, bot):
        bot.mute("ann")
        assert bot.dispatch("ann", "!hi") is None


class TestCommands:
    @pytest.mark.parametrize(("line", "reply"), [("!echo a b", "a b"), ("!add 1 2", "3")])
    def test_replies(self, line, reply):
        assert router.dispatch("bob", line) == reply

    def test_help(self):
        assert "ping" in router.dispatch("bob", "!help")
"""),
}
"""All ten tests are green."""

PATIENCE: Files = {
    "pyproject.toml": "[project]\nname = 'patience'\nversion = '1.1'\n\n[tool.pytest.ini_options]\npythonpath = ['.']\n",
    "patience/__init__.py": "from patience.decorator import retry\nfrom patience.errors import GaveUp\n\n"
    '__all__ = ["GaveUp", "retry"]\n',
    "patience/errors.py": _text('''
class GaveUp(Exception):
    """Raised when the last attempt failed, too."""

    def __init__(self, name, attempts):
        super().__init__(f"{name} failed {attempts} times")
        self.name = name
        self.attempts = attempts
'''),
    "patience/backoff.py": _text('''
"""Waiting times between two attempts, in seconds."""

import random
from itertools import islice

MAX_DELAY = 60.0


def fixed(delay=1.0):
    while True:
        yield delay


def exponential(base=1.0, factor=2.0):
    delay = base
    while True:
        yield delay
        delay *= factor


def with_jitter(delay, spread=0.1):
    return min(delay + random.uniform(0, delay * spread), MAX_DELAY)


def total_wait(delays, attempts):
    return sum(islice(delays, attempts - 1))
'''),
    "patience/decorator.py": _text('''
"""Calls a function again until it works."""

import functools
import time

from patience.backoff import exponential
from patience.errors import GaveUp


def retry(attempts=3, on=(Exception,), delays=exponential):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            waits, last = delays(), None
            for attempt in range(1, attempts):
                try:
                    return function(*args, **kwargs)
                except on as error:
                    last = error
                    if attempt < attempts:
                        time.sleep(next(waits))
            raise GaveUp(function.__name__, attempts) from last

        return wrapper

    return decorate
'''),
    "patience/tests/test_backoff.py": _text("""
from itertools import islice

import pytest

from patience.backoff import exponential, fixed, total_wait, with_jitter


def first(delays, count):
    return list(islice(delays, count))


def test_fixed():
    assert first(fixed(2), 3) == [2, 2, 2]


@pytest.mark.parametrize("factor, expected", [(2, [1, 2, 4]), (3, [1, 3, 9])])
def test_exponential(factor, expected):
    assert first(exponential(1, factor), 3) == expected


def test_jitter_stays_small():
    assert 10 <= with_jitter(10) <= 11


def test_total_wait():
    assert total_wait(fixed(5), 4) == 15
"""),
    "patience/tests/test_decorator.py": _text('''
import pytest

from patience import GaveUp, retry


@pytest.fixture(autouse=True)
def naps(monkeypatch):
    slept = []
    monkeypatch.setattr("patience.decorator.time.sleep", slept.append)
    return slept


class Flaky:
    """Fails so often, then works."""

    def __init__(self, failures, error=OSError):
        self.failures, self.error, self.calls = failures, error, 0

    def run(self):
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error("down")
        return "up"


def test_works_at_once(naps):
    assert retry()(Flaky(0).run)() == "up"
    assert naps == []


def test_works_the_second_time(naps):
    assert retry()(Flaky(1).run)() == "up"
    assert naps == [1.0]


def test_tries_as_often_as_told():
    flaky = Flaky(9)
    with pytest.raises(GaveUp):
        retry(attempts=4)(flaky.run)()
    assert flaky.calls == 4


def test_other_errors_are_not_caught():
    with pytest.raises(KeyError):
        retry(on=(OSError,))(Flaky(1, KeyError).run)()
'''),
}
"""One test is red: `test_tries_as_often_as_told`: 1 failed, 8 passed."""


def every(*checks: Check) -> Check:
    """All of the checks hold; the first reason otherwise."""

    def check(before: Files, after: After) -> str:
        return next((reason for one in checks if (reason := one(before, after))), "")

    return check


def kept(*paths: str) -> Check:
    """These files are as they were."""

    def check(before: Files, after: After) -> str:
        changed = [p for p in paths if before[p] != after.files.get(p)]
        return f"changed {', '.join(changed)}" if changed else ""

    return check


def nowhere(pattern: str) -> Check:
    """No Python file has the pattern any more."""

    def check(before: Files, after: After) -> str:
        found = [
            p for p, text in after.files.items() if p.endswith(".py") and re.search(pattern, text)
        ]
        return f"{pattern} is still in {', '.join(found)}" if found else ""

    return check


def new_test_line(pattern: str) -> Check:
    """A test file has the pattern, and none had it before."""

    def check(before: Files, after: After) -> str:
        new = [
            p
            for p, text in after.files.items()
            if "test" in p
            and re.search(pattern, text)
            and not re.search(pattern, before.get(p, ""))
        ]
        return "" if new else f"no new test has {pattern}"

    return check


def keeps_tests(path: str, *but: str) -> Check:
    """The tests of a file are all there still, but for the named ones."""

    def check(before: Files, after: After) -> str:
        lost = _tests(before[path]) - _tests(after.files.get(path, "")) - {*but}
        return f"{path} lost {sorted(lost)}" if lost else ""

    return check


def _tests(source: str) -> set[str]:
    return {
        n.name
        for n in ast.walk(ast.parse(source))
        if isinstance(n, ast.FunctionDef) and n.name.startswith("test")
    }


def methods_documented(tree: ast.Module) -> bool:
    """Every function has a docstring; those of Python's own methods (`__init__`) are free."""
    return all(
        ast.get_docstring(n)
        for n in ast.walk(tree)
        if isinstance(n, ast.FunctionDef) and not n.name.startswith("__")
    )


def all_hinted(tree: ast.Module) -> bool:
    return all(
        n.returns is not None
        and all(a.annotation for a in n.args.args if a.arg not in ("self", "cls"))
        for n in ast.walk(tree)
        if isinstance(n, ast.FunctionDef)
    )


def same_program(path: str, *, needs: Callable[[ast.Module], bool]) -> Check:
    """As `same_code`, but hints of variables, `import typing` and new docstrings are let pass, too."""

    def check(before: Files, after: After) -> str:
        others = {p: t for p, t in after.files.items() if p != path}
        reason = unchanged(
            {p: t for p, t in before.items() if p != path}, After(files=others, said="")
        )
        if reason:
            return reason
        if not needs(ast.parse(after.files[path])):
            return "what was asked for is not there"
        same = _plain(before[path]) == _plain(after.files[path])
        return "" if same else "the program is another one"

    return check


class _Plain(ast.NodeTransformer):
    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        return node.value and ast.Assign(targets=[node.target], value=node.value)

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        return None if all(a.name == "typing" for a in node.names) else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None if node.module in ("typing", "__future__", "collections.abc") else node


def _plain(source: str) -> str:
    return ast.dump(_Plain().visit(ast.parse(source)))


_DATE_TRACE = """Traceback (most recent call last):
  File "budget/__main__.py", line 28, in <module>
    main()
  File "budget/__main__.py", line 19, in main
    entries = read_entries(args.file.read_text().splitlines())
  File "budget/reader.py", line 29, in read_entries
    day = datetime.strptime(row[0], DATE_FORMAT).date()
ValueError: time data '2024-03-01' does not match format '%d.%m.%Y'
"""
_START_TRACE = """Traceback (most recent call last):
  File "solve.py", line 30, in <module>
    raise SystemExit(main())
  File "solve.py", line 21, in main
    path = shortest_path(grid)
  File "solver.py", line 16, in shortest_path
    for step in grid.neighbours(*place):
TypeError: grid.Grid.neighbours() argument after * must be an iterable, not NoneType
"""
_OTHER = (
    r"[\"'`*“\u2018]other\b|\bother[\"'`*”\u2019]"
    r"|\b(?:category|is|as|to|gets?|returns?|called|named|into|under|in|default|be) other\b(?! (?:rule|categor|word|payee))"
    r"|\bother\b(?: categor(?:y|ies)\b|[.!]?$)"
)

STRANGER: tuple[Case, ...] = (
    # ask what
    Case(name="budget-what", kind="ask what", files=BUDGET, request="what category does an entry get if no rule matches?",
         check=answers(_OTHER)),
    Case(name="bot-what", kind="ask what", files=BOT, request="what does the bot reply to \"!PING\" in capitals?",
         check=answers(r"\bpong\b")),
    # ask where
    Case(name="budget-where", kind="ask where", files=BUDGET, request="where do i change the date format of the csv?",
         check=answers(r"\breader\b", r"DATE_FORMAT|%d\.%m|line 9\b|:9\b")),
    Case(name="maze-where", kind="ask where", files=MAZE, request="which file prints \"no way out\"?",
         check=answers(r"\bsolve\.py")),
    # ask why it fails
    Case(name="maze-why", kind="ask why it fails", files=MAZE, request="test_takes_the_short_way is failing, any idea why?",
         check=answers(r"pop\b|popleft|depth.first|\bDFS\b|LIFO|\bstack|last.in"
                       r"|(?:not|instead of|n't)[^.\n]{0,40}(?:breadth|BFS|FIFO|queue)", r"solver|shortest_path")),
    Case(name="patience-why", kind="ask why it fails", files=PATIENCE, request="one test in test_decorator.py is red. why?",
         check=answers(r"range|off.by.one|starts? (?:at|from|with) (?:1|one)\b|one (?:\w+ )?(?:too (?:few|early)|less|fewer|short)"
                       r"|attempts ?- ?1", r"decorator|retry|wrapper|\bloop")),
    # explain a traceback
    Case(name="budget-trace", kind="explain a traceback", files=BUDGET,
         request=f"i get this with the export of my new bank, whats wrong?\n{_DATE_TRACE}",
         check=answers(r"date|day", r"format|dots?\b|dash|hyphen",
                       r"2024-03-01|\bISO|YYYY-MM-DD|%Y-%m-%d|%d\.%m\.%Y|DD\.MM|DATE_FORMAT|\bdots?\b|dash|hyphen|day.first|day\.month")),
    Case(name="maze-trace", kind="explain a traceback", files=MAZE, request=f"what does this error mean?\n{_START_TRACE}",
         check=answers(r"\bstart|(?-i:\bS\b)", r"\bNone|missing|not found|\bno\b|n't|without|lack")),
    # run the tests
    Case(name="patience-run", kind="run the tests", files=PATIENCE, request="pls run all the tests",
         check=answers(r"\b(?:1|one) (?:tests? )?(?:has |have |is |are )?fail", r"\b(?:8|eight)\b[^.\n]{0,20}pass")),
    # fix
    Case(name="budget-fix", kind="fix", files=BUDGET, request="amounts like 1.250,00 blow up in the importer. please fix",
         check=keeps_tests("tests/test_budget.py"),
         hidden="from decimal import Decimal\n\nfrom budget.reader import parse_amount, read_entries\n\n\ndef test_hidden():\n"
         "    assert parse_amount('-12.345.678,90') == Decimal('-12345678.90')\n    assert parse_amount(' 3,20 ') == Decimal('3.20')\n"
         "    assert parse_amount('800') == 800\n    assert read_entries(['01.03.2024;Rent;-1.800,50'])[0].amount == Decimal('-1800.50')\n"),
    Case(name="maze-fix", kind="fix", files=MAZE, request="can you get solver_test.py green? dont touch the tests",
         check=kept("solver_test.py", "grid_test.py", "conftest.py"),
         hidden="from grid import Grid\nfrom solver import shortest_path\n\n\ndef test_hidden():\n"
         "    tall = Grid.from_text('S.....\\n.####.\\n......\\n.####.\\nE.....')\n    assert len(shortest_path(tall)) == 5\n"
         "    wide = Grid.from_text('S..E\\n.##.\\n.##.\\n....')\n    assert shortest_path(wide) == [(0, 0), (1, 0), (2, 0), (3, 0)]\n"
         "    assert shortest_path(Grid.from_text('S#E')) is None\n"),
    Case(name="patience-fix", kind="fix", files=PATIENCE, request="retry gives up one try too early, fix it please",
         check=keeps_tests("patience/tests/test_decorator.py"),
         hidden="import pytest\n\nimport patience.decorator\nfrom patience import GaveUp, retry\n\n\n"
         "@pytest.mark.parametrize('attempts', [1, 2, 5])\ndef test_hidden(monkeypatch, attempts):\n    naps, calls = [], []\n"
         "    monkeypatch.setattr(patience.decorator.time, 'sleep', naps.append)\n\n    @retry(attempts=attempts)\n    def down():\n"
         "        calls.append(1)\n        raise OSError\n\n    with pytest.raises(GaveUp):\n        down()\n"
         "    assert len(calls) == attempts\n    assert len(naps) == attempts - 1\n"),
    # add a function with a test
    Case(name="budget-months", kind="add a function with a test", files=BUDGET,
         request="i need a function monthly_totals(entries) in report.py: a dict from month (like '2024-03') to the sum. with a test please",
         check=tested("monthly_totals"),
         hidden="from datetime import date\nfrom decimal import Decimal\n\nfrom budget.entry import Entry\n"
         "from budget.report import monthly_totals\n\n\ndef test_hidden():\n    entries = [Entry(date(2024, m, d), 'x', Decimal(a))\n"
         "               for m, d, a in ((3, 1, '1.5'), (3, 9, '-4'), (12, 1, '7'))]\n"
         "    assert monthly_totals(entries) == {'2024-03': Decimal('-2.5'), '2024-12': 7}\n    assert monthly_totals([]) == {}\n"),
    Case(name="bot-reverse", kind="add a function with a test", files=BOT,
         request="add a reverse command to the bot, \"!reverse abc\" answers \"cba\". and a test for it",
         check=every(new_test_line("reverse"), keeps_tests("tests/test_chatbot.py")),
         hidden="from chatbot.commands import router\n\n\ndef test_hidden():\n    assert router.dispatch('ann', '!reverse abc') == 'cba'\n"
         "    assert router.dispatch('ann', '!reverse Stone') == 'enotS'\n    assert 'reverse' in router.dispatch('ann', '!help')\n"
         "    assert router.dispatch('ann', '!echo a b') == 'a b'\n"),
    # write tests
    Case(name="bot-tests", kind="write tests", files=BOT, request="parse_duration has no tests yet. write some",
         check=every(tested("parse_duration"), kept("chatbot/parsing.py")),
         mutants=(("chatbot/parsing.py", "* UNITS[", "+ UNITS["), ("chatbot/parsing.py", '"m": 60', '"m": 6'))),
    Case(name="maze-tests", kind="write tests", files=MAZE_GREEN, request="can you write tests for directions() in solver.py",
         check=every(tested("directions"), kept("solver.py")),
         mutants=(("solver.py", "b[0] - a[0]", "a[0] - b[0]"), ("solver.py", '(0, 1): "D"', '(0, 1): "X"'))),
    # docstrings
    Case(name="maze-docs", kind="docstrings", files=MAZE, request="grid.py could use docstrings for all the methods",
         check=same_code("grid.py", needs=methods_documented)),
    # type hints
    Case(name="bot-hints", kind="type hints", files=BOT, request="type hints for chatbot/parsing.py please",
         check=same_program("chatbot/parsing.py", needs=all_hinted)),
    # parameter
    Case(name="patience-limit", kind="parameter", files=PATIENCE,
         request="exponential grows without end. add a parameter limit, MAX_DELAY by default, so no delay gets above it",
         hidden="from itertools import islice\n\nfrom patience.backoff import exponential\n\n\ndef test_hidden():\n"
         "    assert list(islice(exponential(limit=5), 5)) == [1, 2, 4, 5, 5]\n    assert max(islice(exponential(), 20)) == 60\n"
         "    assert list(islice(exponential(1, 3), 3)) == [1, 3, 9]\n"),
    Case(name="budget-delimiter", kind="parameter", files=BUDGET,
         request="add a delimiter argument to read_entries, ';' stays the default",
         hidden="from budget.reader import read_entries\n\n\ndef test_hidden():\n"
         "    assert read_entries(['date|payee|amount', '01.03.2024|Bus|-3,20'], delimiter='|')[0].payee == 'Bus'\n"
         "    assert read_entries(['01.03.2024;Bus;-3,20'])[0].category == 'travel'\n"),
    # rename
    Case(name="maze-rename", kind="rename", files=MAZE, request="rename neighbours to open_neighbours everywhere pls",
         check=every(nowhere(r"\.neighbours\(|def neighbours\b"), keeps_tests("grid_test.py", "test_neighbours")),
         hidden="from grid import Grid\nfrom solver import reachable\n\n\ndef test_hidden():\n    grid = Grid.from_text('S.#E')\n"
         "    assert grid.open_neighbours(0, 0) == [(1, 0)]\n    assert not hasattr(grid, 'neighbours')\n"
         "    assert reachable(grid, (0, 0)) == {(0, 0), (1, 0)}\n"),
    # move
    Case(name="bot-move", kind="move", files=BOT,
         request="parse_duration doesn't really belong in parsing.py. move it to chatbot/durations.py",
         check=every(without("chatbot/parsing.py", "parse_duration"), keeps_tests("tests/test_chatbot.py")),
         hidden="import pytest\n\nfrom chatbot.commands import router\nfrom chatbot.durations import parse_duration\n"
         "from chatbot.parsing import split_command\n\n\ndef test_hidden():\n    assert parse_duration.__module__ == 'chatbot.durations'\n"
         "    assert parse_duration('5m') == 300\n    assert '7200' in router.dispatch('ann', '!remind 2h tea')\n"
         "    assert split_command('!P') == ('ping', [])\n"),
    # delete
    Case(name="patience-delete", kind="delete", files=PATIENCE,
         request="nobody uses total_wait in backoff.py, throw it out (and its test)",
         check=every(without("patience/backoff.py", "total_wait"), nowhere("total_wait"),
                     keeps_tests("patience/tests/test_backoff.py", "test_total_wait")),
         hidden="import patience.backoff\n\n\ndef test_hidden():\n    assert not hasattr(patience.backoff, 'total_wait')\n"
         "    assert next(patience.backoff.fixed(3)) == 3\n    assert patience.backoff.with_jitter(100) == 60\n"),
    # a new option of a CLI
    Case(name="budget-payees", kind="a new option of a CLI", files=BUDGET,
         request="add a --payees flag to the cli that prints the payees, sorted and one per line, instead of the sums",
         hidden="from budget.__main__ import main\n\n\ndef test_hidden(tmp_path, capsys):\n    file = tmp_path / 'a.csv'\n"
         "    file.write_text('date;payee;amount\\n01.03.2024;Rent;-8,00\\n02.04.2024;Bus;-3,20\\n')\n"
         "    main([str(file), '--payees'])\n    assert capsys.readouterr().out.split() == ['Bus', 'Rent']\n"
         "    main([str(file), '--payees', '--month', '2024-03'])\n    assert capsys.readouterr().out.split() == ['Rent']\n"
         "    main([str(file)])\n    assert capsys.readouterr().out.split() == ['housing', '-8.00', 'travel', '-3.20', 'total', '-11.20']\n"),
    Case(name="maze-char", kind="a new option of a CLI", files=MAZE,
         request="i'd like an option --char in solve.py for the character the path is drawn with, default o",
         hidden="from solve import main\n\n\ndef test_hidden(tmp_path, capsys):\n    file = tmp_path / 'm.txt'\n    file.write_text('S...#\\n###.E\\n')\n"
         "    assert main([str(file), '--char', '*']) == 0\n    assert capsys.readouterr().out == 'S***#\\n###*E\\n'\n"
         "    assert main([str(file)]) == 0\n    assert capsys.readouterr().out == 'Sooo#\\n###oE\\n'\n"),
    # an error message
    Case(name="patience-message", kind="an error message", files=PATIENCE,
         request="retry(attempts=0) makes no sense. raise a ValueError saying 'attempts must be at least 1'",
         hidden="import pytest\n\nfrom patience import retry\n\n\ndef test_hidden():\n    for attempts in (0, -2):\n"
         "        with pytest.raises(ValueError, match='attempts must be at least 1'):\n            retry(attempts=attempts)(lambda: 1)()\n"
         "    assert retry(attempts=2)(lambda: 1)() == 1\n"),
    # a property or __repr__
    Case(name="budget-month", kind="a property or __repr__", files=BUDGET,
         request="make Entry.month a property, and update where it is called",
         check=every(nowhere(r"\.month\(\)"), keeps_tests("tests/test_budget.py")),
         hidden="from datetime import date\n\nfrom budget.__main__ import main\nfrom budget.entry import Entry\n\n\n"
         "def test_hidden(tmp_path, capsys):\n    assert Entry(date(2023, 9, 30), 'x', 1).month == '2023-09'\n    file = tmp_path / 'a.csv'\n"
         "    file.write_text('01.03.2024;Rent;-8,00\\n02.04.2024;Bus;-3,20\\n')\n    main([str(file), '--month', '2024-04'])\n"
         "    assert capsys.readouterr().out.split() == ['travel', '-3.20', 'total', '-3.20']\n"),
    Case(name="bot-repr", kind="a property or __repr__", files=BOT,
         request="Router prints as <chatbot.router.Router object at 0x...>. give it a __repr__ with the names of its commands",
         hidden="from chatbot.commands import router\nfrom chatbot.router import Router\n\n\ndef test_hidden():\n"
         "    assert all(name in repr(router) for name in ('ping', 'echo', 'add', 'remind', 'help'))\n"
         "    bot = Router()\n    bot.command('hi')(print)\n    assert 'hi' in repr(bot) and 'ping' not in repr(bot)\n"
         "    assert isinstance(repr(Router()), str)\n"),
    # !command
    Case(name="patience-shell", kind="!command", files=PATIENCE, request="!grep -rn MAX_DELAY patience --include=*.py",
         check=answers(r"MAX_DELAY = 60\.0", r"with_jitter|min\(")),
    # vague wishes
    Case(name="bot-vague", kind="vague wishes", files=BOT, request="hm, commands.py. anything you would do differently there?",
         check=answers(r"command|handler|router|\becho\b|remind|\bargs\b|argument")),
)  # fmt: skip
