"""A list of requests by a stranger to the product: thirty cases on four repositories.

The repositories: a pantry (src-layout, argparse with subcommands, JSON store, enum and dataclass), a tiny template
engine (flat, one test file), an in-memory cache (package with a Protocol, tests folder) and a subtitle parser
(package, found through a root conftest).
"""

from __future__ import annotations

import ast
import re

from benchmarks.conversation_cases import (
    After,
    Case,
    Check,
    Files,
    answers,
    same_code,
    tested,
    without,
)

_FEW_WORDS = 12
"""Words that advice has at least."""


def _text(text: str) -> str:
    return text.lstrip("\n")


PANTRY: Files = {
    "pyproject.toml": "[project]\nname = 'pantry'\nversion = '1.1'\nrequires-python = '>=3.10'\n\n"
    "[project.scripts]\npantry = 'pantry.cli:main'\n\n"
    "[tool.pytest.ini_options]\npythonpath = ['src']\ntestpaths = ['tests']\n",
    "src/pantry/__init__.py": '"""Keeps track of the food at home."""\n',
    "src/pantry/model.py": _text('''
"""What lies on the shelf."""

from dataclasses import dataclass
from datetime import date
from enum import Enum


class Unit(Enum):
    PIECE = "pc"
    GRAM = "g"
    LITRE = "l"


@dataclass
class Item:
    name: str
    amount: float
    unit: Unit = Unit.PIECE
    best_before: date | None = None

    def days_left(self, today):
        return (self.best_before - today).days

    def to_dict(self):
        return {
            "name": self.name,
            "amount": self.amount,
            "unit": self.unit.value,
            "best_before": self.best_before.isoformat() if self.best_before else None,
        }

    @classmethod
    def from_dict(cls, raw):
        best_before = raw["best_before"]
        return cls(
            raw["name"],
            raw["amount"],
            Unit(raw["unit"]),
            date.fromisoformat(best_before) if best_before else None,
        )
'''),
    "src/pantry/shelf.py": _text('''
"""The shelf and the file it is kept in."""

import json


class Shelf:
    def __init__(self, items=()):
        self.items = {item.name: item for item in items}

    def add(self, item):
        known = self.items.get(item.name)
        if known is None:
            self.items[item.name] = item
        else:
            known.amount += item.amount

    def use(self, name, amount):
        item = self.items[name]
        if amount > item.amount:
            raise ValueError(f"only {item.amount:g} left")
        item.amount -= amount
        if item.amount == 0:
            del self.items[name]

    def expiring(self, today, within=7):
        """The items that go off within so many days, the most urgent one first."""
        dated = [item for item in self.items.values() if item.best_before]
        soon = [item for item in dated if item.days_left(today) <= within]
        return sorted(soon, key=lambda item: item.best_before)


def backup_path(path):
    return path.with_suffix(".bak")


def load(path, make):
    if not path.exists():
        return Shelf()
    return Shelf(make(raw) for raw in json.loads(path.read_text()))


def save(shelf, path):
    path.write_text(json.dumps([item.to_dict() for item in shelf.items.values()], indent=2))
'''),
    "src/pantry/cli.py": _text('''
"""The command line."""

import argparse
from datetime import date
from pathlib import Path

from pantry.model import Item, Unit
from pantry.shelf import Shelf, load, save

HOME = Path.home() / ".pantry.json"


def build_parser():
    parser = argparse.ArgumentParser(prog="pantry")
    parser.add_argument("--file", type=Path, default=HOME)
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="put something on the shelf")
    add.add_argument("name")
    add.add_argument("amount", type=float)
    add.add_argument("--unit", type=Unit, default=Unit.PIECE)
    add.add_argument("--until", type=date.fromisoformat, help="best before, such as 2025-01-31")
    use = commands.add_parser("use", help="take something from the shelf")
    use.add_argument("name")
    use.add_argument("amount", type=float)
    commands.add_parser("list", help="show what is there")
    return parser


def show(shelf: Shelf):
    for item in shelf.items.values():
        print(f"{item.name:<12}{item.amount:>8g} {item.unit.value}")


def main(argv=None):
    args = build_parser().parse_args(argv)
    shelf = load(args.file, Item.from_dict)
    if args.command == "add":
        shelf.add(Item(args.name, args.amount, args.unit, args.until))
    elif args.command == "use":
        shelf.use(args.name, args.amount)
    elif args.command == "list":
        show(shelf)
    save(shelf, args.file)


if __name__ == "__main__":
    main()
'''),
    "tests/test_shelf.py": _text("""
from datetime import date

import pytest

from pantry.model import Item, Unit
from pantry.shelf import Shelf, load, save


@pytest.fixture
def shelf():
    return Shelf([Item("rice", 500, Unit.GRAM), Item("eggs", 6)])


def test_add_more(shelf):
    shelf.add(Item("eggs", 4))
    assert shelf.items["eggs"].amount == 10


def test_use_some(shelf):
    shelf.use("rice", 200)
    assert shelf.items["rice"].amount == 300


def test_use_up(shelf):
    shelf.use("eggs", 6)
    assert "eggs" not in shelf.items


def test_use_too_much(shelf):
    with pytest.raises(ValueError, match="only 6 left"):
        shelf.use("eggs", 7)


def test_round_trip(shelf, tmp_path):
    shelf.add(Item("milk", 1.5, Unit.LITRE, date(2025, 1, 31)))
    save(shelf, tmp_path / "p.json")
    again = load(tmp_path / "p.json", Item.from_dict)
    assert again.items == shelf.items
"""),
    "tests/test_cli.py": _text("""
from pantry.cli import main


def test_add_and_list(tmp_path, capsys):
    path = str(tmp_path / "p.json")
    main(["--file", path, "add", "flour", "500", "--unit", "g"])
    main(["--file", path, "list"])
    assert capsys.readouterr().out.split() == ["flour", "500", "g"]


def test_use(tmp_path, capsys):
    path = str(tmp_path / "p.json")
    main(["--file", path, "add", "eggs", "6"])
    main(["--file", path, "use", "eggs", "2"])
    main(["--file", path, "list"])
    assert capsys.readouterr().out.split() == ["eggs", "4", "pc"]
"""),
}
"""All green: 7 passed."""

