"""Thirty requests by a stranger to the assistant, on four repositories laid out otherwise than those of the first lists.

An order workflow (state machine, fixtures, parametrised tests), an access-log analyser (`__main__.py`, subcommands),
plane geometry (`lib/`, `specs/*_test.py`, test classes) and kitchen amounts (`src/`, typed data classes, fractions).
The repositories' own tests: ORDERS 1 failed, 16 passed; WEBLOG 1 failed, 8 passed; GEOMETRY 11 passed;
KITCHEN 1 failed, 10 passed.
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


def _text(source: str) -> str:
    return source.lstrip("\n")


ORDERS: Files = {
    "orders/__init__.py": _text('''
"""Orders of a small web shop, from the basket to the doorstep."""

from orders.order import Order
from orders.states import State

__all__ = ["Order", "State"]
'''),
    "orders/errors.py": _text('''
class OrderError(Exception):
    """Something cannot be done with an order."""


class InvalidTransition(OrderError):
    """The order cannot get from its state into the other one."""


class OrderClosed(OrderError):
    """Nothing can be added to the order any more."""
'''),
    "orders/states.py": _text("""
from enum import Enum


class State(Enum):
    NEW = "new"
    PAID = "paid"
    PACKED = "packed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"


TRANSITIONS = {
    State.NEW: {State.PAID, State.CANCELLED},
    State.PAID: {State.PACKED, State.CANCELLED},
    State.PACKED: {State.SHIPPED, State.CANCELLED},
    State.SHIPPED: {State.DELIVERED, State.CANCELLED},
    State.DELIVERED: set(),
    State.CANCELLED: set(),
}


def can_move(start, end):
    return end in TRANSITIONS[start]


def is_final(state):
    return not TRANSITIONS[state]
"""),
    "orders/order.py": _text('''
from orders.errors import InvalidTransition, OrderClosed
from orders.states import State, can_move


class Order:
    """One order: its lines are (name, quantity, cents per piece)."""

    def __init__(self, number, lines=()):
        self.number = number
        self.lines = list(lines)
        self.state = State.NEW
        self.history = [State.NEW]

    def add_line(self, name, quantity, cents):
        if self.state is not State.NEW:
            raise OrderClosed(f"order {self.number} is {self.state.value}")
        self.lines.append((name, quantity, cents))

    def total(self):
        return sum(quantity * cents for _, quantity, cents in self.lines)

    def move_to(self, state):
        if not can_move(self.state, state):
            raise InvalidTransition(f"{self.state.value} -> {state.value}")
        self.state = state
        self.history.append(state)

    def cancel(self):
        self.move_to(State.CANCELLED)
'''),
    "orders/shipping.py": _text("""
from orders.states import State

HOME = {"AT", "CH", "DE"}
FREE_FROM = 5000


def ships_free(order, country, express=False):
    if order.total() >= FREE_FROM:
        if country in HOME:
            if not express:
                return True
            else:
                return False
        else:
            return False
    else:
        return False


def to_pack(orders):
    return [order for order in orders if order.state is State.PAID]


def send(orders):
    sent = []
    for order in orders:
        if order.state is State.PACKED:
            order.move_to(State.SHIPPED)
            sent.append(order.number)
    return sent
"""),
    "conftest.py": _text("""
import pytest

from orders import Order, State


@pytest.fixture
def order():
    return Order(7, [("mug", 2, 900)])


@pytest.fixture
def packed(order):
    order.move_to(State.PAID)
    order.move_to(State.PACKED)
    return order
"""),
    "tests/test_order.py": _text("""
import pytest

from orders import Order, State
from orders.errors import InvalidTransition, OrderClosed

PATH = [State.PAID, State.PACKED, State.SHIPPED, State.DELIVERED]


def walked(steps):
    order = Order(1)
    for state in PATH[:steps]:
        order.move_to(state)
    return order


def test_total(order):
    order.add_line("spoon", 1, 250)
    assert order.total() == 2050


def test_closed_once_paid(order):
    order.move_to(State.PAID)
    with pytest.raises(OrderClosed, match="7"):
        order.add_line("spoon", 1, 250)


def test_history(packed):
    assert packed.history == [State.NEW, State.PAID, State.PACKED]


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_cancel(steps):
    order = walked(steps)
    order.cancel()
    assert order.state is State.CANCELLED


@pytest.mark.parametrize("steps", [3, 4])
def test_too_late_to_cancel(steps):
    with pytest.raises(InvalidTransition):
        walked(steps).cancel()


@pytest.mark.parametrize("state", [State.PACKED, State.SHIPPED, State.DELIVERED])
def test_no_short_cuts(order, state):
    with pytest.raises(InvalidTransition):
        order.move_to(state)
"""),
    "tests/test_shipping.py": _text("""
