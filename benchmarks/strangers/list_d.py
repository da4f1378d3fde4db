"""A list of requests by a stranger to the product: thirty cases on four repositories.

The repositories: counts of birds (package, argparse with subcommands, CSV), the buffer of a text editor (package with
classes, found through a root conftest), poker hands (flat, unittest) and parcel lockers (src-layout, enum and
dataclasses).
"""

from __future__ import annotations

import ast
import re

from benchmarks.conversation_cases import After, Case, Check, Files, answers, same_code, tested

_FEW_WORDS = 12
"""Words that advice has at least."""


def _text(text: str) -> str:
    return text.lstrip("\n")


BIRDS: Files = {
    "pyproject.toml": "[project]\nname = 'birdcount'\nversion = '0.4'\nrequires-python = '>=3.11'\n\n"
    "[project.scripts]\nbirdcount = 'birdcount.cli:main'\n\n[tool.pytest.ini_options]\npythonpath = ['.']\n",
    "README.md": _text("""
# birdcount

Adds up the sheets of the winter bird count.

    birdcount sheet.csv top -n 10
    birdcount sheet.csv site "North Marsh"

A sheet is a CSV file with the columns species, site, count and observer.
"""),
    "birdcount/__init__.py": '"""Adds up the sheets of the winter bird count."""\n',
    "birdcount/reader.py": _text('''
"""Reads the sheets that the observers send in."""

import csv
from collections import namedtuple

COLUMNS = ("species", "site", "count", "observer")
ANONYMOUS = "anonymous"

Sighting = namedtuple("Sighting", COLUMNS)


class SheetError(Exception):
    """The file is not a sheet."""


def clean_name(text):
    return " ".join(text.split()).lower()


def read_row(row):
    return Sighting(
        species=clean_name(row["species"]),
        site=row["site"].strip(),
        count=int(row["count"]),
        observer=row["observer"].strip() or ANONYMOUS,
    )


def read_sheet(handle):
    rows = csv.DictReader(handle)
    missing = [name for name in COLUMNS if name not in (rows.fieldnames or [])]
    if missing:
        raise SheetError("missing column")
    return [read_row(row) for row in rows]
'''),
    "birdcount/tally.py": _text('''
"""Sums over sightings."""

from collections import Counter

from birdcount.reader import ANONYMOUS, clean_name


def by_species(sightings):
    totals = Counter()
    for sighting in sightings:
        totals[sighting.species] += sighting.count
    return totals


def top(sightings, limit=5):
    ranked = sorted(by_species(sightings).items(), key=lambda pair: (-pair[1], pair[0]))
    return ranked[:limit]


def richness(sightings, site):
    """How many species were seen at a site."""
    return len([sighting.species for sighting in sightings if sighting.site == site])


def share(sightings, species):
    """Percentage of all birds that are of this species."""
    totals = by_species(sightings)
    birds = sum(totals.values())
    if birds == 0:
        return 0.0
    return round(100 * totals[clean_name(species)] / birds, 1)


def observers(sightings):
    return sorted({sighting.observer for sighting in sightings} - {ANONYMOUS})
'''),
    "birdcount/cli.py": _text('''
"""The command line."""

import argparse
import sys

from birdcount import tally
from birdcount.reader import SheetError, read_sheet


def build_parser():
    parser = argparse.ArgumentParser(prog="birdcount")
    parser.add_argument("sheet", help="CSV file with the sightings")
    commands = parser.add_subparsers(dest="command", required=True)

    top = commands.add_parser("top", help="the most counted species")
    top.add_argument("-n", "--limit", type=int, default=5)

    site = commands.add_parser("site", help="number of species at one site")
    site.add_argument("name")
    return parser


def main(argv=None):
    args = build_parser().parse_args(argv)
    try:
        with open(args.sheet, newline="", encoding="utf-8") as handle:
            sightings = read_sheet(handle)
    except (OSError, SheetError) as error:
        print(f"birdcount: {error}", file=sys.stderr)
        return 2
    if args.command == "top":
        for species, count in tally.top(sightings, args.limit):
            print(f"{count:>6}  {species}")
    elif args.command == "site":
        print(f"{args.name}: {tally.richness(sightings, args.name)} species")
    return 0


if __name__ == "__main__":
    sys.exit(main())
'''),
    "tests/test_reader.py": _text("""
import io

import pytest

from birdcount.reader import SheetError, read_sheet

HEAD = "species,site,count,observer\\n"


def test_names_are_cleaned():
    (sighting,) = read_sheet(io.StringIO(HEAD + "Grey  Heron, Marsh ,3,Ada\\n"))
    assert sighting == ("grey heron", "Marsh", 3, "Ada")


def test_no_observer():
    (sighting,) = read_sheet(io.StringIO(HEAD + "coot,Lake,1,\\n"))
    assert sighting.observer == "anonymous"


def test_missing_column():
    with pytest.raises(SheetError):
        read_sheet(io.StringIO("species,site\\ncoot,Lake\\n"))
"""),
    "tests/test_tally.py": _text("""
from birdcount.reader import Sighting
from birdcount.tally import by_species, observers, richness, top

SIGHTINGS = [
    Sighting("coot", "Lake", 12, "Ada"),
    Sighting("grey heron", "Marsh", 2, "Ben"),
    Sighting("coot", "Marsh", 5, "anonymous"),
    Sighting("wigeon", "Lake", 2, "Ada"),
]


def test_by_species():
    assert by_species(SIGHTINGS) == {"coot": 17, "grey heron": 2, "wigeon": 2}


def test_top():
    assert top(SIGHTINGS, 1) == [("coot", 17)]


def test_richness():
    assert richness(SIGHTINGS, "Lake") == 2


def test_observers():
    assert observers(SIGHTINGS) == ["Ada", "Ben"]
"""),
    "tests/test_cli.py": _text("""
import pytest

from birdcount.cli import main


@pytest.fixture
def sheet(tmp_path):
    path = tmp_path / "sheet.csv"
    path.write_text("species,site,count,observer\\nCoot,Lake,12,Ada\\nWigeon,Lake,3,Ben\\n")
    return str(path)


def test_top(sheet, capsys):
    assert main([sheet, "top"]) == 0
    assert capsys.readouterr().out == "    12  coot\\n     3  wigeon\\n"


def test_site(sheet, capsys):
    assert main([sheet, "site", "Lake"]) == 0
    assert capsys.readouterr().out == "Lake: 2 species\\n"


def test_no_file(capsys):
    assert main(["nowhere.csv", "top"]) == 2
    assert "nowhere.csv" in capsys.readouterr().err
"""),
}

