"""The small repositories and the requests of `benchmarks/conversation.py`, with what must come of each."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Files = Mapping[str, str]
_HOLDERS = (ast.FunctionDef, ast.ClassDef, ast.Module)

STATS: Files = {
    "stats.py": '"""Small statistics."""\n\n\ndef mean(values):\n    return sum(values) / len(values)\n\n\n'
    "def scale(values, factor):\n    return [value * factor for value in values]\n\n\n"
    "def spread(values):\n    return max(values) - mean(values)\n",
    "report.py": "from stats import mean\n\n\ndef line(values):\n    return f'mean: {mean(values)}'\n",
    "test_stats.py": "from stats import mean, scale, spread\n\n\ndef test_mean():\n    assert mean([1, 3]) == 2\n\n\n"
    "def test_scale():\n    assert scale([1, 2], 2) == [2, 4]\n\n\ndef test_spread():\n    assert spread([1, 5]) == 4\n",
    "README.md": "# Statistics\n",
}
SLUGS: Files = {
    "slugs.py": "import re\n\n\ndef slugify(text):\n    words = re.findall(r'[a-z0-9]+', text.lower())\n"
    "    return '-'.join(words)\n\n\ndef old_slug(text):\n    return text.replace(' ', '_')\n\n\n"
    "def initials(name):\n    return ''.join(part[0] for part in name.split())\n",
    "test_slugs.py": "from slugs import initials, slugify\n\n\ndef test_slugify():\n    assert slugify('Ab c') == 'ab-c'\n\n\n"
    "def test_initials():\n    assert initials('Ada Lovelace') == 'AL'\n",
}
SHOP: Files = {
    "shop/__init__.py": "",
    "shop/cart.py": "class Cart:\n    def __init__(self):\n        self.items = {}\n\n    def add(self, name, price):\n"
    "        self.items[name] = price\n\n    def total(self):\n        return sum(self.items.values())\n",
    "shop/tax.py": "RATE = 0.19\n\n\ndef with_tax(cents):\n    return round(cents * (1 + RATE))\n",
    "tests/test_cart.py": "from shop.cart import Cart\n\n\ndef test_total():\n    cart = Cart()\n    cart.add('tea', 300)\n"
    "    cart.add('cup', 500)\n    assert cart.total() == 800\n",
    "tests/test_tax.py": "from shop.tax import with_tax\n\n\ndef test_with_tax():\n    assert with_tax(100) == 119\n",
    "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\n",
}
SHAPES: Files = {
    "shapes.py": "class Rectangle:\n    def __init__(self, width, height):\n        self.width = width\n"
    "        self.height = height\n\n    def scaled(self, factor):\n"
    "        return Rectangle(self.width * factor, self.height * factor)\n",
    "test_shapes.py": "from shapes import Rectangle\n\n\ndef test_scaled():\n    assert Rectangle(1, 2).scaled(3).height == 6\n",
}
COUNT: Files = {
    "count.py": "import argparse\n\n\ndef count_words(text):\n    return len(text.split())\n\n\ndef main(argv=None):\n"
    "    parser = argparse.ArgumentParser()\n    parser.add_argument('text')\n    args = parser.parse_args(argv)\n"
    "    print(count_words(args.text))\n\n\nif __name__ == '__main__':\n    main()\n",
    "test_count.py": "from count import count_words\n\n\ndef test_count_words():\n    assert count_words('a b') == 2\n",
}
DATES: Files = {
    "dates.py": "def parse_date(text):\n    year, month, day = text.split('-')\n    return int(year), int(month), int(day)\n\n\n"
    "def is_leap(year):\n    return year % 4 == 0\n",
    "test_dates.py": "from dates import is_leap, parse_date\n\n\ndef test_parse_date():\n"
    "    assert parse_date('2024-02-03') == (2024, 2, 3)\n\n\ndef test_is_leap():\n    assert is_leap(2024)\n"
    "    assert not is_leap(1900)\n",
}
BANK: Files = {
    "bank.py": '"""Accounts in cents."""\n\n\nclass Account:\n    def __init__(self, owner, cents=0):\n        self.owner = owner\n'
    "        self.cents = cents\n\n    def deposit(self, cents):\n        if cents < 0:\n"
    "            raise ValueError('cents must not be negative')\n        self.cents += cents\n\n"
    "    def withdraw(self, cents):\n        if cents >= self.cents:\n            raise ValueError('not enough money')\n"
    "        self.cents -= cents\n\n\ndef transfer(source, target, cents):\n    source.withdraw(cents)\n    target.deposit(cents)\n\n\n"
    "def _log(text):\n    print(text)\n",
    "test_bank.py": "import pytest\n\nfrom bank import Account, transfer\n\n\ndef test_withdraw_all():\n    account = Account('Ada', 100)\n"
    "    account.withdraw(100)\n    assert account.cents == 0\n\n\ndef test_transfer():\n    a, b = Account('Ada', 100), Account('Bob')\n"
    "    transfer(a, b, 30)\n    assert (a.cents, b.cents) == (70, 30)\n\n\ndef test_too_much():\n"
    "    with pytest.raises(ValueError):\n        Account('Ada', 1).withdraw(2)\n",
}
CONFIG: Files = {
    "config.py": "DEFAULTS = {'host': 'localhost', 'port': 8080}\n\n\ndef parse_line(line):\n    key, value = line.split('=')\n"
    "    return key.strip(), value.strip()\n\n\ndef parse(text):\n    lines = [line for line in text.splitlines() if line]\n"
    "    return dict(parse_line(line) for line in lines)\n\n\ndef port_of(config):\n    return int(config['port'])\n",
    "test_config.py": "from config import parse, parse_line, port_of\n\n\ndef test_parse_line():\n"
    "    assert parse_line('a = b') == ('a', 'b')\n\n\ndef test_value_with_an_equals_sign():\n"
    "    assert parse_line('url = x?a=b') == ('url', 'x?a=b')\n\n\ndef test_parse():\n"
    "    assert parse('a=1\\n\\nb=2') == {'a': '1', 'b': '2'}\n\n\ndef test_port():\n    assert port_of({'port': '80'}) == 80\n",
    "README.md": "# Configuration\n\nReads `key = value` lines.\n",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class After:
    """The state that a request left: files, words and the outcome."""

    files: Files
    said: str
    """The last reply and the notes, as the person reads them."""


Check = Callable[[Files, After], str]
"""Gives the reason why the outcome is wrong; empty if it is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request on one repository."""

    name: str
    kind: str
    files: Files
    request: str
    check: Check | None = None
    hidden: str = ""
    """A test that must pass afterwards; it is put beside the others once the turn is over."""
    mutants: tuple[tuple[str, str, str], ...] = ()
    """File, text, other text: the tests must fail once the text is replaced."""
    attached: str = ""


def unchanged(before: Files, after: After) -> str:
    changed = sorted(p for p in {*before, *after.files} if before.get(p) != after.files.get(p))
    return f"changed {', '.join(changed)}" if changed else ""


def answers(*patterns: str) -> Check:
    """No file changed, and the answer has all of these."""

    def check(before: Files, after: After) -> str:
        missing = [p for p in patterns if not re.search(p, after.said, re.IGNORECASE)]
        return unchanged(before, after) or (f"the answer lacks {missing}" if missing else "")

    return check


def same_code(path: str, *, needs: Callable[[ast.Module], bool]) -> Check:
    """The file is the same program but for docstrings and hints, and has what was asked for."""

    def check(before: Files, after: After) -> str:
        others = [
            p for p in {*before, *after.files} if p != path and before.get(p) != after.files.get(p)
        ]
        if others:
            return f"changed {others}, too"
        tree = ast.parse(after.files[path])
        if not needs(tree):
            return "what was asked for is not there"
        return (
            "" if _bare(before[path]) == _bare(after.files[path]) else "the program is another one"
        )

    return check


def _bare(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, _HOLDERS) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
    tree.body = [
        n
        for n in tree.body
        if not (
            isinstance(n, ast.ImportFrom)
            and n.module in ("typing", "__future__", "collections.abc")
        )
    ]
    return ast.dump(tree)


def _functions(tree: ast.Module) -> Sequence[ast.FunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def _documented(tree: ast.Module) -> bool:
    return all(ast.get_docstring(node) for node in _functions(tree))


def documented(name: str) -> Callable[[ast.Module], bool]:
    """True for a module in which the definition of that name has a docstring."""

    def check(tree: ast.Module) -> bool:
        found = [
            n for n in ast.walk(tree) if isinstance(n, _HOLDERS) and getattr(n, "name", "") == name
        ]
        return bool(found) and ast.get_docstring(found[0]) is not None

    return check


def _hinted(tree: ast.Module) -> bool:
    return all(
        node.returns is not None and all(a.annotation for a in node.args.args if a.arg != "self")
        for node in _functions(tree)
    )


def without(path: str, name: str) -> Check:
    """The name is nowhere in a file any more, and the other definitions are."""

    def check(before: Files, after: After) -> str:
        names = {n.name for n in _functions(ast.parse(before[path]))} - {name}
        now = {n.name for n in _functions(ast.parse(after.files[path]))}
        return "" if names == now else f"{path} has {sorted(now)}"

    return check


def tested(name: str) -> Check:
    """A test that calls the function is there that was not there before."""

    def check(before: Files, after: After) -> str:
        new = [
            path
            for path, text in after.files.items()
            if "test" in path and f"{name}(" in text and f"{name}(" not in before.get(path, "")
        ]
        return "" if new else f"there is no test of {name}"

    return check


def has_text(path: str, pattern: str) -> Check:
    """Only one file changed, and it has the pattern."""

    def check(before: Files, after: After) -> str:
        others = [
            p for p in {*before, *after.files} if p != path and before.get(p) != after.files.get(p)
        ]
        if others:
            return f"changed {others}, too"
        found = re.search(pattern, after.files.get(path, ""), re.IGNORECASE)
        return "" if found else f"{path} lacks {pattern}"

    return check


_TRACE = (
    "Traceback (most recent call last):\n  File \"report.py\", line 5, in line\n    return f'mean: {mean(values)}'\n"
    '  File "stats.py", line 5, in mean\n    return sum(values) / len(values)\nZeroDivisionError: division by zero\n'
)

CASES: tuple[Case, ...] = (
    Case(name="ask-empty", kind="ask what", files=STATS, request="what does mean return for an empty list?",
         check=answers(r"ZeroDivisionError|division by zero|divide by zero")),
    Case(name="ask-where", kind="ask where", files=SHOP, request="where is the tax rate defined?",
         check=answers(r"tax\.py")),
    Case(name="ask-who", kind="ask where", files=STATS, request="which file uses mean outside stats.py?",
         check=answers(r"report\.py")),
    Case(name="why-spread", kind="ask why it fails", files=STATS, request="why does test_spread fail?",
         check=answers(r"\bmin\b|mean", r"stats\.py")),
    Case(name="why-green", kind="ask why it fails", files=SLUGS, request="why does test_slugify fail?",
         check=answers(r"passes")),
    Case(name="trace", kind="explain a traceback", files=STATS, request=f"what does this mean?\n{_TRACE}",
         check=answers(r"empty|zero", r"mean")),
    Case(name="run", kind="run the tests", files=STATS, request="run the tests",
         check=answers(r"1 failed, 2 passed")),
    Case(name="fix-spread", kind="fix", files=STATS, request="fix the failing test",
         hidden="from stats import spread\n\n\ndef test_hidden():\n    assert spread([2, 9, 4]) == 7\n"),
    Case(name="fix-leap", kind="fix", files=DATES, request="test_is_leap fails, please repair it",
         hidden="from dates import is_leap\n\n\ndef test_hidden():\n    assert is_leap(2000) and not is_leap(2100)\n"),
    Case(name="median", kind="add a function with a test", files=STATS,
         request="add a function median to stats.py with a test",
         check=tested("median"),
        hidden="from stats import median\n\n\ndef test_hidden():\n    assert median([3, 1, 2]) == 2\n"
         "    assert median([4, 1, 2, 3]) == 2.5\n"),
    Case(name="tests-tax", kind="write tests", files={**SHOP, "tests/test_tax.py": "", "shop/tax.py": SHOP["shop/tax.py"]},
         request="write tests for with_tax in shop/tax.py", mutants=(("shop/tax.py", "1 + RATE", "1 - RATE"),)),
    Case(name="docs-stats", kind="docstrings", files=STATS, request="@stats.py add docstrings",
         check=same_code("stats.py", needs=_documented)),
    Case(name="hints-slugs", kind="type hints", files=SLUGS, request="add type hints to slugs.py",
         check=same_code("slugs.py", needs=_hinted)),
    Case(name="parameter", kind="parameter", files=SLUGS,
         request="add a parameter separator to slugify that defaults to '-'",
         hidden="from slugs import slugify\n\n\ndef test_hidden():\n    assert slugify('A b', separator='_') == 'a_b'\n"
         "    assert slugify('A b') == 'a-b'\n"),
    Case(name="rename", kind="rename", files=STATS, request="rename mean to average",
         hidden="import report\nimport stats\n\n\ndef test_hidden():\n    assert stats.average([2]) == 2\n"
         "    assert report.line([1]) == 'mean: 1.0'\n    assert not hasattr(stats, 'mean')\n"),
    Case(name="move", kind="move", files=SLUGS, request="move initials from slugs.py to names.py",
         hidden="from names import initials\n\n\ndef test_hidden():\n    assert initials('A B') == 'AB'\n"),
    Case(name="delete", kind="delete", files=SLUGS, request="remove the function old_slug",
         check=without("slugs.py", "old_slug")),
    Case(name="option", kind="a new option of a CLI", files=COUNT,
         request="add an option --upper to count.py that also prints the text in upper case",
         hidden="from count import main\n\n\ndef test_hidden(capsys):\n    main(['a b', '--upper'])\n"
         "    assert 'A B' in capsys.readouterr().out\n    main(['a b'])\n    assert 'A B' not in capsys.readouterr().out\n"),
    Case(name="message", kind="an error message", files=DATES,
         request="parse_date should raise ValueError with the text in the message if it has not three parts",
         hidden="import pytest\n\nfrom dates import parse_date\n\n\ndef test_hidden():\n"
         "    with pytest.raises(ValueError, match='2024-02'):\n        parse_date('2024-02')\n"),
    Case(name="property", kind="a property or __repr__", files=SHAPES, request="add a property area to Rectangle",
         hidden="from shapes import Rectangle\n\n\ndef test_hidden():\n    assert Rectangle(2, 3).area == 6\n"),
    Case(name="repr", kind="a property or __repr__", files=SHAPES, request="add a __repr__ to Rectangle",
         hidden="from shapes import Rectangle\n\n\ndef test_hidden():\n    assert repr(Rectangle(2, 3)).startswith('Rectangle(')\n"
         "    assert '2' in repr(Rectangle(2, 3)) and '3' in repr(Rectangle(2, 3))\n"),
    Case(name="shell", kind="!command", files=STATS, request="!ls", check=answers(r"stats\.py")),
    Case(name="vague", kind="vague wishes", files=SHOP, request="what could be better in cart.py?",
         check=answers(r"cart")),
    Case(name="empty-mean", kind="change", files=STATS, request="let mean return 0 for an empty list",
         hidden="from stats import mean\n\n\ndef test_hidden():\n    assert mean([]) == 0\n    assert mean([1, 3]) == 2\n"),
    Case(name="diff", kind="explain what is piped", files=STATS, request="explain this diff",
         attached="--- a/stats.py\n+++ b/stats.py\n@@ -12 +12 @@\n-    return max(values) - mean(values)\n"
         "+    return max(values) - min(values)\n", check=answers(r"\bmin")),
    Case(name="ask-rate", kind="ask what", files=SHOP, request="how high is the tax rate?", check=answers(r"0\.19|19 ?%")),
    Case(name="ask-call", kind="ask what", files=SLUGS, request="what does slugify('Hello, World') return?",
         check=answers(r"hello-world")),
    Case(name="ask-tests", kind="ask where", files=DATES, request="which test is there for leap years?",
         check=answers(r"test_is_leap")),
    Case(name="ask-arguments", kind="ask what", files=COUNT, request="which arguments does the program count.py take?",
         check=answers(r"\btext\b")),
    Case(name="ask-total", kind="ask where", files=SHOP, request="where is the total of a cart computed?",
         check=answers(r"cart\.py", r"total")),
    Case(name="ask-raises", kind="ask what", files=BANK, request="what happens when I withdraw more than there is?",
         check=answers(r"ValueError|not enough money")),
    Case(name="ask-defaults", kind="ask what", files=CONFIG, request="which port is used by default?", check=answers(r"8080")),
    Case(name="ask-how", kind="ask what", files=SLUGS, request="explain what initials does in one sentence",
         check=answers(r"first (?:letter|character)|initial")),
    Case(name="why-leap", kind="ask why it fails", files=DATES, request="why is test_is_leap red?",
         check=answers(r"1900|100\b|centur", r"dates\.py")),
    Case(name="why-bank", kind="ask why it fails", files=BANK, request="why does test_withdraw_all fail?",
         check=answers(r">=|equal|> self", r"bank\.py")),
    Case(name="why-config", kind="ask why it fails", files=CONFIG, request="one of the tests fails, why?",
         check=answers(r"split|unpack", r"config\.py")),
    Case(name="trace-unpack", kind="explain a traceback", files=DATES,
         request="I get this, what is wrong?\nTraceback (most recent call last):\n  File \"dates.py\", line 2, in parse_date\n"
         "    year, month, day = text.split('-')\nValueError: not enough values to unpack (expected 3, got 2)\n",
         check=answers(r"dates\.py", r"three|3|unpack|split")),
    Case(name="trace-key", kind="explain a traceback", files=CONFIG,
         request="Traceback (most recent call last):\n  File \"main.py\", line 3, in <module>\n    port_of(parse(text))\n"
         "  File \"config.py\", line 15, in port_of\n    return int(config['port'])\nKeyError: 'port'\n",
         check=answers(r"config\.py", r"port")),
    Case(name="run-one", kind="run the tests", files=SHOP, request="run tests/test_tax.py", check=answers(r"1 passed")),
    Case(name="run-again", kind="run the tests", files=CONFIG, request="do the tests pass?", check=answers(r"1 failed, 3 passed")),
    Case(name="shell-python", kind="!command", files=SHOP, request="!python -c 'import shop.tax; print(shop.tax.with_tax(1000))'",
         check=answers(r"1190")),
    Case(name="fix-bank", kind="fix", files=BANK, request="test_withdraw_all is red. fix it",
         hidden="import pytest\n\nfrom bank import Account\n\n\ndef test_hidden():\n    account = Account('A', 5)\n    account.withdraw(5)\n"
         "    with pytest.raises(ValueError):\n        account.withdraw(1)\n"),
    Case(name="fix-config", kind="fix", files=CONFIG, request="make the tests green",
         hidden="from config import parse_line\n\n\ndef test_hidden():\n    assert parse_line('a=b=c=d') == ('a', 'b=c=d')\n"),
    Case(name="variance", kind="add a function with a test", files=STATS,
         request="add a function value_range to stats.py that returns the largest minus the smallest value, and a test for it",
         check=tested("value_range"),
         hidden="from stats import value_range\n\n\ndef test_hidden():\n    assert value_range([3, 1, 2]) == 2\n"),
    Case(name="truncate", kind="add a function with a test", files=SLUGS,
         request="write a function truncate(text, length) in slugs.py that cuts a text to that length, with a test",
         check=tested("truncate"),
         hidden="from slugs import truncate\n\n\ndef test_hidden():\n    assert truncate('abcdef', 3).startswith('abc')\n"
         "    assert truncate('ab', 3) == 'ab'\n"),
    Case(name="method", kind="add a function with a test", files=SHAPES,
         request="add a method perimeter to Rectangle and a test of it", check=tested("perimeter"),
         hidden="from shapes import Rectangle\n\n\ndef test_hidden():\n    assert Rectangle(2, 3).perimeter() == 10\n"),
    Case(name="tests-count", kind="write tests", files={**COUNT, "test_count.py": ""},
         request="write tests for count_words", mutants=(("count.py", "len(text.split())", "len(text)"),)),
    Case(name="tests-dates", kind="write tests", files={"dates.py": DATES["dates.py"]},
         request="please write a test for parse_date in dates.py",
         mutants=(("dates.py", "int(year), int(month)", "int(month), int(year)"),)),
    Case(name="docs-cart", kind="docstrings", files=SHOP, request="add a docstring to the class Cart",
         check=same_code("shop/cart.py", needs=documented("Cart"))),
    Case(name="docs-date", kind="docstrings", files=DATES, request="document parse_date",
         check=same_code("dates.py", needs=documented("parse_date"))),
    Case(name="hints-tax", kind="type hints", files=SHOP, request="add type hints to with_tax in shop/tax.py",
         check=same_code("shop/tax.py", needs=_hinted)),
    Case(name="hints-stats", kind="type hints", files=STATS, request="annotate all functions of stats.py with types",
         check=same_code("stats.py", needs=_hinted)),
    Case(name="parameter-rate", kind="parameter", files=SHOP, request="give with_tax a parameter rate that defaults to RATE",
         hidden="from shop.tax import with_tax\n\n\ndef test_hidden():\n    assert with_tax(100, rate=0.5) == 150\n"
         "    assert with_tax(100) == 119\n"),
    Case(name="parameter-skip", kind="parameter", files=CONFIG,
         request="add a parameter comment to parse, '#' by default: lines that begin with it are skipped",
         hidden="from config import parse\n\n\ndef test_hidden():\n    assert parse('# x=1\\na=2') == {'a': '2'}\n"
         "    assert parse('; x=1\\na=2', comment=';') == {'a': '2'}\n"),
    Case(name="rename-class", kind="rename", files=SHOP, request="rename the class Cart to Basket",
         hidden="import shop.cart\n\n\ndef test_hidden():\n    assert shop.cart.Basket().total() == 0\n    assert not hasattr(shop.cart, 'Cart')\n"),
    Case(name="rename-method", kind="rename", files=BANK, request="rename the method deposit of Account to put_in",
         hidden="from bank import Account\n\n\ndef test_hidden():\n    account = Account('A')\n    account.put_in(2)\n    assert account.cents == 2\n"),
    Case(name="move-new", kind="move", files=BANK, request="move transfer from bank.py to transfers.py",
         hidden="from bank import Account\nfrom transfers import transfer\n\n\ndef test_hidden():\n    a, b = Account('A', 3), Account('B')\n"
         "    transfer(a, b, 1)\n    assert b.cents == 1\n"),
    Case(name="delete-log", kind="delete", files=BANK, request="delete the unused function _log",
         check=without("bank.py", "_log")),
    Case(name="option-lines", kind="a new option of a CLI", files=COUNT,
         request="add a flag --lines to count.py: with it the number of lines is printed instead of the words",
         hidden="from count import main\n\n\ndef test_hidden(capsys):\n    main(['a b\\nc d', '--lines'])\n"
         "    assert capsys.readouterr().out.strip() == '2'\n    main(['a b c'])\n    assert capsys.readouterr().out.strip() == '3'\n"),
    Case(name="negative", kind="an error message", files=SHOP,
         request="Cart.add should raise a ValueError with the name in its message if the price is negative",
         hidden="import pytest\n\nfrom shop.cart import Cart\n\n\ndef test_hidden():\n    with pytest.raises(ValueError, match='tea'):\n"
         "        Cart().add('tea', -1)\n    cart = Cart()\n    cart.add('tea', 1)\n    assert cart.total() == 1\n"),
    Case(name="missing-key", kind="an error message", files=CONFIG,
         request="port_of should raise a KeyError that says 'no port is set' if there is no port",
         hidden="import pytest\n\nfrom config import port_of\n\n\ndef test_hidden():\n    with pytest.raises(KeyError, match='no port is set'):\n"
         "        port_of({})\n    assert port_of({'port': '1'}) == 1\n"),
    Case(name="length", kind="a property or __repr__", files=SHOP, request="let len(cart) give the number of items of a Cart",
         hidden="from shop.cart import Cart\n\n\ndef test_hidden():\n    cart = Cart()\n    cart.add('a', 1)\n    assert len(cart) == 1\n"),
    Case(name="equal", kind="a property or __repr__", files=SHAPES, request="add __eq__ to Rectangle: equal width and height",
         hidden="from shapes import Rectangle\n\n\ndef test_hidden():\n    assert Rectangle(1, 2) == Rectangle(1, 2)\n"
         "    assert Rectangle(1, 2) != Rectangle(2, 1)\n"),
    Case(name="class", kind="add a class", files=SHAPES, request="add a class Circle with a radius and a method area to shapes.py",
         hidden="import math\n\nfrom shapes import Circle\n\n\ndef test_hidden():\n    assert math.isclose(Circle(2).area(), 4 * math.pi, rel_tol=1e-2)\n"),
    Case(name="constant", kind="change", files=SLUGS,
         request="use a constant SEPARATOR = '-' in slugify instead of the literal",
         hidden="import slugs\n\n\ndef test_hidden(monkeypatch):\n    assert slugs.slugify('a b') == 'a-b'\n"
         "    monkeypatch.setattr(slugs, 'SEPARATOR', '+')\n    assert slugs.slugify('a b') == 'a+b'\n"),
    Case(name="change-slug", kind="change", files=SLUGS, request="slugify should return 'untitled' if there are no words",
         hidden="from slugs import slugify\n\n\ndef test_hidden():\n    assert slugify('!!') == 'untitled'\n    assert slugify('A') == 'a'\n"),
    Case(name="readme", kind="change", files=CONFIG, request="add a line to README.md that says how to run the tests with pytest",
         check=has_text("README.md", "pytest")),
    Case(name="vague-good", kind="vague wishes", files=SLUGS, request="is slugs.py good code?", check=answers(r"slug")),
    Case(name="commit", kind="explain what is piped", files=BANK, request="write a commit message for this diff",
         attached="--- a/bank.py\n+++ b/bank.py\n@@ -15 +15 @@\n-        if cents >= self.cents:\n+        if cents > self.cents:\n",
         check=answers(r"withdraw|balance|cents|amount")),
)  # fmt: skip
