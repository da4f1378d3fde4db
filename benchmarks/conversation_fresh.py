"""A second list of requests for `benchmarks/conversation.py --list fresh`: written after the product, run once before it was mended.

Its repositories are laid out otherwise than those of the first list: a `src/` folder, unittest, data classes,
subcommands.
"""

from __future__ import annotations

from benchmarks.conversation_cases import (
    Case,
    Files,
    answers,
    documented,
    has_text,
    same_code,
    tested,
    without,
)

TODO: Files = {
    "pyproject.toml": "[project]\nname = 'todo'\nversion = '0.1'\n\n[tool.pytest.ini_options]\npythonpath = ['src']\n",
    "README.md": "# todo\n\nA list of things to do, kept in a JSON file.\n",
    "src/todo/__init__.py": '"""A list of things to do."""\n',
    "src/todo/items.py": "from dataclasses import dataclass\n\n\n@dataclass\nclass Item:\n    title: str\n    done: bool = False\n"
    "    priority: int = 3\n\n\ndef open_items(items):\n    return [item for item in items if not item.done]\n\n\n"
    "def by_priority(items):\n    return sorted(items, key=lambda item: item.priority, reverse=True)\n",
    "src/todo/store.py": "import json\nfrom pathlib import Path\n\nfrom todo.items import Item\n\n\ndef load(path):\n"
    "    path = Path(path)\n    if not path.exists():\n        return []\n    return [Item(**entry) for entry in json.loads(path.read_text())]\n\n\n"
    "def save(path, items):\n    Path(path).write_text(json.dumps([vars(item) for item in items]))\n",
    "src/todo/cli.py": "import argparse\n\nfrom todo.items import Item, open_items\nfrom todo.store import load, save\n\n\n"
    "def main(argv=None):\n    parser = argparse.ArgumentParser(prog='todo')\n    parser.add_argument('--file', default='todo.json')\n"
    "    commands = parser.add_subparsers(dest='command', required=True)\n    add = commands.add_parser('add')\n"
    "    add.add_argument('title')\n    commands.add_parser('list')\n    args = parser.parse_args(argv)\n    items = load(args.file)\n"
    "    if args.command == 'add':\n        items.append(Item(args.title))\n        save(args.file, items)\n"
    "    elif args.command == 'list':\n        for number, item in enumerate(open_items(items), 1):\n            print(f'{number}. {item.title}')\n",
    "tests/test_items.py": "from todo.items import Item, by_priority, open_items\n\n\ndef test_open_items():\n"
    "    assert open_items([Item('a'), Item('b', done=True)]) == [Item('a')]\n\n\ndef test_most_urgent_first():\n"
    "    items = [Item('later', priority=5), Item('now', priority=1)]\n    assert [i.title for i in by_priority(items)] == ['now', 'later']\n",
    "tests/test_cli.py": "from todo.cli import main\n\n\ndef test_add_and_list(tmp_path, capsys):\n    file = str(tmp_path / 't.json')\n"
    "    main(['--file', file, 'add', 'tea'])\n    main(['--file', file, 'list'])\n    assert capsys.readouterr().out == '1. tea\\n'\n",
}
ROMAN: Files = {
    "roman.py": '"""Roman numerals."""\n\nVALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}\n\n\n'
    "def to_int(text):\n    total = 0\n    for i, letter in enumerate(text):\n        value = VALUES[letter]\n"
    "        if i + 1 < len(text) and VALUES[text[i + 1]] > value:\n            total += value\n        else:\n            total += value\n"
    "    return total\n\n\ndef is_roman(text):\n    return all(letter in VALUES for letter in text)\n",
    "test_roman.py": "import unittest\n\nfrom roman import is_roman, to_int\n\n\nclass ToInt(unittest.TestCase):\n"
    "    def test_sums(self):\n        self.assertEqual(to_int('VII'), 7)\n\n    def test_subtracts(self):\n"
    "        self.assertEqual(to_int('IX'), 9)\n\n\nclass IsRoman(unittest.TestCase):\n    def test_other_letters(self):\n"
    "        self.assertFalse(is_roman('XA'))\n\n\nif __name__ == '__main__':\n    unittest.main()\n",
}
WEATHER: Files = {
    "weather/__init__.py": "from weather.reading import Reading\n\n__all__ = ['Reading']\n",
    "weather/reading.py": "class Reading:\n    def __init__(self, station, celsius, humidity=None):\n        self.station = station\n"
    "        self.celsius = celsius\n        self.humidity = humidity\n\n    def fahrenheit(self):\n        return self.celsius * 9 / 5 + 32\n",
    "weather/summary.py": "from weather.reading import Reading\n\nFROST = 0\n\n\ndef hottest(readings):\n"
    "    return max(readings, key=lambda reading: reading.celsius)\n\n\ndef frost_days(readings):\n"
    "    return len([r for r in readings if r.celsius < FROST])\n\n\ndef parse_row(row):\n    station, celsius = row.split(',')\n"
    "    return Reading(station, float(celsius))\n",
    "tests/test_summary.py": "from weather import Reading\nfrom weather.summary import frost_days, hottest, parse_row\n\n\n"
    "def test_hottest():\n    assert hottest([Reading('a', 3), Reading('b', 9)]).station == 'b'\n\n\ndef test_frost_days():\n"
    "    assert frost_days([Reading('a', -1), Reading('a', 4)]) == 1\n\n\ndef test_parse_row():\n    assert parse_row('Oslo,-2.5').celsius == -2.5\n",
    "pyproject.toml": "[tool.pytest.ini_options]\npythonpath = ['.']\n",
}