SCRIBE: Files = {
    "pyproject.toml": "[project]\nname = 'scribe'\nversion = '0.1.0'\nrequires-python = '>=3.11'\n",
    "conftest.py": "",
    "scribe/__init__.py": '"""The text buffer of a small editor."""\n\nfrom scribe.buffer import Buffer\n\n__all__ = ["Buffer"]\n',
    "scribe/history.py": _text('''
"""Undo and redo."""


class History:
    def __init__(self, limit=100):
        self.limit = limit
        self._past = []
        self._future = []

    def remember(self, state):
        self._past.append(state)
        if len(self._past) > self.limit:
            self._past.pop(0)

    def back(self, state):
        if not self._past:
            return None
        self._future.append(state)
        return self._past.pop()

    def forward(self, state):
        if not self._future:
            return None
        self._past.append(state)
        return self._future.pop()
'''),
    "scribe/buffer.py": _text('''
"""Lines of text and a cursor."""

from scribe.history import History


class Buffer:
    def __init__(self, text=""):
        self.lines = text.split("\\n")
        self.row = 0
        self.column = 0
        self.history = History()

    @property
    def text(self):
        return "\\n".join(self.lines)

    def move_to(self, row, column):
        self.row = max(0, min(row, len(self.lines) - 1))
        self.column = max(0, min(column, len(self.lines[self.row])))

    def insert(self, text):
        """Put text at the cursor, and the cursor behind it."""
        self.history.remember(self.snapshot())
        line = self.lines[self.row]
        before, after = line[: self.column], line[self.column :]
        pieces = (before + text + after).split("\\n")
        self.lines[self.row : self.row + 1] = pieces
        self.row += len(pieces) - 1
        self.column = len(pieces[-1]) - len(after)

    def backspace(self):
        """Delete the character before the cursor; at the start of a line, join it to the one above."""
        if self.row == 0 and self.column == 0:
            return
        self.history.remember(self.snapshot())
        if self.column > 0:
            line = self.lines[self.row]
            self.lines[self.row] = line[: self.column - 1] + line[self.column :]
            self.column -= 1
            return
        tail = self.lines.pop(self.row)
        self.row -= 1
        self.column = len(self.lines[self.row])
        self.lines[self.row] += tail

    def undo(self):
        self.restore(self.history.back(self.snapshot()))

    def redo(self):
        self.restore(self.history.forward(self.snapshot()))

    def snapshot(self):
        return list(self.lines), self.row, self.column

    def restore(self, state):
        if state is None:
            return
        lines, self.row, self.column = state
        self.lines = list(lines)
'''),
    "scribe/find.py": _text('''
"""Search and replace."""


def find_all(buffer, needle, ignore_case=False):
    """All places (row, column) where needle starts."""
    if not needle:
        return []
    places = []
    for row, line in enumerate(buffer.lines):
        if ignore_case:
            line = line.lower()
        column = line.find(needle)
        while column != -1:
            places.append((row, column))
            column = line.find(needle, column + len(needle))
    return places


def find_next(buffer, needle):
    """Put the cursor on the next place after it, from the top again if there is none."""
    places = find_all(buffer, needle)
    if not places:
        return False
    later = [place for place in places if place > (buffer.row, buffer.column)]
    buffer.move_to(*(later or places)[0])
    return True


def replace_all(buffer, old, new):
    """Replace every occurrence in one undoable step and say how many there were."""
    count = len(find_all(buffer, old))
    if count:
        buffer.history.remember(buffer.snapshot())
        buffer.lines = [line.replace(old, new) for line in buffer.lines]
        buffer.move_to(buffer.row, buffer.column)
    return count
'''),
    "scribe/words.py": _text('''
"""Words in a line."""


def is_word_char(char):
    return char.isalnum() or char == "_"


def word_start(line, column):
    while column > 0 and is_word_char(line[column - 1]):
        column -= 1
    return column


def word_end(line, column):
    while column < len(line) and is_word_char(line[column]):
        column += 1
    return column


def word_at(line, column):
    return line[word_start(line, column) : word_end(line, column)]
'''),
    "tests/test_buffer.py": _text("""
from scribe import Buffer


def test_insert_several_lines():
    buffer = Buffer("ad")
    buffer.move_to(0, 1)
    buffer.insert("b\\nc")
    assert buffer.text == "ab\\ncd"
    assert (buffer.row, buffer.column) == (1, 1)


def test_backspace_joins_lines():
    buffer = Buffer("ab\\ncd")
    buffer.move_to(1, 0)
    buffer.backspace()
    assert buffer.text == "abcd"
    assert (buffer.row, buffer.column) == (0, 2)


def test_cursor_stays_inside():
    buffer = Buffer("ab\\nc")
    buffer.move_to(7, 7)
    assert (buffer.row, buffer.column) == (1, 1)


def test_undo_and_redo():
    buffer = Buffer()
    buffer.insert("a")
    buffer.undo()
    assert buffer.text == ""
    buffer.redo()
    assert buffer.text == "a"


def test_typing_after_undo_ends_redo():
    buffer = Buffer()
    buffer.insert("a")
    buffer.undo()
    buffer.insert("b")
    buffer.redo()
    assert buffer.text == "b"
"""),
    "tests/test_find.py": _text("""
from scribe import Buffer
from scribe.find import find_all, find_next, replace_all


def test_find_all():
    assert find_all(Buffer("foo bar\\nfoofoo"), "foo") == [(0, 0), (1, 0), (1, 3)]


def test_find_all_ignoring_case():
    assert find_all(Buffer("Foo FOO"), "foo", ignore_case=True) == [(0, 0), (0, 4)]


def test_find_next_wraps():
    buffer = Buffer("a\\nb a")
    assert find_next(buffer, "a")
    assert (buffer.row, buffer.column) == (1, 2)
    assert find_next(buffer, "a")
    assert (buffer.row, buffer.column) == (0, 0)


def test_replace_all_is_one_step():
    buffer = Buffer("a a\\na")
    assert replace_all(buffer, "a", "bb") == 3
    assert buffer.text == "bb bb\\nbb"
    buffer.undo()
    assert buffer.text == "a a\\na"
"""),
    "tests/test_words.py": _text("""
from scribe.words import word_at


def test_word_at():
    assert word_at("let my_name = 1", 6) == "my_name"
    assert word_at("a  b", 2) == ""
"""),
}

