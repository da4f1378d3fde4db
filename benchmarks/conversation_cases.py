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
)  # fmt: skip