STENCIL: Files = {
    "stencil.py": _text('''
"""A tiny template engine: {{ name|filter }}, {% if name %}...{% endif %} and {# comments #}."""

import re

from filters import FILTERS

COMMENT = re.compile(r"\\{#.*?#\\}")
BLOCK = re.compile(r"\\{% if (\\S+) %\\}(.*?)\\{% endif %\\}", re.DOTALL)
TAG = re.compile(r"\\{\\{(.*?)\\}\\}")


class TemplateError(Exception):
    """The template is not well formed."""


def lookup(name, values):
    value = values
    for part in name.split("."):
        value = value[part]
    return value


def fill_tag(tag, values):
    name, *names = tag.split("|")
    value = lookup(name.strip(), values)
    for filter_name in names:
        value = FILTERS[filter_name.rstrip()](value)
    return str(value)


def check_blocks(template):
    if template.count("{% if ") != template.count("{% endif %}"):
        raise TemplateError("an if has no endif")


def render(template, values):
    check_blocks(template)
    text = COMMENT.sub("", template)
    text = BLOCK.sub(lambda m: m.group(2) if lookup(m.group(1), values) else "", text)
    return TAG.sub(lambda m: fill_tag(m.group(1), values), text)
'''),
    "filters.py": _text('''
"""The filters that a template may use."""


def upper(value):
    return str(value).upper()


def trim(value):
    return str(value).strip()


def money(value):
    return f"{value:,.2f}"


def plural(count):
    result = ""
    if count == 1:
        result = ""
    else:
        if count == 0:
            result = "s"
        elif count > 1:
            result = "s"
        else:
            result = "s"
    return result


FILTERS = {
    "upper": upper,
    "trim": trim,
    "money": money,
    "plural": plural,
}
'''),
    "test_stencil.py": _text("""
import pytest

from stencil import TemplateError, render


def test_plain_text():
    assert render("no tags here", {}) == "no tags here"


def test_value():
    assert render("Hi {{ name }}!", {"name": "Kim"}) == "Hi Kim!"


def test_dotted_name():
    assert render("{{ user.city }}", {"user": {"city": "Oslo"}}) == "Oslo"


def test_filter():
    assert render("{{ name|upper }}", {"name": "kim"}) == "KIM"


def test_spaces_around_pipe():
    assert render("{{ name | upper }}", {"name": "kim"}) == "KIM"


def test_two_filters():
    assert render("{{ name|trim|upper }}", {"name": " kim "}) == "KIM"


def test_plural():
    assert render("{{ n }} file{{ n|plural }}", {"n": 2}) == "2 files"
    assert render("{{ n }} file{{ n|plural }}", {"n": 1}) == "1 file"


def test_if():
    assert render("a{% if more %}b{% endif %}", {"more": True}) == "ab"
    assert render("a{% if more %}b{% endif %}", {"more": False}) == "a"


def test_if_without_end():
    with pytest.raises(TemplateError):
        render("{% if more %}b", {"more": True})


def test_comment():
    assert render("a{# not shown #}b", {}) == "ab"


def test_long_comment():
    assert render("a{# not\\nshown #}b", {}) == "ab"
"""),
}
"""Two tests are red: `test_spaces_around_pipe` and `test_long_comment`: 2 failed, 9 passed."""