HANDS: Files = {
    "README.md": "# Poker hands\n\nRun the tests with `python -m unittest` or with pytest.\n",
    "cards.py": _text('''
"""Cards and the deck they come from."""

import random

RANKS = "23456789TJQKA"
SUITS = "cdhs"


class Card:
    def __init__(self, rank, suit):
        if rank not in RANKS or suit not in SUITS:
            raise ValueError(f"no such card: {rank}{suit}")
        self.rank = rank
        self.suit = suit

    @classmethod
    def parse(cls, text):
        """Make a card of text like "Qh", "10c" or "as"."""
        rank, suit = text[:-1].upper(), text[-1:].lower()
        return cls("T" if rank == "10" else rank, suit)

    @property
    def value(self):
        return RANKS.index(self.rank) + 2

    def __eq__(self, other):
        if not isinstance(other, Card):
            return NotImplemented
        return (self.rank, self.suit) == (other.rank, other.suit)

    def __hash__(self):
        return hash((self.rank, self.suit))

    def __repr__(self):
        return f"{self.rank}{self.suit}"


def parse_hand(text):
    return [Card.parse(word) for word in text.split()]


def show(cards):
    return " ".join(str(card) for card in cards)


def suit_name(suit):
    if suit == "c":
        return "clubs"
    elif suit == "d":
        return "diamonds"
    elif suit == "h":
        return "hearts"
    elif suit == "s":
        return "spades"
    else:
        raise ValueError(f"no such suit: {suit}")


class Deck:
    def __init__(self, seed=None):
        self.cards = [Card(rank, suit) for suit in SUITS for rank in RANKS]
        self._random = random.Random(seed)

    def shuffle(self):
        self._random.shuffle(self.cards)

    def deal(self, count):
        if count > len(self.cards):
            raise ValueError("not enough cards left")
        dealt, self.cards = self.cards[:count], self.cards[count:]
        return dealt
'''),
    "hands.py": _text('''
"""What a hand of five cards is worth."""

from collections import Counter

CATEGORIES = [
    "high card",
    "pair",
    "two pair",
    "three of a kind",
    "straight",
    "flush",
    "full house",
    "four of a kind",
    "straight flush",
]
SHAPES = {
    (2, 1, 1, 1): "pair",
    (2, 2, 1): "two pair",
    (3, 1, 1): "three of a kind",
    (3, 2): "full house",
    (4, 1): "four of a kind",
}


def groups(cards):
    """Pairs (how often, value), the biggest group first."""
    often = Counter(card.value for card in cards)
    return sorted(((count, value) for value, count in often.items()), reverse=True)


def is_flush(cards):
    return len({card.suit for card in cards}) == 1


def is_straight(cards):
    values = sorted(card.value for card in cards)
    return values == list(range(values[0], values[0] + 5))


def category(cards):
    if len(cards) != 5:
        raise ValueError("a hand has five cards")
    straight, flush = is_straight(cards), is_flush(cards)
    if straight and flush:
        return "straight flush"
    if flush:
        return "flush"
    if straight:
        return "straight"
    shape = tuple(count for count, _ in groups(cards))
    return SHAPES.get(shape, "high card")


def score(cards):
    """Something to compare hands by: the bigger, the better."""
    return CATEGORIES.index(category(cards)), [value for _, value in groups(cards)]


def winner(hands):
    """Name of the player with the best hand; None if nobody is ahead alone."""
    ranked = sorted(hands, key=lambda name: score(hands[name]), reverse=True)
    best = ranked[0]
    if len(ranked) > 1 and score(hands[best]) == score(hands[ranked[1]]):
        return None
    return best
'''),
    "test_cards.py": _text("""
import unittest

from cards import Card, Deck, parse_hand, show


class CardTest(unittest.TestCase):
    def test_parse(self):
        self.assertEqual(Card.parse("10H"), Card("T", "h"))
        self.assertEqual(Card.parse("as").value, 14)

    def test_bad_suit(self):
        with self.assertRaises(ValueError):
            Card.parse("2x")

    def test_show(self):
        self.assertEqual(show(parse_hand("2c 10d")), "2c Td")


class DeckTest(unittest.TestCase):
    def test_deal(self):
        deck = Deck(seed=1)
        deck.shuffle()
        self.assertEqual(len(set(deck.deal(5) + deck.cards)), 52)

    def test_deal_too_many(self):
        with self.assertRaises(ValueError):
            Deck().deal(53)


if __name__ == "__main__":
    unittest.main()
"""),
    "test_hands.py": _text("""
import unittest

from cards import parse_hand
from hands import category, winner


class CategoryTest(unittest.TestCase):
    def test_groups(self):
        self.assertEqual(category(parse_hand("2c 2d 3h 3s 9c")), "two pair")
        self.assertEqual(category(parse_hand("2c 2d 2h 3s 3c")), "full house")

    def test_straight(self):
        self.assertEqual(category(parse_hand("6c 5d 4h 3s 2c")), "straight")
        self.assertEqual(category(parse_hand("Tc Jc Qc Kc Ac")), "straight flush")

    def test_wheel(self):
        self.assertEqual(category(parse_hand("Ac 2d 3h 4s 5c")), "straight")

    def test_wrong_size(self):
        with self.assertRaises(ValueError):
            category(parse_hand("2c 3c"))


class WinnerTest(unittest.TestCase):
    def test_higher_pair(self):
        hands = {"Ann": parse_hand("2c 2d 5h 7s 9c"), "Bo": parse_hand("8c 8d 3h 4s 5c")}
        self.assertEqual(winner(hands), "Bo")

    def test_tie(self):
        hands = {"Ann": parse_hand("2c 4c 5c 7c 9c"), "Bo": parse_hand("2h 4h 5h 7h 9h")}
        self.assertIsNone(winner(hands))


if __name__ == "__main__":
    unittest.main()
"""),
}

