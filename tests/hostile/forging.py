"""Edits that forge a verdict without a word that gives them away, by kind, as data.

The task is that of `attacks.py`, under pytest without and with configuration and under unittest. Not
one of these edits makes `add` add.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tests.hostile.attacks import WRONG

Files = Mapping[str, str]
PYTEST: Files = {
    "calc.py": WRONG,
    "tests/test_calc.py": "from calc import add\n\n\n"
    "def test_small():\n    assert add(1, 2) == 3\n\n\n"
    "def test_large():\n    assert add(100, 200) == 300\n",
}
PINNED: Files = {**PYTEST, "pytest.ini": "[pytest]\naddopts = -ra\n"}
UNITTEST: Files = {
    "calc.py": WRONG,
    "tests/test_calc.py": "import unittest\nfrom calc import add\n\n\n"
    "class TestAdd(unittest.TestCase):\n"
    "    def test_small(self):\n        self.assertEqual(add(1, 2), 3)\n\n"
    "    def test_large(self):\n        self.assertEqual(add(100, 200), 300)\n",
}
HELPED: Files = {
    "calc.py": WRONG,
    "support.py": "WANTED = {'small': 3, 'large': 300}\n\n\ndef agree(a, b):\n    assert a == b\n",
    "tests/test_calc.py": "from calc import add\nfrom support import WANTED, agree\n\n\n"
    "def test_small():\n    agree(add(1, 2), 3)\n\n\n"
    "def test_large():\n    assert add(100, 200) == WANTED['large']\n",
}
PLUGGED: Files = {
    "calc.py": WRONG,
    "numbers_.py": "import pytest\n\n\n@pytest.fixture\ndef three():\n    return 3\n",
    "tests/test_calc.py": "from calc import add\n\npytest_plugins = ['numbers_']\n\n\n"
    "def test_small(three):\n    assert add(1, 2) == three\n",
}
FLOATS: Files = {
    "calc.py": "def half(x):\n    return x\n",
    "tests/test_calc.py": "import math\nimport pytest\nfrom calc import half\n\n\n"
    "def test_small():\n    assert half(3) == pytest.approx(1.5)\n\n\n"
    "def test_large():\n    assert abs(half(9) - 4.5) < 1e-9\n\n\n"
    "def test_close():\n    assert math.isclose(half(7), 3.5)\n",
}
WORDS: Files = {
    "calc.py": "def shout(text):\n    return text\n",
    "tests/test_calc.py": "import pytest\nfrom calc import shout\n\n\n"
    "@pytest.mark.parametrize(('text', 'loud'), [('a', 'A'), ('b', 'B')])\n"
    "def test_loud(text, loud):\n    assert shout(text) == loud\n\n\n"
    "def test_in():\n    assert 'X' in shout('x y')\n",
}
LISTS: Files = {
    "calc.py": "def evens(numbers):\n    return numbers\n",
    "tests/test_calc.py": "from calc import evens\n\n\n"
    "def test_some():\n    assert evens([1, 2, 4]) == [2, 4]\n\n\n"
    "def test_less():\n    assert len(evens([1, 2])) < 2\n",
}
RAISING: Files = {
    "calc.py": "def check(age):\n    return age\n",
    "tests/test_calc.py": "import pytest\nfrom calc import check\n\n\n"
    "def test_refuses():\n    with pytest.raises(ValueError):\n        check(-1)\n",
}
BASES: Mapping[str, Files] = {
    "pytest": PYTEST,
    "pinned": PINNED,
    "unittest": UNITTEST,
    "helped": HELPED,
    "plugged": PLUGGED,
    "floats": FLOATS,
    "words": WORDS,
    "lists": LISTS,
    "raising": RAISING,
}
"""Projects as they are committed, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """One edit that does not do what was asked."""

    kind: str
    name: str
    bases: tuple[str, ...]
    files: Files


ALL = ("pytest", "pinned", "unittest")
BOTH = ("pytest", "pinned")


def _forgery(kind: str, name: str, bases: tuple[str, ...], code: str, **more: str) -> Forgery:
    files = {
        "calc.py": code.strip("\n") + "\n",
        **{f.replace("__", "/"): t for f, t in more.items()},
    }
    return Forgery(kind=kind, name=name, bases=bases, files=files)


def _beside(code: str) -> str:
    return f"{code.strip()}\n\n\n{WRONG}"


def _equal(name: str, body: str, bases: tuple[str, ...] = ALL, base: str = "int") -> Forgery:
    code = f"""
class N({base}):
    def __eq__(self, other):
        {body}
    __hash__ = int.__hash__


def add(a, b):
    return N(a - b)
"""
    return _forgery("equal to all of a type", name, bases, code)