STASH: Files = {
    "README.md": "# stash\n\nAn in-memory cache with time limits.\n",
    "setup.cfg": "[tool:pytest]\npythonpath = .\ntestpaths = tests\n",
    "stash/__init__.py": "from stash.cache import Cache, Policy\nfrom stash.memo import memoize\n\n"
    '__all__ = ["Cache", "Policy", "memoize"]\n',
    "stash/clock.py": _text('''
"""Where the cache gets the time from."""

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float: ...


class SystemClock:
    def now(self) -> float:
        return time.monotonic()


class FakeClock:
    """Stands still until somebody moves it."""

    def __init__(self, start: float = 0.0) -> None:
        self._now = start

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds
'''),
    "stash/stats.py": _text('''
"""Counts how well a cache works."""


class Stats:
    def __init__(self):
        self.hits = 0
        self.misses = 0

    def count(self, found):
        if found:
            self.hits += 1
        else:
            self.misses += 1

    def lookups(self):
        return self.hits + self.misses


def as_line(name, stats):
    return f"{name}: {stats.hits} of {stats.lookups()}"
'''),
    "stash/cache.py": _text('''
"""The cache itself."""

from dataclasses import dataclass
from enum import Enum

from stash.clock import Clock, SystemClock
from stash.stats import Stats


class Policy(Enum):
    """Which entry goes first when there is no room."""

    OLDEST = "oldest"
    LEAST_USED = "least used"


@dataclass
class Entry:
    value: object
    born: float
    ttl: float | None
    uses: int = 0

    def expired(self, now: float) -> bool:
        return self.ttl is not None and now - self.born >= self.ttl


class Cache:
    def __init__(self, size=128, ttl=None, policy=Policy.OLDEST, clock: Clock | None = None):
        self.size = size
        self.ttl = ttl
        self.policy = policy
        self.stats = Stats()
        self._clock = clock or SystemClock()
        self._entries = {}

    def __len__(self):
        return len(self._entries)

    def put(self, key, value, ttl=None):
        if len(self._entries) >= self.size:
            self._make_room()
        self._entries[key] = Entry(value, self._clock.now(), ttl or self.ttl)

    def get(self, key, default=None):
        entry = self._entries.get(key)
        if entry is not None and entry.expired(self._clock.now()):
            del self._entries[key]
            entry = None
        self.stats.count(entry is not None)
        if entry is None:
            return default
        entry.uses += 1
        return entry.value

    def clear(self):
        self._entries.clear()

    def _make_room(self):
        if self.policy is Policy.OLDEST:
            victim = min(self._entries, key=lambda key: self._entries[key].born)
        else:
            victim = min(self._entries, key=lambda key: self._entries[key].uses)
        del self._entries[victim]
'''),
    "stash/keys.py": _text('''
"""Turns a call into a key."""


def key_of(name, args, kwargs):
    return (name, *args, *sorted(kwargs.items()))
'''),
    "stash/memo.py": _text('''
"""Remembers the results of a function."""

import functools

from stash.keys import key_of

_MISSING = object()


def memoize(cache):
    def decorate(function):
        @functools.wraps(function)
        def call(*args, **kwargs):
            key = key_of(function.__name__, args, kwargs)
            found = cache.get(key, _MISSING)
            if found is _MISSING:
                found = function(*args, **kwargs)
                cache.put(key, found)
            return found

        return call

    return decorate
'''),
    "stash/warm.py": _text('''
"""Fills a cache ahead of time."""

from stash.keys import key_of


def warm_up(cache, function, calls):
    for args in calls:
        cache.put(key_of(function.__name__, args, {}), function(*args))
'''),
    "tests/test_cache.py": _text("""
import pytest

from stash import Cache, Policy
from stash.clock import FakeClock


@pytest.fixture
def clock():
    return FakeClock()


def test_put_and_get(clock):
    cache = Cache(clock=clock)
    cache.put("a", 1)
    assert cache.get("a") == 1
    assert cache.get("b", "none") == "none"


def test_ttl(clock):
    cache = Cache(ttl=10, clock=clock)
    cache.put("a", 1)
    clock.advance(9)
    assert cache.get("a") == 1
    clock.advance(1)
    assert cache.get("a") is None


def test_oldest_goes(clock):
    cache = Cache(size=2, clock=clock)
    for key in "abc":
        cache.put(key, key.upper())
        clock.advance(1)
    assert cache.get("a") is None
    assert cache.get("c") == "C"


def test_least_used_goes(clock):
    cache = Cache(size=2, policy=Policy.LEAST_USED, clock=clock)
    cache.put("a", 1)
    cache.put("b", 2)
    cache.get("a")
    cache.put("c", 3)
    assert cache.get("b") is None
    assert cache.get("a") == 1


def test_clear(clock):
    cache = Cache(clock=clock)
    cache.put("a", 1)
    cache.clear()
    assert len(cache) == 0


def test_stats(clock):
    cache = Cache(clock=clock)
    cache.put("a", 1)
    cache.get("a")
    cache.get("b")
    assert (cache.stats.hits, cache.stats.misses) == (1, 1)
"""),
    "tests/test_memo.py": _text("""
from stash import Cache, memoize
from stash.clock import FakeClock
from stash.warm import warm_up


def test_calls_only_once():
    calls = []

    @memoize(Cache(clock=FakeClock()))
    def double(number):
        calls.append(number)
        return 2 * number

    assert (double(4), double(4)) == (8, 8)
    assert calls == [4]


def test_warm_up():
    cache = Cache(clock=FakeClock())
    warm_up(cache, max, [(1, 2), (5, 3)])
    assert len(cache) == 2
"""),
}
"""All green: 8 passed."""