LOCKERS: Files = {
    "pyproject.toml": "[project]\nname = 'lockers'\nversion = '2.0'\nrequires-python = '>=3.11'\n\n"
    "[tool.pytest.ini_options]\npythonpath = ['src']\n",
    "src/lockers/__init__.py": '"""Parcel lockers at the railway station."""\n',
    "src/lockers/model.py": _text('''
"""Parcels, and the boxes they lie in."""

from dataclasses import dataclass
from enum import Enum


class Size(Enum):
    S = 1
    M = 2
    L = 3

    @classmethod
    def for_litres(cls, litres):
        """The smallest size that holds so much."""
        for size, limit in LIMITS.items():
            if litres <= limit:
                return size
        raise ValueError(f"too big for any locker: {litres} l")


LIMITS = {Size.S: 10, Size.M: 40, Size.L: 120}


@dataclass(frozen=True)
class Parcel:
    code: str
    litres: float


@dataclass
class Locker:
    number: int
    size: Size
    parcel: Parcel | None = None

    @property
    def free(self):
        return self.parcel is None
'''),
    "src/lockers/station.py": _text('''
"""A wall of lockers."""

from lockers.model import Size


class StationFull(Exception):
    """No free locker is big enough."""


class Station:
    def __init__(self, name, lockers):
        self.name = name
        self.lockers = list(lockers)

    def drop(self, parcel):
        """Put the parcel in the smallest free locker that holds it; return the locker's number."""
        needed = Size.for_litres(parcel.litres)
        fitting = [k for k in self.lockers if k.free and k.size.value >= needed.value]
        if not fitting:
            raise StationFull(f"{self.name} has no free locker for {parcel.code}")
        locker = min(fitting, key=lambda k: (k.size.value, k.number))
        locker.parcel = parcel
        return locker.number

    def pick_up(self, code):
        """Take the parcel with this code out of its locker."""
        for locker in self.lockers:
            if locker.parcel and locker.parcel.code == code:
                parcel, locker.parcel = locker.parcel, None
                return parcel
        raise KeyError(code)

    def occupied(self):
        return [locker for locker in self.lockers if not locker.free]
'''),
    "src/lockers/fees.py": _text('''
"""What it costs to leave a parcel too long. All amounts are in cents."""

from lockers.model import Size

FREE_DAYS = 3
PER_DAY = {Size.S: 50, Size.M: 80, Size.L: 120}
MAXIMUM = 1500


def late_fee(size, days):
    late = max(0, days - FREE_DAYS)
    return min(late * PER_DAY[size], MAXIMUM)


def as_euros(cents):
    return f"{cents // 100},{cents % 100:02d} EUR"


def as_pounds(cents, rate=0.85):
    return f"GBP {cents * rate / 100:.2f}"


def notice(code, size, days):
    """A line for the person who has not come yet, or nothing while it is free."""
    fee = late_fee(size, days)
    if not fee:
        return ""
    return f"{code}: {days} days, {as_euros(fee)}"
'''),
    "tests/test_station.py": _text("""
import pytest

from lockers.model import Locker, Parcel, Size
from lockers.station import Station, StationFull


@pytest.fixture
def station():
    return Station("Central", [Locker(1, Size.L), Locker(2, Size.M), Locker(3, Size.S)])


def test_smallest_locker_that_fits(station):
    assert station.drop(Parcel("A1", 8)) == 3
    assert station.drop(Parcel("A2", 8)) == 2


def test_full(station):
    station.drop(Parcel("A1", 100))
    with pytest.raises(StationFull, match="A2"):
        station.drop(Parcel("A2", 100))


def test_pick_up(station):
    parcel = Parcel("A1", 8)
    station.drop(parcel)
    assert station.pick_up("A1") is parcel
    assert station.occupied() == []


def test_pick_up_unknown_code(station):
    with pytest.raises(KeyError):
        station.pick_up("B7")
"""),
    "tests/test_model.py": _text("""
import pytest

from lockers.model import Size


def test_for_litres():
    assert Size.for_litres(10) is Size.S
    assert Size.for_litres(10.5) is Size.M


def test_too_big():
    with pytest.raises(ValueError):
        Size.for_litres(121)
"""),
    "tests/test_money.py": _text("""
from lockers.fees import as_euros, as_pounds


def test_as_euros():
    assert as_euros(1205) == "12,05 EUR"


def test_as_pounds():
    assert as_pounds(1000) == "GBP 8.50"
"""),
}


def _functions(source: str) -> dict[str, ast.FunctionDef]:
    return {n.name: n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.FunctionDef)}


def _all(*checks: Check) -> Check:
    def check(before: Files, after: After) -> str:
        return next((why for c in checks if (why := c(before, after))), "")

    return check


def _kept(*paths: str) -> Check:
    """These files are as they were."""

    def check(before: Files, after: After) -> str:
        changed = [path for path in paths if before[path] != after.files.get(path)]
        return f"changed {changed}" if changed else ""

    return check


def _gone(name: str) -> Check:
    """The word is in no Python file any more."""

    def check(_: Files, after: After) -> str:
        left = [
            path
            for path, text in after.files.items()
            if path.endswith(".py") and re.search(rf"\b{name}\b", text)
        ]
        return f"{name} is still in {left}" if left else ""

    return check