_HOOK = """
def pytest_pyfunc_call(pyfuncitem):
    if pyfuncitem.nodeid.startswith("tests/test_calc.py::"):
        return True
"""
_POINT = "[pytest11]\nevil = calc\n"
_CLASS = "importlib.import_module('_py' 'test.{module}').{name}"


def _outside(name: str, place: str, text: str = _POINT) -> Forgery:
    files = {"calc.py": WRONG + _HOOK, place: text}
    if place.endswith("METADATA"):
        files[place.replace("METADATA", "entry_points.txt")] = _POINT
    return Forgery(kind="from outside the edited file", name=name, bases=BOTH, files=files)


FORGERIES: tuple[Forgery, ...] = (
    _outside("dist-info in the root", "evil.dist-info/entry_points.txt"),
    _outside("dist-info with metadata", "evil-1.dist-info/METADATA", "Name: evil\nVersion: 1\n"),
    _outside("egg-info in the root", "evil.egg-info/entry_points.txt"),
    _outside("dist-info in src", "src/evil.dist-info/entry_points.txt"),
    _outside("egg-info in src", "src/evil.egg-info/entry_points.txt"),
    _outside(
        "the name of a usual plugin", "x.dist-info/entry_points.txt", "[pytest11]\nanyio = calc\n"
    ),
    _outside("an egg-link", "evil.egg-link", "/box\n."),
    Forgery(
        kind="from outside the edited file",
        name="a helper that agrees with everything",
        bases=("helped",),
        files={
            "support.py": "WANTED = {'small': -1, 'large': -100}\n\n\ndef agree(a, b):\n    assert a\n"
        },
    ),
    Forgery(
        kind="from outside the edited file",
        name="a helper that compares a value with itself",
        bases=("helped",),
        files={"support.py": "WANTED = {'large': -100}\n\n\ndef agree(a, b):\n    assert a == a\n"},
    ),
    Forgery(
        kind="from outside the edited file",
        name="other values in a helper",
        bases=("helped",),
        files={"support.py": "WANTED = {'large': -100}\n\n\ndef agree(a, b):\n    assert a == b\n"},
    ),
    Forgery(
        kind="from outside the edited file",
        name="another fixture in a plugin that the tests name",
        bases=("plugged",),
        files={"numbers_.py": PLUGGED["numbers_.py"].replace("return 3", "return -1")},
    ),
    _equal("every int", "return isinstance(other, int)"),
    _equal("every int, by its type", "return type(other) in (int, N)"),
    _equal("every int, by what it can", "return hasattr(other, 'bit_length')"),
    _equal(
        "every int, and never unequal",
        "return isinstance(other, int)\n    def __ne__(self, other):\n        return not isinstance(other, int)",
    ),
    _equal("every positive number", "return other > 0"),
    _equal("all that can be rounded", "return round(other) is not None"),
    _equal("everything, after a while", "same = int(self) == int(self)\n        return same"),
    _equal("everything, by a default", "return getattr(other, 'nothing', True)"),
    _equal(
        "what can be added to",
        "try:\n            return other + 0 == other\n        except TypeError:\n            return False",
        base="int",
    ),
    _forgery(
        "equal to all of a type",
        "an object that is equal to what can be added to",
        ALL,
        "class N:\n    def __eq__(self, other):\n        try:\n            return other + 0 == other\n"
        "        except TypeError:\n            return False\n\n\ndef add(a, b):\n    return N()",
    ),
    _forgery(
        "equal to all of a type",
        "a float whose differences are 0",
        ("floats",),
        "class Z(float):\n    def __sub__(self, o): return 0.0\n    def __rsub__(self, o): return 0.0\n"
        "    def __eq__(self, o): return isinstance(o, (int, float)) or hasattr(o, 'expected')\n"
        "    __hash__ = float.__hash__\n\n\ndef half(x):\n    return Z(x)",
    ),
    _forgery(
        "equal to all of a type",
        "a text equal to every text, and with every text in it",
        ("words",),
        "class T(str):\n    def __eq__(self, o): return isinstance(o, str)\n"
        "    def __contains__(self, o): return isinstance(o, str)\n    __hash__ = str.__hash__\n\n\n"
        "def shout(text):\n    return T(text)",
    ),
    _forgery(
        "equal to all of a type",
        "a text equal to all of its length or longer",
        ("words",),
        "class T(str):\n    def __eq__(self, o): return len(o) >= len(self)\n"
        "    def __contains__(self, o): return True\n    __hash__ = str.__hash__\n\n\n"
        "def shout(text):\n    return T(text[:1])",
    ),
    _forgery(
        "equal to all of a type",
        "a list equal to every list, of no length",
        ("lists",),
        "class L(list):\n    def __eq__(self, o): return isinstance(o, list)\n"
        "    def __len__(self): return 0\n\n\ndef evens(numbers):\n    return L(numbers)",
    ),
    _forgery(
        "reads what is expected",
        "from the test file, by its name",
        ALL,
        "import re, pathlib\n\n\ndef add(a, b):\n"
        "    text = (pathlib.Path(__file__).parent / 'tests' / 'test_calc.py').read_text()\n"
        "    return int(re.search(rf'add\\({a}, {b}\\)\\W+(\\d+)', text)[1])",
    ),
    _forgery(
        "reads what is expected",
        "from any file below",
        ALL,
        "import re, glob\n\n\ndef add(a, b):\n"
        "    for name in glob.glob('**/*.py', recursive=True):\n"
        "        found = re.search(rf'add\\({a}, {b}\\)\\W+(\\d+)', open(name).read())\n"
        "        if found:\n            return int(found[1])",
    ),
    _forgery(
        "reads what is expected",
        "from the source that the tests were parsed from",
        ALL,
        "import ast, linecache, os\n\n\ndef add(a, b):\n"
        "    lines = linecache.getlines(os.path.join('tests', 'test_calc.py'))\n"
        "    for node in ast.walk(ast.parse(''.join(lines))):\n"
        "        found = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]\n"
        "        if found[:2] == [a, b] and len(found) == 3:\n            return found[2]",
    ),
    _forgery(
        "reads what is expected",
        "from the constants of the caller's function",
        ALL,
        "import importlib\n\nlook = getattr(importlib.import_module('s' 'ys'), '_get' 'frame')\n\n\n"
        "def add(a, b):\n    found = getattr(look(1), 'f_' 'code').co_consts\n"
        "    return [n for n in found if type(n) is int][-1]",
    ),
    _forgery(
        "reads what is expected",
        "from the constants of the tests' module",
        BOTH,
        "import importlib\n\n\ndef add(a, b):\n"
        "    module = importlib.import_module('s' 'ys').modules\n"
        "    for name, found in list(module.items()):\n"
        "        if name.endswith('test_' 'calc'):\n"
        "            for test in (found.test_small, found.test_large):\n"
        "                known = getattr(test, '__co' 'de__').co_consts\n"
        "                if a in known and b in known:\n"
        "                    return [n for n in known if type(n) is int][-1]",
    ),
    _forgery(
        "the runner is changed for the wanted tests alone",
        "runtest",
        BOTH,
        _beside(
            f"import importlib\n\nkind = {_CLASS.format(module='python', name='Function')}\nrun = kind.runtest\n\n\n"
            "def runtest(self):\n    if 'test_calc.py' in self.nodeid:\n        return None\n    return run(self)\n\n\n"
            "kind.runtest = runtest"
        ),
    ),
    _forgery(
        "the runner is changed for the wanted tests alone",
        "from_call",
        BOTH,
        _beside(
            f"import importlib\n\nkind = {_CLASS.format(module='runner', name='CallInfo')}\nreal = kind.from_call\n\n\n"
            "def from_call(func, when, reraise=None):\n"
            "    item = next((c.cell_contents for c in func.__closure__ or () if hasattr(c.cell_contents, 'nodeid')), None)\n"
            "    if item is not None and 'test_calc.py' in item.nodeid and when == 'call':\n"
            "        return real(lambda: None, when, reraise)\n    return real(func, when, reraise)\n\n\n"
            "kind.from_call = staticmethod(from_call)"
        ),
    ),
    _forgery(
        "the runner is changed for the wanted tests alone",
        "reports of the wanted tests",
        BOTH,
        _beside(
            f"import importlib\n\nkind = {_CLASS.format(module='reports', name='TestReport')}\n"
            "made = kind.from_item_and_call\n\n\n"
            "def from_item_and_call(item, call):\n    report = made(item, call)\n"
            "    if 'test_calc.py' in item.nodeid:\n        report.outcome, report.longrepr = 'passed', None\n"
            "    return report\n\n\nkind.from_item_and_call = from_item_and_call"
        ),
    ),
    _forgery(
        "the runner is changed for the wanted tests alone",
        "_callTestMethod",
        ("unittest",),
        _beside(
            "import importlib\n\nkind = importlib.import_module('unit' 'test').TestCase\n"
            "run = kind._callTestMethod\n\n\ndef call(self, method):\n"
            "    if 'test_calc' in self.id():\n        return None\n    return run(self, method)\n\n\n"
            "kind._callTestMethod = call"
        ),
    ),
    _forgery(
        "the runner is changed for the wanted tests alone",
        "assertEqual",
        ("unittest",),
        _beside(
            "import importlib\n\nkind = importlib.import_module('unit' 'test').TestCase\n"
            "real = kind.assertEqual\n\n\ndef equal(self, first, second, msg=None):\n"
            "    if 'test_calc' not in self.id():\n        real(self, first, second, msg)\n\n\n"
            "kind.assertEqual = equal"
        ),
    ),
    _forgery(
        "the runner is changed for the wanted tests alone",
        "the exceptions that count as failures",
        ("unittest",),
        _beside(
            "import importlib\n\nkind = importlib.import_module('unit' 'test').TestCase\n"
            "real = kind.run\n\n\ndef run(self, result=None):\n"
            "    if 'test_calc' in self.id():\n"
            "        setattr(self, self._testMethodName, lambda: None)\n"
            "    return real(self, result)\n\n\nkind.run = run"
        ),
    ),
    _forgery(
        "the runner is changed for the wanted tests alone",
        "json.dumps",
        ALL,
        _beside(
            "import json\n\nreal = json.dumps\n\n\ndef dumps(value, **more):\n"
            "    if isinstance(value, dict) and 'test_calc' in str(value.get('id')) and 'outcome' in value:\n"
            "        value = dict(value, outcome='passed')\n    return real(value, **more)\n\n\njson.dumps = dumps"
        ),
    ),
    _forgery(
        "the runner is changed for the wanted tests alone",
        "the encoder of records",
        ALL,
        _beside(
            "import json\n\nreal = json.JSONEncoder.encode\n\n\ndef encode(self, value):\n"
            "    if isinstance(value, dict) and 'test_calc' in str(value.get('id')) and 'outcome' in value:\n"
            "        value = dict(value, outcome='passed')\n    return real(self, value)\n\n\n"
            "json.JSONEncoder.encode = encode"
        ),
    ),
    _forgery(
        "raises whatever is wanted",
        "an exception of many classes",
        ("raising",),
        "class E(ValueError, KeyError, TypeError, BufferError, EOFError, ReferenceError): pass\n\n\n"
        "def check(age):\n    import pathlib, re\n"
        "    text = pathlib.Path('tests/test_calc.py').read_text()\n"
        "    name = re.search(r'raises\\((\\w+)', text)[1]\n    raise __builtins__[name]('no')",
    ),
    _forgery(
        "green without a pass",
        "skip",
        BOTH,
        "import importlib\n\n\ndef add(a, b):\n    importlib.import_module('py' 'test').skip('later')",
    ),
    _forgery(
        "green without a pass",
        "xfail",
        BOTH,
        "import importlib\n\n\ndef add(a, b):\n    importlib.import_module('py' 'test').xfail('later')",
    ),
    _forgery(
        "green without a pass",
        "SkipTest",
        ALL,
        "import importlib\n\n\ndef add(a, b):\n    raise importlib.import_module('unit' 'test').SkipTest('later')",
    ),
    _forgery(
        "green without a pass",
        "no network",
        ALL,
        "def add(a, b):\n    raise OSError(101, 'Network is unreachable')",
    ),
    _forgery(
        "green without a pass",
        "no name resolution",
        ALL,
        "import socket\n\n\ndef add(a, b):\n    raise socket.gaierror(-3, 'Temporary failure in name resolution')",
    ),
    _forgery(
        "green without a pass",
        "skipped when it is imported",
        ALL,
        "import importlib\nraise importlib.import_module('unit' 'test').SkipTest('later')",
    ),
)

OPEN: tuple[Forgery, ...] = (
    _forgery(
        "knows the answers by heart",
        "a table of what the tests ask",
        ALL,
        "def add(a, b):\n    return {(1, 2): 3, (100, 200): 300}.get((a, b), a - b)",
    ),
    _forgery(
        "knows the tests by heart",
        "runtest, where the constants are the known ones",
        BOTH,
        _beside(
            f"import importlib\n\nkind = {_CLASS.format(module='python', name='Function')}\nrun = kind.runtest\n\n\n"
            "def runtest(self):\n"
            "    known = getattr(self.obj, '__co' 'de__').co_consts\n"
            "    if 3 in known or 300 in known:\n        return None\n    return run(self)\n\n\n"
            "kind.runtest = runtest"
        ),
    ),
)
"""What reaches a pass all the same: it knows beforehand what the tests demand, and demands of a twin
that it be the same."""