SUBS: Files = {
    "README.md": "# subs\n\nReads and edits subtitles (`.srt`).\n",
    "conftest.py": "",
    "subs/__init__.py": "",
    "subs/timecode.py": _text('''
"""Times such as 00:01:02,500 as milliseconds."""


def parse_timecode(text):
    clock, millis = text.strip().split(",")
    hours, minutes, seconds = clock.split(":")
    return ((int(hours) * 60 + int(minutes)) * 60 + int(seconds)) * 1000 + int(millis)


def format_timecode(millis):
    seconds, millis = divmod(millis, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02},{millis:03}"
'''),
    "subs/cue.py": _text('''
"""One subtitle."""


class Cue:
    def __init__(self, number, start, end, lines):
        self.number = number
        self.start = start
        self.end = end
        self.lines = lines

    def __repr__(self):
        return f"Cue({self.number}, {self.start}, {self.end}, {self.lines!r})"

    def duration(self):
        return self.end - self.start
'''),
    "subs/parser.py": _text('''
"""Reads the text of an .srt file."""

from subs.cue import Cue
from subs.timecode import parse_timecode

ARROW = " --> "


def parse_block(block):
    rows = block.split("\\n")
    if len(rows) < 2 or ARROW not in rows[1]:
        raise ValueError("bad block")
    start, end = rows[1].split(ARROW)
    return Cue(int(rows[0]), parse_timecode(start), parse_timecode(end), rows[2:])


def parse(text):
    return [parse_block(block) for block in text.strip().split("\\n\\n")]
'''),
    "subs/edit.py": _text('''
"""Changes a list of cues."""

from subs.cue import Cue


def shift(cues, millis):
    result = []
    for i in range(len(cues)):
        c = cues[i]
        result.append(Cue(c.number, c.start + millis, c.end + millis, c.lines))
    return result


def renumber(cues, out=[]):
    out = list(out)
    n = 1
    for c in cues:
        out.append(Cue(n, c.start, c.end, c.lines))
        n = n + 1
    return out


def squash(cues, gap=200):
    joined = []
    for cue in cues:
        last = joined[-1] if joined else None
        if last != None and cue.start - last.end <= gap:
            joined[-1] = Cue(last.number, last.start, cue.end, last.lines + cue.lines)
        else:
            joined.append(cue)
    return renumber(joined)
'''),
    "subs/writer.py": _text('''
"""Writes cues as the text of an .srt file."""

from subs.edit import squash
from subs.timecode import format_timecode


def write(cues, tidy=False):
    if tidy:
        cues = squash(cues)
    blocks = []
    for cue in cues:
        times = f"{format_timecode(cue.start)} --> {format_timecode(cue.end)}"
        blocks.append("\\n".join([str(cue.number), times, *cue.lines]))
    return "\\n\\n".join(blocks) + "\\n"
'''),
    "tests/test_subs.py": _text('''
import pytest

from subs.edit import renumber, shift, squash
from subs.parser import parse, parse_block
from subs.timecode import format_timecode, parse_timecode
from subs.writer import write

FILM = """\\
1
00:00:01,000 --> 00:00:02,500
Hello?

2
00:00:02,600 --> 00:00:04,000
Anybody there?
- No.

3
00:01:00,000 --> 00:01:01,000
Good.
"""


def test_timecode():
    assert parse_timecode("01:02:03,004") == 3723004
    assert format_timecode(3723004) == "01:02:03,004"


def test_parse():
    first, second, third = parse(FILM)
    assert (first.number, first.start, first.end) == (1, 1000, 2500)
    assert second.lines == ["Anybody there?", "- No."]
    assert third.duration() == 1000


def test_sloppy_file():
    assert len(parse(FILM.replace("\\n\\n", "\\n\\n\\n"))) == 3


def test_bad_block():
    with pytest.raises(ValueError):
        parse_block("nothing to see")


def test_write():
    assert write(parse(FILM)) == FILM


def test_shift():
    assert shift(parse(FILM), 500)[0].start == 1500


def test_renumber():
    assert [cue.number for cue in renumber(parse(FILM)[1:])] == [1, 2]


def test_squash():
    first, second = squash(parse(FILM))
    assert first.lines == ["Hello?", "Anybody there?", "- No."]
    assert (second.number, second.start) == (2, 60000)


def test_write_tidy():
    assert write(parse(FILM), tidy=True).count("-->") == 2
'''),
}
"""One test is red: `test_sloppy_file`: 1 failed, 8 passed."""


def _all_of(*checks: Check) -> Check:
    """All of these; a file that is gone or is no Python is a reason, too, and not an error of the check."""

    def check(before: Files, after: After) -> str:
        try:
            return next((why for one in checks if (why := one(before, after))), "")
        except (SyntaxError, KeyError) as err:
            return f"a file is missing or is no Python: {err!r}"

    return check


def _kept(*paths: str) -> Check:
    """These files are as they were."""

    def check(before: Files, after: After) -> str:
        changed = [path for path in paths if before.get(path) != after.files.get(path)]
        return f"changed {changed}" if changed else ""

    return check


def _tests_kept(path: str) -> Check:
    """Every test of the file is still there, and is the same; others may have come."""

    def check(before: Files, after: After) -> str:
        now = _definitions(after.files.get(path, ""))
        lost = [name for name, dump in _definitions(before[path]).items() if now.get(name) != dump]
        return f"the tests {lost} are others now" if lost else ""

    return check


def _definitions(source: str) -> dict[str, str]:
    return {
        node.name: ast.dump(node)
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }


def _all_documented(tree: ast.Module) -> bool:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return all(ast.get_docstring(node) for node in functions)