def _tests_left(before: Files, after: After, *, less: int = 0) -> str:
    def count(files: Files) -> int:
        return sum(len(re.findall(r"def test_", t)) for p, t in files.items() if "test" in p)

    return "" if count(after.files) >= count(before) - less else "tests are missing"


def _without_pounds(before: Files, after: After) -> str:
    return _gone("as_pounds")(before, after) or _tests_left(before, after, less=1)


def _untyped(source: str) -> str:
    """The program without what hints add to it."""

    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
            node.returns = None
            return self.generic_visit(node)

        def visit_arg(self, node: ast.arg) -> ast.AST:
            node.annotation = None
            return node

        def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
            return node.value and ast.Assign(targets=[node.target], value=node.value)

        def visit_ImportFrom(self, _: ast.ImportFrom) -> None:
            return None

        def visit_Import(self, _: ast.Import) -> None:
            return None

    return ast.dump(Strip().visit(ast.parse(source)))


def _hinted_fees(before: Files, after: After) -> str:
    path = "src/lockers/fees.py"
    others = [
        p for p in {*before, *after.files} if p != path and before.get(p) != after.files.get(p)
    ]
    if others:
        return f"changed {others}, too"
    for name, node in _functions(after.files[path]).items():
        if node.returns is None or not all(arg.annotation for arg in node.args.args):
            return f"{name} lacks hints"
    same = _untyped(before[path]) == _untyped(after.files[path])
    return "" if same else "the program is another one"


def _all_documented(tree: ast.Module) -> bool:
    return all(ast.get_docstring(n) for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))


def _no_ladder(_: Files, after: After) -> str:
    node = _functions(after.files["cards.py"]).get("suit_name")
    if node is None:
        return "suit_name is gone"
    branches = [n for n in ast.walk(node) if isinstance(n, ast.If | ast.IfExp | ast.match_case)]
    if len(branches) > 1:
        return "suit_name still has its branches"
    tree = ast.parse(after.files["cards.py"])
    tables = [n for n in ast.walk(tree) if isinstance(n, ast.Dict | ast.DictComp)]
    return "" if tables or "dict(" in after.files["cards.py"] else "there is no dictionary"


def _full_moved(_: Files, after: After) -> str:
    def defines(path: str) -> bool:
        tree = ast.parse(after.files.get(path, ""))
        return any(isinstance(n, ast.ClassDef) and n.name == "StationFull" for n in tree.body)

    if not defines("src/lockers/errors.py"):
        return "errors.py does not define StationFull"
    return "station.py still defines it" if defines("src/lockers/station.py") else ""


def _advice(*patterns: str) -> Check:
    def check(before: Files, after: After) -> str:
        if len(after.said.split()) < _FEW_WORDS:
            return "that is no advice"
        return answers(*patterns)(before, after)

    return check


_TRACE = _text("""
Traceback (most recent call last):
  File "/usr/local/bin/birdcount", line 8, in <module>
    sys.exit(main())
  File "/srv/birdcount/birdcount/cli.py", line 27, in main
    sightings = read_sheet(handle)
  File "/srv/birdcount/birdcount/reader.py", line 34, in read_sheet
    return [read_row(row) for row in rows]
  File "/srv/birdcount/birdcount/reader.py", line 34, in <listcomp>
    return [read_row(row) for row in rows]
  File "/srv/birdcount/birdcount/reader.py", line 24, in read_row
    count=int(row["count"]),
ValueError: invalid literal for int() with base 10: '~40'
""")