FRESH: tuple[Case, ...] = (
    Case(name="todo-where", kind="ask where", files=TODO, request="which function writes the JSON file?", check=answers(r"save", r"store\.py")),
    Case(name="todo-what", kind="ask what", files=TODO, request="what does load return if there is no file?", check=answers(r"empty list|\[\]")),
    Case(name="todo-why", kind="ask why it fails", files=TODO, request="why does test_most_urgent_first fail?",
         check=answers(r"reverse", r"items\.py")),
    Case(name="todo-fix", kind="fix", files=TODO, request="please fix the red test",
         hidden="from todo.items import Item, by_priority\n\n\ndef test_hidden():\n"
         "    assert [i.priority for i in by_priority([Item('a', priority=p) for p in (2, 3, 1)])] == [1, 2, 3]\n"),
    Case(name="todo-field", kind="change", files=TODO, request="add a field tags to Item, an empty list by default",
         hidden="from todo.items import Item\n\n\ndef test_hidden():\n    assert Item('a').tags == []\n    Item('a').tags.append('x')\n"
         "    assert Item('b').tags == []\n"),
    Case(name="todo-priority", kind="a new option of a CLI", files=TODO, request="give the add command an option --priority, an int, default 3",
         hidden="import json\n\nfrom todo.cli import main\n\n\ndef test_hidden(tmp_path):\n    file = tmp_path / 't.json'\n"
         "    main(['--file', str(file), 'add', 'tea', '--priority', '1'])\n    assert json.loads(file.read_text())[0]['priority'] == 1\n"),
    Case(name="todo-done", kind="add a function with a test", files=TODO,
         request="add a function done_items to items.py that returns the items that are done, with a test", check=tested("done_items"),
         hidden="from todo.items import Item, done_items\n\n\ndef test_hidden():\n    assert done_items([Item('a'), Item('b', True)]) == [Item('b', True)]\n"),
    Case(name="todo-rename", kind="rename", files=TODO, request="rename open_items to unfinished",
         hidden="import todo.cli\nfrom todo.items import unfinished\n\n\ndef test_hidden():\n    assert unfinished([]) == []\n"
         "    assert not hasattr(todo.cli, 'open_items')\n"),
    Case(name="todo-move", kind="move", files=TODO, request="move by_priority from src/todo/items.py to src/todo/order.py",
         hidden="from todo.order import by_priority\n\n\ndef test_hidden():\n    assert by_priority([]) == []\n"),
    Case(name="todo-readme", kind="change", files=TODO, request="add a section Usage to README.md that shows todo add and todo list",
         check=has_text("README.md", r"usage[\s\S]*todo add[\s\S]*todo list")),
    Case(name="roman-what", kind="ask what", files=ROMAN, request="what happens in to_int for a letter that is no numeral?",
         check=answers(r"KeyError")),
    Case(name="roman-run", kind="run the tests", files=ROMAN, request="run all tests please", check=answers(r"1 failed, 2 passed")),
    Case(name="roman-fix", kind="fix", files=ROMAN, request="fix test_subtracts",
         hidden="from roman import to_int\n\n\ndef test_hidden():\n    assert to_int('MCMXCIV') == 1994\n"),
    Case(name="roman-doc", kind="docstrings", files=ROMAN, request="write a docstring for to_int",
         check=same_code("roman.py", needs=documented("to_int"))),
    Case(name="roman-error", kind="an error message", files=ROMAN,
         request="to_int should raise a ValueError that says 'not a roman numeral' for other letters",
         hidden="import pytest\n\nfrom roman import to_int\n\n\ndef test_hidden():\n    with pytest.raises(ValueError, match='not a roman numeral'):\n"
         "        to_int('XA')\n    assert to_int('VII') == 7\n"),
    Case(name="roman-lower", kind="change", files=ROMAN, request="is_roman should accept lower case letters, too",
         hidden="from roman import is_roman\n\n\ndef test_hidden():\n    assert is_roman('xiv') and is_roman('XIV') and not is_roman('xa')\n"),
    Case(name="roman-tests", kind="write tests", files={**ROMAN, "test_roman.py": "import unittest\n"},
         request="write tests for is_roman", mutants=(("roman.py", "return all(", "return any("),)),
    Case(name="weather-trace", kind="explain a traceback", files=WEATHER,
         request="what is this?\nTraceback (most recent call last):\n  File \"weather/summary.py\", line 15, in parse_row\n"
         "    station, celsius = row.split(',')\nValueError: too many values to unpack (expected 2)\n",
         check=answers(r"summary\.py|parse_row", r"comma|split|more than two|two values|too many")),
    Case(name="weather-humidity", kind="change", files=WEATHER, request="parse_row should read a third column, the humidity, if there is one",
         hidden="from weather.summary import parse_row\n\n\ndef test_hidden():\n    assert float(parse_row('Oslo,1,80').humidity) == 80\n"
         "    assert parse_row('Oslo,1').humidity is None\n"),
    Case(name="weather-property", kind="a property or __repr__", files=WEATHER, request="make fahrenheit a property",
         hidden="from weather import Reading\n\n\ndef test_hidden():\n    assert Reading('a', 100).fahrenheit == 212\n"),
    Case(name="weather-repr", kind="a property or __repr__", files=WEATHER, request="give Reading a __repr__ that shows station and celsius",
         hidden="from weather import Reading\n\n\ndef test_hidden():\n    assert 'Oslo' in repr(Reading('Oslo', 3)) and '3' in repr(Reading('Oslo', 3))\n"),
    Case(name="weather-coldest", kind="add a function with a test", files=WEATHER,
         request="add a function coldest next to hottest, with a test", check=tested("coldest"),
         hidden="from weather import Reading\nfrom weather.summary import coldest\n\n\ndef test_hidden():\n"
         "    assert coldest([Reading('a', 3), Reading('b', 9)]).station == 'a'\n"),
    Case(name="weather-limit", kind="parameter", files=WEATHER, request="give frost_days a parameter limit that defaults to FROST",
         hidden="from weather import Reading\nfrom weather.summary import frost_days\n\n\ndef test_hidden():\n"
         "    assert frost_days([Reading('a', 3)], limit=5) == 1\n    assert frost_days([Reading('a', 3)]) == 0\n"),
    Case(name="weather-delete", kind="delete", files=WEATHER, request="delete frost_days and its test",
         check=without("weather/summary.py", "frost_days")),
    Case(name="weather-vague", kind="vague wishes", files=WEATHER, request="any suggestions for weather/summary.py?", check=answers(r"summary|parse_row|readings?")),
    Case(name="weather-shell", kind="!command", files=WEATHER, request="!python -m pytest -q tests", check=answers(r"3 passed")),
)  # fmt: skip