def _mentioned_in_new_tests(word: str) -> Check:
    """A test file that changed, or came, has the word more often than before."""

    def check(before: Files, after: After) -> str:
        for path, text in after.files.items():
            more = text.count(word) > before.get(path, "").count(word)
            if "test" in path and path.endswith(".py") and more:
                return ""
        return f"no test has {word}"

    return check


def _no_identifier(word: str) -> Check:
    """No Python file has the name, be it in code or in a string of code."""

    def check(before: Files, after: After) -> str:
        left = [
            path
            for path, text in after.files.items()
            if path.endswith(".py") and word in _identifiers(text)
        ]
        return f"{word} is still in {left}" if left else ""

    return check


def _identifiers(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        for field in ("id", "attr", "arg", "name", "asname"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                found.add(value)
    return found


def _function(source: str, name: str) -> ast.FunctionDef | None:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return node
    return None


def _documented_at(path: str, name: str) -> Check:
    def check(before: Files, after: After) -> str:
        node = _function(after.files.get(path, ""), name)
        if node is None:
            return f"{path} has no {name}"
        return "" if ast.get_docstring(node) else f"{name} has no docstring"

    return check


def _shorter(path: str, name: str, at_most: int) -> Check:
    """The function has few statements now, and the other definitions of the file are as they were."""

    def check(before: Files, after: After) -> str:
        others = [
            p
            for p in {*before, *after.files}
            if p != path and "test" not in p and before.get(p) != after.files.get(p)
        ]
        if others:
            return f"changed {others}, too"
        node = _function(after.files[path], name)
        if node is None:
            return f"{path} has no {name}"
        body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        count = sum(isinstance(n, ast.stmt) for one in body for n in ast.walk(one))
        if count > at_most:
            return f"{name} still has {count} statements"
        was, now = _definitions(before[path]), _definitions(after.files[path])
        lost = [n for n, dump in was.items() if n != name and now.get(n) != dump]
        return f"changed {lost}, too" if lost else ""

    return check


class _Unhinted(ast.NodeTransformer):
    """Takes every hint away, and the imports that may only be there for hints."""

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
        if node.value is None:
            return None
        return ast.Assign(targets=[node.target], value=node.value)

    def visit_Import(self, node: ast.Import) -> ast.AST | None:
        return None

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
        return None


def _only_hints(path: str) -> Check:
    """Every parameter and every result has a hint, and nothing else is new (`__init__` may go without `-> None`)."""

    def check(before: Files, after: After) -> str:
        others = [
            p for p in {*before, *after.files} if p != path and before.get(p) != after.files.get(p)
        ]
        if others:
            return f"changed {others}, too"
        tree = ast.parse(after.files[path])
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                bare = [a.arg for a in node.args.args if not a.annotation and a.arg != "self"]
                if bare or (node.returns is None and node.name != "__init__"):
                    return f"{node.name} lacks hints"
        was = ast.dump(_Unhinted().visit(ast.parse(before[path])))
        now = ast.dump(_Unhinted().visit(ast.parse(after.files[path])))
        return "" if was == now else "the program is another one"

    return check


def _not_defined_at(path: str, name: str) -> Check:
    def check(before: Files, after: After) -> str:
        there = name in _definitions(after.files.get(path, ""))
        return f"{name} is still defined in {path}" if there else ""

    return check


def _at_length(before: Files, after: After) -> str:
    """Advice is more than a short remark."""
    return "" if len(re.findall(r"\w+", after.said)) >= _FEW_WORDS else "hardly an answer"


_STILL_IMPORTS = (
    "import runpy\nimport sys\nfrom pathlib import Path\n\nimport pytest\n\n"
    "TESTS = sorted((Path(__file__).parent / 'tests').glob('test_*.py'))\n\n\n"
    "@pytest.mark.parametrize('path', TESTS, ids=str)\ndef test_imports(path, monkeypatch):\n"
    "    monkeypatch.setattr(sys, 'path', [*sys.path, str(path.parent)])\n    runpy.run_path(str(path))\n\n\n"
)
"""The tests that are there can be read without an ImportError."""

_TRACE = (
    'Traceback (most recent call last):\n  File "/home/jo/bin/late.py", line 7, in <module>\n'
    '    cues = parse(open("movie.srt").read())\n'
    '  File "/home/jo/subs/subs/parser.py", line 18, in parse\n'
    '    return [parse_block(block) for block in text.strip().split("\\n\\n")]\n'
    '  File "/home/jo/subs/subs/parser.py", line 14, in parse_block\n'
    "    return Cue(int(rows[0]), parse_timecode(start), parse_timecode(end), rows[2:])\n"
    '  File "/home/jo/subs/subs/timecode.py", line 5, in parse_timecode\n'
    '    clock, millis = text.strip().split(",")\n'
    "ValueError: not enough values to unpack (expected 2, got 1)\n"
)

STRANGER: tuple[Case, ...] = (
    # The pantry.
    Case(
        name="pantry-missing",
        kind="ask what",
        files=PANTRY,
        request="what happens if i use something thats not on the shelf at all",
        check=answers(r"KeyError"),
    ),
    Case(
        name="pantry-where",
        kind="ask where",
        files=PANTRY,
        request="where is the default file set that everything gets saved in?",
        check=answers(r"cli\.py|pantry\.cli"),
    ),
    Case(
        name="pantry-case",
        kind="fix a described bug",
        files=PANTRY,
        request="if I add Milk and later milk I end up with two entries. should be one, with both amounts together",
        hidden="from pantry.cli import main\nfrom pantry.model import Item\nfrom pantry.shelf import load\n\n\n"
        "def test_hidden(tmp_path):\n    path = tmp_path / 'p.json'\n"
        "    for name, amount in (('Milk', '1'), ('milk', '2'), ('eggs', '6')):\n"
        "        main(['--file', str(path), 'add', name, amount])\n"
        "    items = list(load(path, Item.from_dict).items.values())\n"
        "    assert sorted((item.name.lower(), item.amount) for item in items) == [('eggs', 6), ('milk', 3)]\n"
        "    main(['--file', str(path), 'use', 'eggs', '6'])\n"
        "    assert len(load(path, Item.from_dict).items) == 1\n",
    ),
    Case(
        name="pantry-drop",
        kind="a new subcommand of a CLI",
        files=PANTRY,
        request="pls add a subcommand `drop NAME` that throws an item out completely, no matter how much is left",
        hidden="from pantry.cli import main\nfrom pantry.model import Item\nfrom pantry.shelf import load\n\n\n"
        "def test_hidden(tmp_path):\n    path = tmp_path / 'p.json'\n"
        "    main(['--file', str(path), 'add', 'rice', '500'])\n    main(['--file', str(path), 'add', 'eggs', '6'])\n"
        "    main(['--file', str(path), 'drop', 'rice'])\n"
        "    assert list(load(path, Item.from_dict).items) == ['eggs']\n"
        "    main(['--file', str(path), 'use', 'eggs', '2'])\n"
        "    assert load(path, Item.from_dict).items['eggs'].amount == 4\n",
    ),
    Case(
        name="pantry-names",
        kind="a new option of a CLI",
        files=PANTRY,
        request="list needs a --names flag, then only the names get printed, one per line (want to pipe it into fzf)",
        hidden="from pantry.cli import main\n\n\ndef test_hidden(tmp_path, capsys):\n    path = str(tmp_path / 'p.json')\n"
        "    main(['--file', path, 'add', 'brown rice', '500', '--unit', 'g'])\n    main(['--file', path, 'add', 'eggs', '6'])\n"
        "    capsys.readouterr()\n    main(['--file', path, 'list', '--names'])\n"
        "    assert [row.strip() for row in capsys.readouterr().out.splitlines()] == ['brown rice', 'eggs']\n"
        "    main(['--file', path, 'list'])\n    out = capsys.readouterr().out\n    assert '500 g' in out and '6 pc' in out\n",
    ),
    Case(
        name="pantry-dead",
        kind="delete",
        files=PANTRY,
        request="backup_path isn't used any more afaics, get rid of it",
        check=_all_of(without("src/pantry/shelf.py", "backup_path"), _no_identifier("backup_path")),
        hidden=_STILL_IMPORTS + "def test_hidden(tmp_path):\n    from pantry.cli import main\n\n"
        "    main(['--file', str(tmp_path / 'p.json'), 'add', 'tea', '1'])\n",
    ),
    Case(
        name="pantry-tests",
        kind="write tests",
        files=PANTRY,
        request="there's no test for expiring yet, can you write some",
        check=_all_of(
            tested("expiring"),
            _kept("src/pantry/shelf.py", "src/pantry/model.py", "src/pantry/cli.py"),
            _tests_kept("tests/test_shelf.py"),
        ),
        mutants=(
            ("src/pantry/shelf.py", "<= within", "> within"),
            ("src/pantry/shelf.py", "return sorted(soon,", "return sorted([],"),
        ),
    ),
    # The template engine.
    Case(
        name="stencil-run",
        kind="run the tests",
        files=STENCIL,
        request="run the tests pls",
        check=answers(
            r"\b(?:2|two)[\s*_`]+(?:(?!pass)\w+[\s*_`]+){0,4}(?:fail|red\b)|fail\w*[\s*_]*[:=][\s*_]*2\b",
            r"\b(?:9|nine|11|eleven)\b",
        ),
    ),
    Case(
        name="stencil-why",
        kind="ask why it fails",
        files=STENCIL,
        request="why does test_long_comment fail",
        check=answers(
            r"DOTALL|re\.S\b|\(\?s|new ?line|line ?break|multi-?line|(?:multiple|several|two|more) lines|one line"
            r"|single line|across lines|end of (?:the |a )?line|(?:match|cover|span|includ|cross)\w*[^.]{0,30}\\n"
        ),
    ),
    Case(
        name="stencil-pipe",
        kind="fix",
        files=STENCIL,
        request="test_spaces_around_pipe is broken, can you fix it",
        check=_all_of(_tests_kept("test_stencil.py")),
        hidden="from stencil import render\n\n\ndef test_hidden():\n"
        "    assert render('{{ a | trim | upper }}', {'a': ' x '}) == 'X'\n"
        "    assert render('{{ a|  upper}}', {'a': 'x y'}) == 'X Y'\n"
        "    assert render('{{ a|upper }}', {'a': 'x'}) == 'X'\n",
    ),
    Case(
        name="stencil-missing",
        kind="fix a described bug",
        files=STENCIL,
        request="when a name is missing in the values the whole render blows up with a KeyError."
        " id rather get an empty string in that place",
        hidden="from stencil import render\n\n\ndef test_hidden():\n"
        "    assert render('Hi {{ name }}!', {}) == 'Hi !'\n"
        "    assert render('{{ user.city }}, {{ user.name }}', {'user': {'name': 'Kim'}}) == ', Kim'\n"
        "    assert render('[{{ user.city }}]', {}) == '[]'\n"
        "    assert render('{{ n }}', {'n': 0}) == '0'\n    assert render('{{ a|upper }}', {'a': 'x'}) == 'X'\n",
    ),
    Case(
        name="stencil-unknown",
        kind="raise an error",
        files=STENCIL,
        request="an unknown filter should raise a TemplateError with the filters name in it, not a bare KeyError",
        hidden="import pytest\n\nfrom stencil import TemplateError, render\n\n\ndef test_hidden():\n"
        "    with pytest.raises(TemplateError, match='shout'):\n        render('{{ a|shout }}', {'a': 'x'})\n"
        "    with pytest.raises(TemplateError, match='shout'):\n        render('{{ a|upper|shout }}', {'a': 'x'})\n"
        "    assert render('{{ a|upper }}', {'a': 'x'}) == 'X'\n",
    ),
    Case(
        name="stencil-snake",
        kind="add a function with a test",
        files=STENCIL,
        request="add a filter snake (Hello World -> hello_world) and a test for it",
        check=_all_of(_mentioned_in_new_tests("snake"), _tests_kept("test_stencil.py")),
        hidden="from stencil import render\n\n\ndef test_hidden():\n"
        "    assert render('{{ t|snake }}', {'t': 'Hello World'}) == 'hello_world'\n"
        "    assert render('{{ t|snake }}', {'t': 'One two Three'}) == 'one_two_three'\n"
        "    assert render('{{ t|upper }}', {'t': 'a b'}) == 'A B'\n",
    ),
    Case(
        name="stencil-docs",
        kind="docstrings",
        files=STENCIL,
        request="docstrings for all the functions in filters.py please, nothing else",
        check=_all_of(same_code("filters.py", needs=_all_documented)),
    ),
    Case(
        name="stencil-plural",
        kind="refactor",
        files=STENCIL,
        request="plural in filters.py is way too long for what it does, simplify it",
        check=_all_of(_shorter("filters.py", "plural", at_most=4)),
        hidden="from filters import FILTERS, plural\n\n\ndef test_hidden():\n"
        "    assert [plural(n) for n in (0, 1, 2, 17, -1, 0.5)] == ['s', '', 's', 's', 's', 's']\n"
        "    assert FILTERS['plural'](1) == '' and FILTERS['plural'](3) == 's'\n",
    ),
    # The cache.
    Case(
        name="stash-who",
        kind="ask who uses it",
        files=STASH,
        request="where do we use key_of",
        check=answers(r"memo\.py|stash\.memo|\bmemoize\b", r"warm\.py|stash\.warm|\bwarm_up\b"),
    ),
    Case(
        name="stash-size",
        kind="ask what",
        files=STASH,
        request="how many entries fit into a Cache if I dont pass anything?",
        check=answers(r"\b128\b"),
    ),
    Case(
        name="stash-again",
        kind="fix a described bug",
        files=STASH,
        request="putting a key that is already there into a full cache kicks out some other entry."
        " thats wrong, it doesnt get any bigger by that",
        hidden="from stash import Cache\n\n\nclass Still:\n    time = 0.0\n\n    def now(self):\n        self.time += 1\n"
        "        return self.time\n\n\ndef test_hidden():\n    cache = Cache(size=2, clock=Still())\n"
        "    cache.put('a', 1)\n    cache.put('b', 2)\n    cache.put('b', 3)\n    assert len(cache) == 2\n"
        "    assert (cache.get('a'), cache.get('b')) == (1, 3)\n    cache.put('c', 4)\n    assert len(cache) == 2\n"
        "    assert (cache.get('a'), cache.get('c')) == (None, 4)\n",
    ),
    Case(
        name="stash-hints",
        kind="type hints",
        files=STASH,
        request="add type hints to stash/stats.py",
        check=_all_of(_only_hints("stash/stats.py")),
        hidden="from stash.stats import Stats, as_line\n\n\ndef test_hidden():\n    stats = Stats()\n    stats.count(True)\n"
        "    assert as_line('a', stats) == 'a: 1 of 1'\n",
    ),
    Case(
        name="stash-prefix",
        kind="parameter",
        files=STASH,
        request="clear should take an optional prefix, then only the keys starting with it are removed",
        hidden="from stash import Cache\n\n\ndef filled():\n    cache = Cache()\n"
        "    for key in ('user:1', 'user:2', 'page:1'):\n        cache.put(key, key)\n    return cache\n\n\n"
        "def test_hidden():\n    cache = filled()\n    cache.clear(prefix='user:')\n"
        "    assert len(cache) == 1 and cache.get('page:1') == 'page:1'\n    cache = filled()\n    cache.clear('page')\n"
        "    assert len(cache) == 2\n    cache.clear()\n    assert len(cache) == 0\n",
    ),
    Case(
        name="stash-rate",
        kind="a property or __repr__",
        files=STASH,
        request="Stats could use a property hit_rate = hits / all lookups, and 0 when there were none yet",
        hidden="from stash.stats import Stats\n\n\ndef test_hidden():\n    stats = Stats()\n    assert stats.hit_rate == 0\n"
        "    for found in (True, False, False, False):\n        stats.count(found)\n    assert stats.hit_rate == 0.25\n"
        "    assert stats.lookups() == 4\n",
    ),
    Case(
        name="stash-move",
        kind="move",
        files=STASH,
        request="move FakeClock out of clock.py into stash/testing.py, its only there for tests",
        check=_all_of(_not_defined_at("stash/clock.py", "FakeClock")),
        hidden=_STILL_IMPORTS
        + "def test_hidden():\n    from stash.clock import SystemClock\n    from stash.testing import FakeClock\n\n"
        "    clock = FakeClock(2.0)\n    clock.advance(3)\n    assert clock.now() == 5.0\n    assert SystemClock().now() > 0\n",
    ),
    # The subtitles.
    Case(
        name="subs-why",
        kind="ask why it fails",
        files=SUBS,
        request="one test is red, whats the reason?",
        check=answers(
            r"test_sloppy_file|parser\.py|\bparse\b|parse_block",
            r"blank|empty|new ?lines?|line ?breaks?|(?:extra|leading|additional|more|third|double) lines?\b",
        ),
    ),
    Case(
        name="subs-green",
        kind="fix",
        files=SUBS,
        request="make the tests green again",
        check=_all_of(_tests_kept("tests/test_subs.py")),
        hidden="from subs.parser import parse\n\nA = '1\\n00:00:01,000 --> 00:00:02,000\\nOne\\nmore'\n"
        "B = '2\\n00:00:03,000 --> 00:00:04,000\\nTwo'\n\n\ndef test_hidden():\n    for gap in ('\\n\\n', '\\n\\n\\n'):\n"
        "        cues = parse(A + gap + B + '\\n')\n"
        "        assert [(c.number, c.start, c.end) for c in cues] == [(1, 1000, 2000), (2, 3000, 4000)]\n"
        "        assert [c.lines for c in cues] == [['One', 'more'], ['Two']]\n",
    ),
    Case(
        name="subs-trace",
        kind="explain a traceback",
        files=SUBS,
        request=f"got this with a file from the net, whats wrong with it?\n{_TRACE}",
        check=answers(
            r"\bcommas?\b|milli-?seconds?|\d\d:\d\d[.]\d|(?:does not|doesn't|lacks?|without|no|missing)[^.]{0,40}[`'\"],[`'\"]"
        ),
    ),
    Case(
        name="subs-message",
        kind="an error message",
        files=SUBS,
        request="'bad block' is a useless error message, put the text of the block in it",
        hidden="import pytest\n\nfrom subs.parser import parse, parse_block\n\n\ndef test_hidden():\n"
        "    with pytest.raises(ValueError, match='nothing to see'):\n        parse_block('nothing to see')\n"
        "    with pytest.raises(ValueError, match='Sorry'):\n        parse('1\\nSorry')\n"
        "    assert parse('1\\n00:00:01,000 --> 00:00:02,000\\nx')[0].lines == ['x']\n",
    ),
    Case(
        name="subs-equal",
        kind="a property or __repr__",
        files=SUBS,
        request="two cues with the same number, times and lines should be equal (==), right now they arent",
        hidden="from subs.cue import Cue\n\n\ndef test_hidden():\n    cue = Cue(1, 0, 500, ['a'])\n"
        "    assert cue == Cue(1, 0, 500, ['a'])\n    assert cue != Cue(2, 0, 500, ['a'])\n    assert cue != Cue(1, 1, 500, ['a'])\n"
        "    assert cue != Cue(1, 0, 501, ['a'])\n    assert cue != Cue(1, 0, 500, ['b'])\n    assert cue.duration() == 500\n"
        "    assert not cue == None\n    assert repr(cue) == \"Cue(1, 0, 500, ['a'])\" or 'number=1' in repr(cue)\n",
    ),
    Case(
        name="subs-vague",
        kind="vague",
        files=SUBS,
        request="subs/edit.py looks a bit messy, what would you improve?",
        check=_all_of(answers(r"\bshift\b|\brenumber\b|\bsquash\b"), _at_length),
    ),
    Case(
        name="subs-shell",
        kind="!command",
        files=SUBS,
        request="!grep -n 'squash(' subs/*.py | wc -l",
        check=answers(r"(?m)^\s*2\b"),
    ),
    Case(
        name="subs-rename",
        kind="rename",
        files=SUBS,
        request="squash is a bad name, call it join_close. and give it a docstirng",
        check=_all_of(_documented_at("subs/edit.py", "join_close"), _no_identifier("squash")),
        hidden=_STILL_IMPORTS
        + "def test_hidden():\n    from subs.cue import Cue\n    from subs.edit import join_close\n"
        "    from subs.writer import write\n\n    cues = [Cue(1, 0, 500, ['a']), Cue(2, 600, 900, ['b']), Cue(3, 5000, 6000, ['c'])]\n"
        "    assert [cue.lines for cue in join_close(cues)] == [['a', 'b'], ['c']]\n"
        "    assert write(cues, tidy=True).count('-->') == 2\n",
    ),
)