import pytest

from orders import Order, State
from orders.shipping import send, ships_free, to_pack


@pytest.mark.parametrize(
    ("cents", "country", "express", "free"),
    [(5000, "DE", False, True), (4999, "DE", False, False), (9000, "FR", False, False), (9000, "AT", True, False)],
)
def test_ships_free(cents, country, express, free):
    assert ships_free(Order(1, [("vase", 1, cents)]), country, express) is free


def test_to_pack(order):
    assert to_pack([order]) == []
    order.move_to(State.PAID)
    assert to_pack([order]) == [order]


def test_send(packed):
    assert send([packed, Order(8)]) == [7]
"""),
}

WEBLOG: Files = {
    "setup.cfg": "[metadata]\nname = weblog\nversion = 0.3\n\n[tool:pytest]\npythonpath = .\n",
    "sample.log": _text("""
10.0.0.4 - - [03/Mar/2025:09:15:02 +0000] "GET /index.html HTTP/1.1" 200 5120
10.0.0.4 - - [03/Mar/2025:09:15:03 +0000] "GET /logo.png HTTP/1.1" 304 -
10.0.0.9 - - [03/Mar/2025:10:01:44 +0000] "POST /login HTTP/1.1" 500 312
10.0.0.7 - - [03/Mar/2025:11:30:00 +0000] "GET /old HTTP/1.1" 404 199
"""),
    "weblog/__init__.py": '"""Counts things in access logs."""\n',
    "weblog/parse.py": _text(r"""
import re
from collections import namedtuple

Entry = namedtuple("Entry", "host time method path status size")

LINE = re.compile(
    r"(?P<host>\S+) \S+ \S+ \[(?P<time>[^\]]+)\] "
    r'"(?P<method>[A-Z]+) (?P<path>\S+)[^"]*" (?P<status>\d{3}) (?P<size>\d+|-)'
)


def parse_line(line):
    match = LINE.match(line)
    if match is None:
        return None
    size = 0 if match["size"] == "-" else int(match["size"])
    return Entry(match["host"], match["time"], match["method"], match["path"], int(match["status"]), size)


def parse_lines(lines):
    return [parse_line(line) for line in lines if line.strip()]


def hour_of(entry):
    return int(entry.time.split(":")[1])
"""),
    "weblog/report.py": _text('''
"""What can be told about a list of entries."""

from collections import Counter

UNITS = ("B", "KB", "MB", "GB")


def status_classes(entries):
    return Counter(f"{entry.status // 100}xx" for entry in entries)


def errors(entries):
    return [entry for entry in entries if entry.status >= 400]


def without_query(path):
    return path.partition("?")[0]


def top_paths(entries):
    return Counter(entry.path for entry in entries).most_common(3)


def traffic(entries):
    return sum(entry.size for entry in entries)


def human_size(size):
    for unit in UNITS[:-1]:
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} {UNITS[-1]}"
'''),
    "weblog/__main__.py": _text("""
import argparse

from weblog.parse import parse_lines
from weblog.report import errors, human_size, top_paths, traffic


def read(path):
    with open(path, encoding="utf-8") as file:
        return parse_lines(file)


def build_parser():
    parser = argparse.ArgumentParser(prog="weblog", description="Counts things in access logs.")
    parser.add_argument("log", help="the access log")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("top", help="the paths that were asked for most often")
    commands.add_parser("errors", help="the requests that failed")
    commands.add_parser("traffic", help="how much was sent")
    return parser