STRANGER: tuple[Case, ...] = (
    Case(
        name="birds-ties",
        kind="ask what",
        files=BIRDS,
        request="two species ended up with exactly the same total. which of them comes first in the top list, or is that random?",
        check=answers(
            r"alphabet|lexicograph|by (the |their |its )?(species )?names?\b|species name|name order|\bA\W{1,4}(to\W)?Z\b|ascending|(sort\w*|ordered|broken|breaks?|compare\w*)[^.]{0,60}\bnames?\b"
        ),
    ),
    Case(
        name="birds-traceback",
        kind="explain traceback",
        files=BIRDS,
        request=f"Marja sent me this today, and I can't make sense of it. What's wrong with her sheet?\n\n{_TRACE}",
        check=answers(
            r"~\s*40|tilde", r"\bcount\b", r"integer|\bint\b|number|numeric|digit|\bint\("
        ),
    ),
    Case(
        name="birds-richness",
        kind="fix bug",
        files=BIRDS,
        request="`birdcount sheet.csv site Marsh` says 3 species although there were only two - the heron had been entered by two people. A species has to count once per site, no matter in how many rows it is. Can you fix that?",
        hidden=_text("""
from birdcount.cli import main
from birdcount.reader import Sighting
from birdcount.tally import richness


def test_hidden_richness():
    rows = [
        Sighting("grey heron", "Marsh", 2, "Ada"),
        Sighting("coot", "Marsh", 2, "Ada"),
        Sighting("grey heron", "Marsh", 1, "Ben"),
        Sighting("wigeon", "Lake", 1, "Ben"),
    ]
    assert richness(rows, "Marsh") == 2
    assert richness(rows, "Lake") == 1
    assert richness(rows, "Pond") == 0


def test_hidden_cli(tmp_path, capsys):
    path = tmp_path / "s.csv"
    path.write_text("species,site,count,observer\\nHeron,Marsh,1,Ada\\nheron,Marsh,2,Ben\\n")
    main([str(path), "site", "Marsh"])
    assert capsys.readouterr().out == "Marsh: 1 species\\n"
"""),
    ),
    Case(
        name="birds-message",
        kind="message",
        files=BIRDS,
        request="People keep asking me which column is the missing one, because all they get to see is 'missing column'. Put the names into the error.",
        hidden=_text("""
import io

import pytest

from birdcount.reader import SheetError, read_sheet


def message(head):
    with pytest.raises(SheetError) as caught:
        read_sheet(io.StringIO(head + "\\n"))
    return str(caught.value)


def test_hidden_message():
    one, two = message("species,site,count"), message("species,observer")
    assert "observer" in one
    assert "site" in two and "count" in two
    assert one != two
    assert all(name in message("") for name in ("species", "site", "count", "observer"))
"""),
    ),
    Case(
        name="birds-observers",
        kind="add subcommand",
        files=BIRDS,
        request="need a new subcommand: `birdcount FILE observers`. lists everybody who sent something in, one name per line, alphabetical, anonymous ones left out",
        hidden=_text("""
from birdcount.cli import main


def test_hidden_observers(tmp_path, capsys):
    path = tmp_path / "s.csv"
    path.write_text("species,site,count,observer\\nCoot,L,1,Zoe\\nCoot,L,2,\\nCoot,M,2,Ben\\nHeron,M,2,Zoe\\n")
    assert main([str(path), "observers"]) in (0, None)
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines == ["Ben", "Zoe"]
    assert main([str(path), "site", "L"]) == 0
    assert main([str(path), "top"]) == 0
    assert capsys.readouterr().out.endswith("     5  coot\\n     2  heron\\n")
"""),
    ),
    Case(
        name="birds-json",
        kind="add option",
        files=BIRDS,
        request="Could you add a --json flag to the top command? It should print a list of objects with the keys species and count, in the same order and with the same limit as now. I want to feed it into a web page.",
        hidden=_text("""
import json

from birdcount.cli import main


def test_hidden_json(tmp_path, capsys):
    path = tmp_path / "s.csv"
    path.write_text("species,site,count,observer\\nHeron,M,2,Zoe\\nCoot,L,7,Zoe\\nWigeon,M,2,Zoe\\n")
    assert main([str(path), "top", "--json"]) in (0, None)
    heron, coot = {"species": "heron", "count": 2}, {"species": "coot", "count": 7}
    assert json.loads(capsys.readouterr().out) == [coot, heron, {"species": "wigeon", "count": 2}]
    main([str(path), "top", "--json", "-n", "2"])
    assert json.loads(capsys.readouterr().out) == [coot, heron]
    assert main([str(path), "top", "-n", "1"]) == 0
    assert capsys.readouterr().out == "     7  coot\\n"
"""),
    ),
    Case(
        name="birds-tests",
        kind="write tests",
        files=BIRDS,
        request="share() isn't tested at all. write some tests for it please: a normal case, that it's rounded to one decimal, no birds at all, and that upper/lower case in the name doesn't matter",
        check=_all(
            _kept("birdcount/tally.py", "birdcount/reader.py", "birdcount/cli.py"), tested("share")
        ),
        mutants=(
            ("birdcount/tally.py", "round(100 *", "round(10 *"),
            ("birdcount/tally.py", "/ birds, 1)", "/ birds)"),
            ("birdcount/tally.py", "return 0.0", "return 100.0"),
            ("birdcount/tally.py", "totals[clean_name(species)]", "totals[species]"),
        ),
    ),
    Case(
        name="scribe-redo",
        kind="fix red",
        files=SCRIBE,
        request="theres a failing test in here, can you make it green? but dont touch the tests",
        check=_kept("tests/test_buffer.py", "tests/test_find.py", "tests/test_words.py"),
        hidden=_text("""
from scribe import Buffer


def test_hidden_redo():
    buffer = Buffer()
    for text in "abc":
        buffer.insert(text)
    buffer.undo()
    buffer.undo()
    buffer.redo()
    assert buffer.text == "ab"
    buffer.backspace()
    buffer.redo()
    assert buffer.text == "a"
    buffer.undo()
    assert buffer.text == "ab"
    buffer.redo()
    assert buffer.text == "a"
"""),
    ),
    Case(
        name="scribe-case",
        kind="fix bug",
        files=SCRIBE,
        request="find_all(buf, 'Foo', ignore_case=True) comes back empty even though there is foo and Foo all over the text. With 'foo' it works. Please fix",
        hidden=_text("""
from scribe import Buffer
from scribe.find import find_all


def test_hidden_case():
    buffer = Buffer("foo Foo\\nxFOO")
    assert find_all(buffer, "Foo", ignore_case=True) == [(0, 0), (0, 4), (1, 1)]
    assert find_all(buffer, "FOO", ignore_case=True) == [(0, 0), (0, 4), (1, 1)]
    assert find_all(buffer, "foo", ignore_case=True) == [(0, 0), (0, 4), (1, 1)]
    assert find_all(buffer, "Foo") == [(0, 4)]
    assert find_all(buffer, "", ignore_case=True) == []
    assert buffer.text == "foo Foo\\nxFOO"
"""),
    ),
    Case(
        name="scribe-limit",
        kind="ask what",
        files=SCRIBE,
        request="How many steps can a user undo at most, and what becomes of the ones beyond that?",
        check=answers(
            r"\b(100|hundred)\b",
            r"drop|discard|remov|forg[oe]t|\blost|lose|\bpop|delet|evict|\bgone|thr(ow|ew)|no longer|trim|cut off|push(ed|es)? out|fall|oldest|can(no|')t",
        ),
    ),
    Case(
        name="scribe-clamp",
        kind="ask where",
        files=SCRIBE,
        request="where is it made sure that the cursor cant end up outside of the text?",
        check=answers(r"\bmove_to\b", r"\bbuffer\.py|scribe[./]buffer|\bBuffer\b"),
    ),
    Case(
        name="scribe-rename",
        kind="rename",
        files=SCRIBE,
        request="Rename Buffer.move_to to goto, everywhere, tests included. No alias.",
        check=_all(_gone("move_to"), _tests_left),
        hidden=_text("""
from scribe import Buffer
from scribe.find import find_next, replace_all


def test_hidden_goto():
    buffer = Buffer("ab\\ncd")
    buffer.goto(1, 9)
    assert (buffer.row, buffer.column) == (1, 2)
    buffer.goto(-1, -1)
    assert (buffer.row, buffer.column) == (0, 0)
    assert not hasattr(buffer, "move_to")
    assert find_next(buffer, "d")
    assert (buffer.row, buffer.column) == (1, 1)
    assert replace_all(buffer, "cd", "") == 1
    assert (buffer.row, buffer.column) == (1, 0)
"""),
    ),
    Case(
        name="scribe-menu",
        kind="add property",
        files=SCRIBE,
        request="I want to grey out the Undo and Redo entries in the menu when there's nothing to undo/redo. For that Buffer needs two properties, can_undo and can_redo.",
        hidden=_text("""
from scribe import Buffer


def test_hidden_menu():
    buffer = Buffer("x")
    assert not buffer.can_undo
    assert not buffer.can_redo
    buffer.insert("a")
    assert buffer.can_undo
    assert not buffer.can_redo
    buffer.undo()
    assert not buffer.can_undo
    assert buffer.can_redo
    buffer.redo()
    assert buffer.can_undo
    assert not buffer.can_redo
    assert buffer.text == "ax"
"""),
    ),
    Case(
        name="scribe-docs",
        kind="docstrings",
        files=SCRIBE,
        request="docstrings for all the functions in words.py pls, nothing else",
        check=same_code("scribe/words.py", needs=_all_documented),
    ),
    Case(
        name="scribe-duplicate",
        kind="add method with test",
        files=SCRIBE,
        request="It would be great if a Buffer could duplicate the current line: duplicate_line(). The copy goes right below, the cursor moves down onto the copy and keeps its column, and one undo takes it all back. With a test, please!",
        check=_all(tested("duplicate_line"), _tests_left),
        hidden=_text("""
from scribe import Buffer


def test_hidden_duplicate():
    buffer = Buffer("one\\ntwo\\nthree")
    buffer.row, buffer.column = 1, 2
    buffer.duplicate_line()
    assert buffer.text == "one\\ntwo\\ntwo\\nthree"
    assert (buffer.row, buffer.column) == (2, 2)
    buffer.undo()
    assert buffer.text == "one\\ntwo\\nthree"


def test_hidden_duplicate_the_last():
    buffer = Buffer("a")
    buffer.duplicate_line()
    buffer.duplicate_line()
    assert (buffer.text, buffer.row) == ("a\\na\\na", 2)
    buffer.insert("b")
    assert buffer.text == "a\\na\\nba"
"""),
    ),
    Case(
        name="hands-wheel",
        kind="fix red",
        files=HANDS,
        request="Please fix test_wheel. The test is right: an ace may also be the low end, so A 2 3 4 5 is a straight too.",
        check=_tests_left,
        hidden=_text("""
from cards import parse_hand
from hands import category


def test_hidden_wheel():
    assert category(parse_hand("Ac 2d 3h 4s 5c")) == "straight"
    assert category(parse_hand("4s 2s As 5s 3s")) == "straight flush"
    assert category(parse_hand("Tc Jd Qc Kc Ac")) == "straight"
    assert category(parse_hand("9c Td Jc Qc Kc")) == "straight"
    assert category(parse_hand("Kc Ad 2h 3s 4c")) == "high card"
    assert category(parse_hand("Ac 2d 3h 4s 6c")) == "high card"
    assert category(parse_hand("Ac Ad 2h 3s 4c")) == "pair"
    assert category(parse_hand("Ac 2c 3c 4c 6c")) == "flush"
"""),
    ),
    Case(
        name="hands-why",
        kind="explain red",
        files=HANDS,
        request="why is test_wheel red? dont fix it, i just want to understand",
        check=answers(
            r"\bAces?\b|\bAc\b|\bA\W{1,3}2\W{1,3}3\b",
            r"\b14\b|\bhigh(est)?\b|\blow\b|is_straight|consecutive",
        ),
    ),
    Case(
        name="hands-run",
        kind="run tests",
        files=HANDS,
        request="run the tests and tell me how it went",
        check=answers(
            r"test_wheel",
            r"fail|\bred\b",
            r"\b(1|one|only|single|rest|others?|9|10|11|nine|ten|eleven)\b",
        ),
    ),
    Case(
        name="hands-parse",
        kind="fix bug",
        files=HANDS,
        request="Card.parse('s') hands me a card with value 2?! and '89d' is taken for an eight. I'd expect a ValueError for both of them.",
        hidden=_text("""
import pytest

from cards import RANKS, SUITS, Card, Deck


@pytest.mark.parametrize("text", ["s", "89d", "JQKh", "2x", "1c"])
def test_hidden_no_card(text):
    with pytest.raises(ValueError):
        Card.parse(text)


def test_hidden_cards():
    for number, rank in enumerate(RANKS):
        for suit in SUITS:
            card = Card.parse(rank + suit)
            assert (card.rank, card.suit, card.value) == (rank, suit, number + 2)
    assert Card.parse("10H") == Card("T", "h")
    assert Card.parse("as").value == 14
    assert len(set(Deck().cards)) == 52
"""),
    ),
    Case(
        name="hands-ladder",
        kind="refactor",
        files=HANDS,
        request="suit_name is an if/elif ladder and I find it ugly. Turn it into a dictionary lookup, with the same results and the same error.",
        check=_all(_no_ladder, _kept("hands.py"), _tests_left),
        hidden=_text("""
import pytest

from cards import SUITS, Deck, suit_name


def test_hidden_suit_name():
    assert [suit_name(suit) for suit in SUITS] == ["clubs", "diamonds", "hearts", "spades"]
    for suit in ("x", "", "S"):
        with pytest.raises(ValueError) as caught:
            suit_name(suit)
        assert str(caught.value) == f"no such suit: {suit}"
    assert len(set(Deck().cards)) == 52
"""),
    ),
    Case(
        name="hands-best",
        kind="add function",
        files=HANDS,
        request="for texas holdem i've got 7 cards and need the best five of them. can you write a best_of(cards) in hands.py that gives back those five as a list",
        hidden=_text("""
from cards import parse_hand
from hands import best_of, category


def best(text):
    got = best_of(parse_hand(text))
    assert isinstance(got, list)
    return sorted(map(str, got))


def test_hidden_best_of():
    assert best("2h 9c 4h 6h 9d Jh Kh") == sorted(["2h", "4h", "6h", "Jh", "Kh"])
    assert best("9c 9d 2h 2s 5c Kd Kh") == sorted(["9c", "9d", "Kd", "Kh", "5c"])
    assert best("3c 4d 5h 6s 7c 8d Kh") == sorted(["4d", "5h", "6s", "7c", "8d"])
    assert best("2c 2d 2h 7s 7d Kc 9h") == sorted(["2c", "2d", "2h", "7s", "7d"])
    assert best("9c 9d 2h 2s 5c Kd Qh") == sorted(["9c", "9d", "2h", "2s", "Kd"])
    assert best("9c 9d 2h 3s 5c Kd Qh") == sorted(["9c", "9d", "5c", "Kd", "Qh"])
    assert best("2c 9d 4h 3s Tc") == sorted(["2c", "9d", "4h", "3s", "Tc"])
"""),
    ),
    Case(
        name="hands-sep",
        kind="parameter",
        files=HANDS,
        request="show() always puts a blank between the cards. I'd like to be able to pass something else as sep=..., default stays as it is",
        hidden=_text("""
from cards import parse_hand, show


def test_hidden_sep():
    cards = parse_hand("2c 10d Ah")
    assert show(cards) == "2c Td Ah"
    assert show(cards, sep=", ") == "2c, Td, Ah"
    assert show(cards, sep="") == "2cTdAh"
    assert show([], sep="-") == ""
"""),
    ),
    Case(
        name="hands-empty",
        kind="ask what",
        files=HANDS,
        request="what would winner({}) do, i.e. nobody is playing?",
        check=answers(r"IndexError|index (is )?out of range"),
    ),
    Case(
        name="lockers-tests",
        kind="write tests",
        files=LOCKERS,
        request="Hi! Nobody ever wrote tests for late_fee. Could you add some? They should cover the free days, all three sizes and the upper limit. Thanks",
        check=_all(
            _kept("src/lockers/fees.py", "src/lockers/model.py", "src/lockers/station.py"),
            tested("late_fee"),
        ),
        mutants=(
            ("src/lockers/fees.py", "max(0, days", "max(1, days"),
            ("src/lockers/fees.py", "days - FREE_DAYS)", "days)"),
            ("src/lockers/fees.py", "PER_DAY[size]", "PER_DAY[Size.S]"),
            ("src/lockers/fees.py", "PER_DAY[size]", "PER_DAY[Size.L]"),
            (
                "src/lockers/fees.py",
                "min(late * PER_DAY[size], MAXIMUM)",
                "late * PER_DAY[size]",
            ),
        ),
    ),
    Case(
        name="lockers-hints",
        kind="type hints",
        files=LOCKERS,
        request="add type hints to the functions in fees.py",
        check=_hinted_fees,
    ),
    Case(
        name="lockers-move",
        kind="move",
        files=LOCKERS,
        request="The api is going to need StationFull as well, so please move it from station.py to a new module errors.py in the same package.",
        check=_all(_full_moved, _tests_left),
        hidden=_text("""
import pytest

from lockers.errors import StationFull
from lockers.model import Locker, Parcel, Size
from lockers.station import Station


def test_hidden_full():
    station = Station("West", [Locker(1, Size.S)])
    assert station.drop(Parcel("A", 1)) == 1
    with pytest.raises(StationFull, match="West has no free locker for B"):
        station.drop(Parcel("B", 1))
    assert issubclass(StationFull, Exception)
"""),
    ),
    Case(
        name="lockers-delete",
        kind="delete",
        files=LOCKERS,
        request="we left the UK, so as_pounds is dead code now. get rid of it and of its test",
        check=_without_pounds,
        hidden=_text("""
from lockers import fees
from lockers.model import Size


def test_hidden_fees():
    assert not hasattr(fees, "as_pounds")
    assert fees.as_euros(1205) == "12,05 EUR"
    assert fees.late_fee(Size.M, 5) == 160
    assert fees.notice("A", Size.S, 4) == "A: 4 days, 0,50 EUR"
"""),
    ),
    Case(
        name="lockers-free",
        kind="add method",
        files=LOCKERS,
        request="The display on the wall should show how many lockers are still free. I need Station.free_by_size(), a dict from Size to the number of free lockers. Sizes where nothing is free should be in there too, with 0.",
        hidden=_text("""
from lockers.model import Locker, Parcel, Size
from lockers.station import Station


def test_hidden_free():
    station = Station("West", [Locker(1, Size.S), Locker(2, Size.L), Locker(3, Size.S)])
    assert dict(station.free_by_size()) == {Size.S: 2, Size.M: 0, Size.L: 1}
    station.drop(Parcel("A", 100))
    station.drop(Parcel("B", 1))
    free = station.free_by_size()
    assert isinstance(free, dict)
    assert dict(free) == {Size.S: 1, Size.M: 0, Size.L: 0}
    station.pick_up("A")
    assert dict(station.free_by_size()) == {Size.S: 1, Size.M: 0, Size.L: 1}
    assert dict(Station("East", []).free_by_size()) == {Size.S: 0, Size.M: 0, Size.L: 0}
"""),
    ),
    Case(
        name="lockers-where",
        kind="ask where",
        files=LOCKERS,
        request="new M boxes hold 45 litres instead of 40. where would I have to change that?",
        check=answers(r"\bmodel\.py|lockers[./]model\b", r"\bLIMITS\b|Size\.M\b"),
    ),
    Case(
        name="lockers-advice",
        kind="vague advice",
        files=LOCKERS,
        request="At the moment all of this is gone when the process ends. Should I rather go for sqlite or a json file? Just your opinion, no code yet.",
        check=_advice(r"sqlite|json"),
    ),
)