def main(argv=None):
    args = build_parser().parse_args(argv)
    entries = read(args.log)
    if args.command == "top":
        for path, count in top_paths(entries):
            print(f"{count:6} {path}")
    elif args.command == "errors":
        for entry in errors(entries):
            print(f"{entry.status} {entry.path}")
    elif args.command == "traffic":
        print(human_size(traffic(entries)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
"""),
    "tests/test_parse.py": _text("""
from weblog.parse import hour_of, parse_line, parse_lines

LINE = '10.0.0.4 - - [03/Mar/2025:09:15:02 +0000] "GET /index.html HTTP/1.1" 200 5120'


def test_parse_line():
    entry = parse_line(LINE)
    assert (entry.host, entry.path, entry.status, entry.size) == ("10.0.0.4", "/index.html", 200, 5120)


def test_no_size():
    assert parse_line(LINE.replace("5120", "-")).size == 0


def test_blank_lines():
    assert len(parse_lines([LINE, "", LINE])) == 2


def test_hour_of():
    assert hour_of(parse_line(LINE)) == 9
"""),
    "tests/test_report.py": _text("""
from weblog.__main__ import main
from weblog.parse import Entry
from weblog.report import errors, human_size, status_classes, top_paths


def entry(path="/", status=200, size=0):
    return Entry("h", "03/Mar/2025:09:15:02 +0000", "GET", path, status, size)


def test_status_classes():
    assert status_classes([entry(), entry(status=204), entry(status=404)]) == {"2xx": 2, "4xx": 1}


def test_errors():
    assert [e.status for e in errors([entry(), entry(status=404), entry(status=500)])] == [404, 500]


def test_query_is_ignored():
    assert top_paths([entry("/find?q=tea"), entry("/find?q=mug"), entry("/")]) == [("/find", 2), ("/", 1)]


def test_human_size():
    assert human_size(1536) == "1.5 KB"


def test_traffic(capsys, tmp_path):
    log = tmp_path / "a.log"
    log.write_text('h - - [03/Mar/2025:09:15:02 +0000] "GET / HTTP/1.1" 200 2048')
    main([str(log), "traffic"])
    assert capsys.readouterr().out == "2.0 KB\\n"
"""),
}

GEOMETRY: Files = {
    "tox.ini": "[tox]\nskipsdist = true\n\n[pytest]\npythonpath = lib\n",
    "lib/vector.py": _text('''
"""Vectors in the plane."""

import math


class Vector:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x = x
        self.y = y

    def __eq__(self, other):
        return isinstance(other, Vector) and (self.x, self.y) == (other.x, other.y)

    def __hash__(self):
        return hash((self.x, self.y))

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __sub__(self, other):
        return Vector(self.x - other.x, self.y - other.y)

    def scaled(self, factor):
        return Vector(self.x * factor, self.y * factor)

    def length(self):
        return math.hypot(self.x, self.y)

    def unit(self):
        return self.scaled(1 / self.length())

    def rotated(self, degrees):
        angle = math.radians(degrees)
        cos, sin = math.cos(angle), math.sin(angle)
        return Vector(self.x * cos - self.y * sin, self.x * sin + self.y * cos)
'''),
    "lib/matrix.py": _text('''
"""Matrices as lists of rows."""


class Matrix:
    def __init__(self, rows):
        self.rows = [list(row) for row in rows]
        if len({len(row) for row in self.rows}) != 1:
            raise ValueError("the rows must have the same length")

    def __eq__(self, other):
        return isinstance(other, Matrix) and self.rows == other.rows

    def transpose(self):
        return Matrix(zip(*self.rows))

    def times(self, other):
        columns = list(zip(*other.rows))
        if len(self.rows[0]) != len(other.rows):
            raise ValueError("the shapes do not fit")
        return Matrix([[sum(a * b for a, b in zip(row, column)) for column in columns] for row in self.rows])


def identity(size):
    return Matrix([[int(i == j) for j in range(size)] for i in range(size)])
'''),
    "lib/polygon.py": _text('''
"""Polygons as lists of corners."""


def edges(points):
    return list(zip(points, points[1:] + points[:1]))


def perimeter(points):
    return sum((end - start).length() for start, end in edges(points))


def area(points):
    twice = 0
    for start, end in edges(points):
        twice += start.x * end.y - end.x * start.y
    return abs(twice) / 2


def directions(points):
    return [(end - start).unit() for start, end in edges(points)]


def bounds(points):
    xs = []
    ys = []
    for p in points:
        xs.append(p.x)
        ys.append(p.y)
    return min(xs), min(ys), max(xs), max(ys)
'''),
    "specs/vector_test.py": _text("""
import math

import pytest

from vector import Vector


class TestArithmetic:
    def test_sum(self):
        assert Vector(1, 2) + Vector(3, 4) == Vector(4, 6)

    def test_difference(self):
        assert Vector(1, 2) - Vector(3, 4) == Vector(-2, -2)


class TestLength:
    def test_length(self):
        assert Vector(3, 4).length() == 5

    def test_unit(self):
        assert Vector(0, 9).unit() == Vector(0, 1)


class TestTurns:
    def test_quarter(self):
        turned = Vector(1, 0).rotated(90)
        assert math.isclose(turned.y, 1)

    def test_all_round(self):
        assert Vector(2, 3).rotated(360).x == pytest.approx(2)
"""),
    "specs/matrix_test.py": _text("""
import pytest

from matrix import Matrix, identity


class TestProduct:
    def test_identity(self):
        m = Matrix([[1, 2], [3, 4]])
        assert m.times(identity(2)) == m

    def test_wrong_shape(self):
        with pytest.raises(ValueError, match="fit"):
            Matrix([[1, 2]]).times(Matrix([[1, 2]]))
"""),
    "specs/polygon_test.py": _text("""
import pytest

from polygon import area, bounds, perimeter
from vector import Vector


@pytest.fixture
def rectangle():
    return [Vector(0, 0), Vector(4, 0), Vector(4, 3), Vector(0, 3)]


class TestRectangle:
    def test_area(self, rectangle):
        assert area(rectangle) == 12

    def test_perimeter(self, rectangle):
        assert perimeter(rectangle) == 14

    def test_bounds(self, rectangle):
        assert bounds(rectangle) == (0, 0, 4, 3)
"""),
}

KITCHEN: Files = {
    "pyproject.toml": '[project]\nname = "kitchen"\nversion = "1.2"\n\n[tool.pytest.ini_options]\npythonpath = ["src"]\n',
    "src/kitchen/__init__.py": "",
    "src/kitchen/units.py": _text('''
"""Units of volume and of weight."""

MILLILITRES = {"ml": 1, "l": 1000, "tsp": 5, "tbsp": 15, "cup": 250}
GRAMS = {"g": 1, "kg": 1000, "oz": 28.35, "lb": 453.6}


class UnknownUnit(ValueError):
    pass


def table_of(unit):
    for table in (MILLILITRES, GRAMS):
        if unit in table:
            return table
    raise UnknownUnit("unknown unit")


def convert(amount, source, target):
    table = table_of(source)
    if table_of(target) is not table:
        raise ValueError(f"{source} cannot become {target}")
    return amount * table[source] / table[target]
'''),
    "src/kitchen/amounts.py": _text('''
"""Amounts as cooks write them: 2, 1/3 or 1 1/2."""

from fractions import Fraction


def is_amount(text):
    return bool(text) and all(c.isdigit() or c in " /" for c in text)


def parse_amount(text):
    return sum((Fraction(part) for part in text.split()), Fraction(0))


def parse_range(text):
    low, high = text.split("-")
    return parse_amount(low), parse_amount(high)


def format_amount(amount):
    whole, rest = divmod(amount, 1)
    if rest == 0:
        return str(whole)
    return f"{whole} {rest}"
'''),
    "src/kitchen/recipe.py": _text("""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from kitchen.amounts import format_amount


@dataclass(frozen=True)
class Ingredient:
    name: str
    qty: Fraction
    unit: str = ""

    def line(self) -> str:
        parts = (format_amount(self.qty), self.unit, self.name)
        return " ".join(part for part in parts if part)


@dataclass
class Recipe:
    title: str
    serves: int
    ingredients: list[Ingredient] = field(default_factory=list)

    def scaled(self, serves: int) -> Recipe:
        factor = Fraction(serves, self.serves)
        return Recipe(self.title, serves, [replace(i, qty=i.qty * factor) for i in self.ingredients])


def shopping_list(recipes: list[Recipe]) -> list[Ingredient]:
    needed: dict[tuple[str, str], Fraction] = {}
    for recipe in recipes:
        for item in recipe.ingredients:
            key = (item.name, item.unit)
            needed[key] = needed.get(key, Fraction(0)) + item.qty
    return [Ingredient(name, qty=total, unit=unit) for (name, unit), total in needed.items()]
"""),
    "tests/test_amounts.py": _text("""
from fractions import Fraction

import pytest

from kitchen.amounts import format_amount, is_amount, parse_amount


@pytest.mark.parametrize(("text", "amount"), [("2", Fraction(2)), ("1/3", Fraction(1, 3)), ("1 1/2", Fraction(3, 2))])
def test_parse(text, amount):
    assert parse_amount(text) == amount


@pytest.mark.parametrize("text", ["2", "1/3", "1 1/2"])
def test_there_and_back(text):
    assert format_amount(parse_amount(text)) == text


def test_is_amount():
    assert is_amount("1 1/2")
    assert not is_amount("flour")
"""),
    "tests/test_recipe.py": _text("""
from fractions import Fraction

import pytest

from kitchen.recipe import Ingredient, Recipe, shopping_list


@pytest.fixture
def pancakes():
    return Recipe("Pancakes", 2, [Ingredient("flour", Fraction(3, 2), "cup"), Ingredient("eggs", Fraction(2))])


def test_line(pancakes):
    assert [i.line() for i in pancakes.ingredients] == ["1 1/2 cup flour", "2 eggs"]


def test_scaled(pancakes):
    assert [i.qty for i in pancakes.scaled(4).ingredients] == [3, 4]


def test_scaled_keeps_the_recipe(pancakes):
    pancakes.scaled(8)
    assert pancakes.serves == 2


def test_shopping_list(pancakes):
    assert [i.qty for i in shopping_list([pancakes, pancakes])] == [3, 4]
"""),
}
KITCHEN_GREEN: Files = {
    **KITCHEN,
    "src/kitchen/amounts.py": KITCHEN["src/kitchen/amounts.py"].replace(
        "        return str(whole)\n",
        "        return str(whole)\n    if whole == 0:\n        return str(rest)\n",
    ),
}


def both(*checks: Check) -> Check:
    """All of the checks; the first reason is given."""

    def check(before: Files, after: After) -> str:
        return next((reason for one in checks if (reason := one(before, after))), "")

    return check


def gone(name: str) -> Check:
    """No Python file has the name as a word any more."""

    def check(before: Files, after: After) -> str:
        left = sorted(
            p
            for p, text in after.files.items()
            if p.endswith(".py") and re.search(rf"\b{name}\b", text)
        )
        return f"{name} is still in {left}" if left else ""

    return check


def imports_resolve(before: Files, after: After) -> str:
    """Every name that is imported from a module of the repository is there."""
    modules = {
        re.sub(r"^(?:src|lib)/|(?:/__init__)?\.py$", "", p).replace("/", "."): t
        for p, t in after.files.items()
        if p.endswith(".py")
    }
    trees = {name: ast.parse(text) for name, text in modules.items()}
    for user, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module in trees and not node.level:
                there = _bound(trees[node.module])
                missing = [
                    a.name
                    for a in node.names
                    if a.name not in there and f"{node.module}.{a.name}" not in trees
                ]
                if missing and missing != ["*"]:
                    return f"{user} imports {missing} of {node.module}, which are not there"
    return ""


def _bound(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {(a.asname or a.name).split(".")[0] for a in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def all_documented(tree: ast.Module) -> bool:
    """Every function has a docstring."""
    return all(ast.get_docstring(n) for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))


def annotated(path: str) -> Check:
    """Only that file changed; its functions have all their hints; but for hints, imports and docstrings it is the same program."""

    def check(before: Files, after: After) -> str:
        others = [
            p for p in {*before, *after.files} if p != path and before.get(p) != after.files.get(p)
        ]
        if others:
            return f"changed {others}, too"
        for node in ast.walk(ast.parse(after.files[path])):
            if isinstance(node, ast.FunctionDef):
                plain = [
                    a.arg
                    for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                    if not a.annotation
                ]
                if node.returns is None or set(plain) - {"self", "cls"}:
                    return f"{node.name} is not annotated"
        return (
            ""
            if _unhinted(before[path]) == _unhinted(after.files[path])
            else "the program is another one"
        )

    return check


class _Unhint(ast.NodeTransformer):
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
        return ast.Assign(targets=[node.target], value=node.value) if node.value else None


def _unhinted(source: str) -> str:
    tree = _Unhint().visit(ast.parse(source))
    body = [
        n
        for n in tree.body
        if not isinstance(n, (ast.Import, ast.ImportFrom)) and "TYPE_CHECKING" not in ast.dump(n)
    ]
    aliases = (ast.TypeAlias,) if hasattr(ast, "TypeAlias") else ()
    body = [n for n in body if not isinstance(n, aliases)]
    return "\n".join(ast.unparse(ast.fix_missing_locations(n)) for n in body)


_TRACE_NONE = (
    "Traceback (most recent call last):\n"
    '  File "<frozen runpy>", line 198, in _run_module_as_main\n  File "<frozen runpy>", line 88, in _run_code\n'
    '  File "/home/mia/weblog/weblog/__main__.py", line 37, in <module>\n    raise SystemExit(main())\n                     ^^^^^^\n'
    '  File "/home/mia/weblog/weblog/__main__.py", line 29, in main\n    for entry in errors(entries):\n'
    "                 ^^^^^^^^^^^^^^^\n"
    '  File "/home/mia/weblog/weblog/report.py", line 13, in errors\n'
    "    return [entry for entry in entries if entry.status >= 400]\n"
    "           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
    '  File "/home/mia/weblog/weblog/report.py", line 13, in <listcomp>\n'
    "    return [entry for entry in entries if entry.status >= 400]\n"
    "                                          ^^^^^^^^^^^^\n"
    "AttributeError: 'NoneType' object has no attribute 'status'\n"
)
_TRACE_ZERO = (
    "Traceback (most recent call last):\n"
    '  File "draw.py", line 12, in <module>\n    arrows = directions(outline)\n'
    '  File "lib/polygon.py", line 20, in directions\n    return [(end - start).unit() for start, end in edges(points)]\n'
    '  File "lib/polygon.py", line 20, in <listcomp>\n    return [(end - start).unit() for start, end in edges(points)]\n'
    '  File "lib/vector.py", line 32, in unit\n    return self.scaled(1 / self.length())\n'
    "ZeroDivisionError: float division by zero\n"
)

STRANGER: tuple[Case, ...] = (
    # Questions.
    Case(name="weblog-nomatch", kind="ask what", files=WEBLOG, request="what does parse_line give back if the line doesnt look like a log line?",
         check=answers(r"(?<!match is )\bNone\b")),
    Case(name="kitchen-cup", kind="ask what", files=KITCHEN, request="how many ml is one cup in this project", check=answers(r"\b250\b")),
    Case(name="orders-follow", kind="ask where", files=ORDERS, request="where do I change which status can come after which?",
         check=answers(r"states\.py|\bTRANSITIONS\b")),
    Case(name="geometry-turns", kind="ask where", files=GEOMETRY, request="is rotated() tested anywhere?",
         check=answers(r"vector_test|TestTurns|test_quarter|test_all_round",
                       r"\A(?!\W*no\b)(?![\s\S]*\b(?:not|isn.t|never) tested)")),
    Case(name="orders-why", kind="ask why it fails", files=ORDERS, request="why does test_too_late_to_cancel fail?",
         check=answers(r"states\.py|TRANSITIONS|can_move", r"shipped[\s\S]{0,160}cancel|cancel[\s\S]{0,160}shipped")),
    Case(name="kitchen-why", kind="ask why it fails", files=KITCHEN, request="one test is red and i dont get it. whats the reason?",
         check=answers(r"(?<!test_)(?:format_amount|amounts\.py)",
                       r"\b0 1/3|\bzero\b|leading 0|whole\b[^\n]{0,80}\b0\b|\b0\b[^\n]{0,80}\bwhole"
                       r"|(?:below|under|less|smaller) than (?:1|one)|below (?:1|one)")),
    Case(name="weblog-trace", kind="explain a traceback", files=WEBLOG,
         request=f"python -m weblog access.log errors gives me this, why??\n\n{_TRACE_NONE}",
         check=answers(r"pars|\blines\b|\bline\b(?! ?\d)",
                       r"match|malformed|invalid|garbage|broken|corrupt|unexpected|un-?pars|format|fail\w* to parse"
                       r"|(?:not|n.t|never|cannot) (?:be )?(?:pars|recogni|read|underst)")),
    Case(name="geometry-trace", kind="explain a traceback", files=GEOMETRY, request=f"{_TRACE_ZERO}\nwhat did I do wrong?",
         check=answers(r"(?:zero|\b0)[- ](?:length|vector|magnitude)|(?:length|magnitude|norm)\W+(?:(?!by\b)\w+\W+){0,6}(?:zero|0)\b"
                       r"|null vector|Vector\(0|\(0(?:\.0)?, ?0(?:\.0)?\)|same (?:point|corner|place|position|vertex|coordinate|vector|value)"
                       r"|identical|duplicate|coincid|repeated|(?:appears?|listed|given|occurs?) twice"
                       r"|(?:are|is) (?:the same|equal)|start\W+(?:and|==?|equals?)\W+end")),
    Case(name="orders-run", kind="run the tests", files=ORDERS, request="run pytest pls",
         check=answers(r"\b(?:1|one) (?:test )?fail|test_too_late_to_cancel", r"\b16\b")),
    # Repairs.
    Case(name="orders-fix", kind="fix", files=ORDERS, request="an order that is already shipped can still be cancelled. please fix",
         hidden="import pytest\n\nfrom orders import Order, State\nfrom orders.errors import InvalidTransition\n\n\ndef walked(*states):\n"
         "    order = Order(1)\n    for state in states:\n        order.move_to(state)\n    return order\n\n\ndef test_hidden():\n"
         "    shipped = walked(State.PAID, State.PACKED, State.SHIPPED)\n    with pytest.raises(InvalidTransition):\n        shipped.cancel()\n"
         "    assert shipped.state is State.SHIPPED\n    shipped.move_to(State.DELIVERED)\n    packed = walked(State.PAID, State.PACKED)\n"
         "    packed.cancel()\n    assert packed.state is State.CANCELLED\n"),
    Case(name="weblog-fix", kind="fix", files=WEBLOG, request="test_query_is_ignored is failing, could you fix that?",
         hidden="from weblog.parse import Entry\nfrom weblog.report import top_paths\n\n\ndef test_hidden():\n"
         "    entries = [Entry('h', '', 'GET', path, 200, 0) for path in ('/a?x=1', '/b', '/a', '/a?y', '/b?', '/c')]\n"
         "    assert top_paths(entries) == [('/a', 3), ('/b', 2), ('/c', 1)]\n"),
    # New code.
    Case(name="orders-revenue", kind="add a function with a test", files=ORDERS,
         request="add a function revenue(orders) to shipping.py: sum of the totals of all orders, without the cancelled ones. with a test",
         check=tested("revenue"),
         hidden="from orders import Order\nfrom orders.shipping import revenue\n\n\ndef test_hidden():\n"
         "    kept, lost = Order(1, [('a', 2, 300)]), Order(2, [('b', 1, 50)])\n    assert revenue([kept, lost]) == 650\n    lost.cancel()\n"
         "    assert revenue([kept, lost]) == 600\n    assert revenue([]) == 0\n"),
    Case(name="geometry-dot", kind="add a function with a test", files=GEOMETRY,
         request="I need the dot product of two vectors, as a method dot. add a test too please", check=tested("dot"),
         hidden="from vector import Vector\n\n\ndef test_hidden():\n    assert Vector(1, 2).dot(Vector(3, 4)) == 11\n"
         "    assert Vector(1, 0).dot(Vector(0, 5)) == 0\n"),
    Case(name="kitchen-tests", kind="write tests", files=KITCHEN_GREEN, request="convert has no tests yet, can you write some",
         check=tested("convert"),
         mutants=(("src/kitchen/units.py", "amount * table[source] / table[target]", "amount * table[target] / table[source]"),)),
    Case(name="geometry-tests", kind="write tests", files=GEOMETRY, request="write a test for transpose", check=tested("transpose"),
         mutants=(("lib/matrix.py", "Matrix(zip(*self.rows))", "Matrix(self.rows)"),)),
    # Words about the code.
    Case(name="weblog-docs", kind="docstrings", files=WEBLOG, request="docstrings for all functions in parse.py please",
         check=same_code("weblog/parse.py", needs=all_documented)),
    Case(name="kitchen-hints", kind="type hints", files=KITCHEN, request="amounts.py has no type hints, add them",
         check=annotated("src/kitchen/amounts.py")),
    # Other shapes.
    Case(name="weblog-top", kind="parameter", files=WEBLOG, request="top_paths always gives 3, make that a parameter n (default 3)",
         hidden="from weblog.parse import Entry\nfrom weblog.report import top_paths\n\n\ndef test_hidden():\n"
         "    entries = [Entry('h', '', 'GET', path, 200, 0) for path in 'aaaaabbbbcccdde']\n"
         "    assert top_paths(entries) == [('a', 5), ('b', 4), ('c', 3)]\n    assert top_paths(entries, n=1) == [('a', 5)]\n"
         "    assert len(top_paths(entries, n=5)) == 5\n"),
    Case(name="orders-rename", kind="rename", files=ORDERS, request="rename move_to to advance", check=both(gone("move_to"), imports_resolve),
         hidden="from orders import Order, State\nfrom orders.shipping import send\n\n\ndef test_hidden():\n    order = Order(3)\n"
         "    order.advance(State.PAID)\n    order.advance(State.PACKED)\n    assert send([order]) == [3]\n    other = Order(4)\n    other.cancel()\n"
         "    assert other.state is State.CANCELLED\n"),
    Case(name="kitchen-rename", kind="rename", files=KITCHEN, request="i dont like the field name qty in Ingredient, call it quantity everywhere",
         check=both(gone("qty"), imports_resolve),
         hidden="from fractions import Fraction\n\nfrom kitchen.recipe import Ingredient, Recipe, shopping_list\n\n\ndef test_hidden():\n"
         "    tea = Ingredient(name='tea', quantity=Fraction(2), unit='tsp')\n    assert tea.line() == '2 tsp tea'\n"
         "    recipe = Recipe('Tea', 1, [tea])\n    assert recipe.scaled(3).ingredients[0].quantity == 6\n"
         "    assert shopping_list([recipe, recipe])[0].quantity == 4\n"),
    Case(name="weblog-move", kind="move", files=WEBLOG, request="human_size doesn't belong in report.py, move it to a new file weblog/sizes.py",
         check=both(without("weblog/report.py", "human_size"), imports_resolve),
         hidden="from weblog.__main__ import main\nfrom weblog.sizes import human_size\n\n\ndef test_hidden(capsys, tmp_path):\n"
         "    assert human_size(2048) == '2.0 KB'\n    assert human_size(3 * 1024**3) == '3.0 GB'\n    log = tmp_path / 'b.log'\n"
         "    log.write_text('h - - [03/Mar/2025:09:15:02 +0000] \"GET / HTTP/1.1\" 200 512')\n    main([str(log), 'traffic'])\n"
         "    assert capsys.readouterr().out.strip() == '512.0 B'\n"),
    Case(name="kitchen-delete", kind="delete", files=KITCHEN, request="nobody uses parse_range, throw it out",
         check=both(without("src/kitchen/amounts.py", "parse_range"), gone("parse_range"), imports_resolve)),
    Case(name="weblog-hosts", kind="a new option of a CLI", files=WEBLOG,
         request="add a command hosts that prints every host and how many requests it made",
         hidden="import re\n\nfrom weblog.__main__ import main\n\n\ndef test_hidden(capsys, tmp_path):\n    log = tmp_path / 'c.log'\n"
         "    hosts = ['alpha', 'beta', 'alpha', 'alpha']\n"
         "    log.write_text('\\n'.join(f'{h} - - [03/Mar/2025:09:15:02 +0000] \"GET /x HTTP/1.1\" 200 77' for h in hosts))\n"
         "    main([str(log), 'hosts'])\n    out = capsys.readouterr().out\n    for host, count in (('alpha', 3), ('beta', 1)):\n"
         "        assert re.search(rf'\\b{count}\\b[^\\n\\d]*{host}|{host}[^\\n\\d]*\\b{count}\\b', out)\n"
         "    main([str(log), 'top'])\n    assert '4 /x' in capsys.readouterr().out\n"),
    Case(name="weblog-status", kind="a new option of a CLI", files=WEBLOG,
         request="the errors command should get an option --status so i can see only one code, like --status 404",
         hidden="from weblog.__main__ import main\n\n\ndef test_hidden(capsys, tmp_path):\n    log = tmp_path / 'd.log'\n"
         "    codes = {'/fine': 200, '/lost': 404, '/crash': 500}\n"
         "    log.write_text('\\n'.join(f'h - - [03/Mar/2025:09:15:02 +0000] \"GET {p} HTTP/1.1\" {c} 1' for p, c in codes.items()))\n"
         "    main([str(log), 'errors', '--status', '404'])\n    out = capsys.readouterr().out\n"
         "    assert '/lost' in out and '/crash' not in out and '/fine' not in out\n    main([str(log), 'errors'])\n"
         "    out = capsys.readouterr().out\n    assert '/lost' in out and '/crash' in out and '/fine' not in out\n"),
    Case(name="kitchen-unknown", kind="an error message", files=KITCHEN, request="'unknown unit' is not helpful, the error should say which unit it was",
         hidden="import pytest\n\nfrom kitchen.units import UnknownUnit, convert\n\n\ndef test_hidden():\n"
         "    with pytest.raises(UnknownUnit, match='pint'):\n        convert(1, 'pint', 'ml')\n"
         "    with pytest.raises(UnknownUnit, match='stone'):\n        convert(1, 'g', 'stone')\n    assert convert(2, 'l', 'ml') == 2000\n"),
    Case(name="orders-open", kind="a property or __repr__", files=ORDERS,
         request="give Order a property is_open, false when it was delivered or cancelled and true before",
         hidden="from orders import Order, State\n\n\ndef test_hidden():\n    order = Order(1)\n    assert order.is_open is True\n"
         "    for state in (State.PAID, State.PACKED, State.SHIPPED):\n        order.move_to(state)\n        assert order.is_open is True\n"
         "    order.move_to(State.DELIVERED)\n    assert order.is_open is False\n    other = Order(2)\n    other.cancel()\n"
         "    assert other.is_open is False\n"),
    Case(name="geometry-repr", kind="a property or __repr__", files=GEOMETRY,
         request="print(v) shows <vector.Vector object at 0x7f..>. it should show something like Vector(1, 2)",
         hidden="from vector import Vector\n\n\ndef test_hidden():\n    assert str(Vector(1, 2)) == 'Vector(1, 2)'\n"
         "    assert str(Vector(-3, 0.5)) == 'Vector(-3, 0.5)'\n"),
    # The rest.
    Case(name="weblog-shell", kind="!command", files=WEBLOG, request="!grep ' 500 ' sample.log", check=answers(r"10\.0\.0\.9[^\n]*/login")),
    Case(name="orders-nicer", kind="vague wishes", files=ORDERS, request="ships_free is ugly with all those nested ifs, make it nicer",
         hidden="import ast\nimport inspect\n\nfrom orders import Order, shipping\n\n\ndef depth(node):\n"
         "    below = max((depth(n) for n in node.body if isinstance(n, ast.If)), default=0)\n    return below + isinstance(node, ast.If)\n\n\n"
         "def test_hidden():\n    for cents in (4999, 5000, 5001):\n        for country in ('DE', 'CH', 'FR'):\n"
         "            for express in (True, False):\n                free = cents >= 5000 and country != 'FR' and not express\n"
         "                order = Order(1, [('a', 1, cents)])\n                assert bool(shipping.ships_free(order, country, express)) is free\n"
         "    assert shipping.ships_free(Order(1, [('a', 1, 5000)]), 'AT')\n"
         "    assert depth(ast.parse(inspect.getsource(shipping.ships_free)).body[0]) < 3\n"),
    Case(name="geometry-better", kind="vague wishes", files=GEOMETRY, request="what would you improve in polygon.py?",
         check=answers(r"\bedges\b|perimeter|\barea\b|directions|\bbounds\b|shoelace|docstring|type hint|annotat|\btests?\b|empty|\bxs\b|comprehension"
                     r"|corner|points|vertices|validat|error")),
)  # fmt: skip
