"""A list of requests by a stranger to the product: thirty cases on four repositories.

The repositories: a queue of jobs that are tried again (package, pytest), subtitles (flat, unittest), laps of a run
(src-layout) and lists of checksums (flat modules, argparse with subcommands).
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator

from benchmarks.conversation_cases import (
    After,
    Case,
    Check,
    Files,
    answers,
    same_code,
    tested,
    unchanged,
)

_FEW_WORDS = 12
"""Words that an opinion has at least."""

_LONGEST_DELAY = 300


def _text(text: str) -> str:
    return text.lstrip("\n")


JOBS: Files = {
    "pyproject.toml": "[project]\nname = 'jobq'\nversion = '0.2'\nrequires-python = '>=3.11'\n\n"
    "[tool.pytest.ini_options]\npythonpath = ['.']\n",
    "jobq/__init__.py": '"""A queue of jobs that are tried again when they fail."""\n',
    "jobq/backoff.py": _text('''
"""How long to wait before a job is tried again."""


def delay(attempt, base=2.0):
    """Seconds to wait after the attempt with that number; the first one is 1."""
    return min(base**attempt, 300)


def delays(failures, base=2.0):
    """The waits after that many failures in a row."""
    return [delay(number, base) for number in range(1, failures)]
'''),
    "jobq/queue.py": _text('''
"""The jobs that wait to be run."""

from collections import deque


class Job:
    def __init__(self, name, action, priority=0):
        self.name = name
        self.action = action
        self.priority = priority
        self.attempts = 0


class JobQueue:
    def __init__(self):
        self.waiting = deque()
        self.dead = []

    def __len__(self):
        return len(self.waiting)

    def put(self, job):
        self.waiting.append(job)

    def pop(self):
        """The next job, or None if nothing is waiting."""
        return self.waiting.popleft() if self.waiting else None

    def find(self, name):
        for job in self.waiting:
            if job.name == name:
                return job

    def cancel(self, name):
        job = self.find(name)
        if job is None:
            return False
        self.waiting.remove(job)
        return True
'''),
    "jobq/worker.py": _text('''
"""Runs the jobs of a queue."""

import time

from jobq.backoff import delay


def run_one(queue, sleep=time.sleep, limit=3):
    """Runs the next job; False if there was none."""
    job = queue.pop()
    if job is None:
        return False
    job.attempts += 1
    try:
        job.action()
    except Exception as error:
        print(f"{job.name} failed: {error}")
        if job.attempts >= limit:
            queue.dead.append(job)
        else:
            sleep(delay(job.attempts))
            queue.put(job)
    else:
        print(f"{job.name} done")
    return True


def drain(queue, sleep=time.sleep, limit=3):
    runs = 0
    while run_one(queue, sleep, limit):
        runs += 1
    return runs
'''),
    "tests/test_backoff.py": _text("""
from jobq.backoff import delay, delays


def test_delay():
    assert delay(3) == 8


def test_longest_delay():
    assert delay(30) == 300


def test_delays():
    assert delays(3) == [2, 4, 8]
"""),
    "tests/test_worker.py": _text("""
from jobq.queue import Job, JobQueue
from jobq.worker import drain


def broken():
    raise RuntimeError("no route to host")


def test_all_jobs_run():
    seen = []
    queue = JobQueue()
    queue.put(Job("a", lambda: seen.append("a")))
    queue.put(Job("b", lambda: seen.append("b")))
    assert drain(queue) == 2
    assert seen == ["a", "b"]


def test_dead_after_three_attempts():
    waits = []
    queue = JobQueue()
    queue.put(Job("mail", broken))
    assert drain(queue, sleep=waits.append) == 3
    assert waits == [2, 4]
    assert [job.name for job in queue.dead] == ["mail"]


def test_cancel():
    queue = JobQueue()
    queue.put(Job("mail", broken))
    assert queue.cancel("mail")
    assert len(queue) == 0
    assert not queue.cancel("mail")
"""),
}

SUBS: Files = {
    "README.md": _text("""
# subs

Reads subtitles in the SubRip format (`.srt`), moves them in time and writes them in other formats.
Run the tests with `python -m unittest`.
"""),
    "subs.py": _text('''
"""Reads SubRip subtitles and moves them in time."""

import re

TIME = re.compile(r"(\\d+):(\\d\\d):(\\d\\d),(\\d{3})")
TAG = re.compile(r"</?[a-z]+[^>]*>")


class Cue:
    """A text and when it is shown, in milliseconds."""

    def __init__(self, start, end, text):
        self.start = start
        self.end = end
        self.text = text


def parse_time(text):
    match = TIME.fullmatch(text.strip())
    if match is None:
        return None
    hours, minutes, seconds, millis = map(int, match.groups())
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + millis


def format_time(time):
    seconds, millis = divmod(time, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02},{millis}"


def parse_cues(text):
    cues = []
    for block in text.strip().split("\\n\\n"):
        lines = block.splitlines()
        start, end = lines[1].split(" --> ")
        cues.append(Cue(parse_time(start), parse_time(end), "\\n".join(lines[2:])))
    return cues


def shift(cues, millis):
    """The cues that much later; earlier if millis is negative."""
    return [Cue(max(0, c.start + millis), max(0, c.end + millis), c.text) for c in cues]


def overlaps(cues):
    """Numbers of the cues that begin before the cue ahead of them has ended."""
    pairs = zip(cues, cues[1:])
    return [number for number, (cue, after) in enumerate(pairs, 2) if after.start < cue.end]


def strip_tags(text):
    return TAG.sub("", text)
'''),
    "convert.py": _text('''
"""Writes cues in other formats, and makes cues of other formats."""

from subs import Cue, format_time, strip_tags


def to_srt(cues):
    blocks = []
    for number, cue in enumerate(cues, 1):
        blocks.append(f"{number}\\n{format_time(cue.start)} --> {format_time(cue.end)}\\n{cue.text}\\n")
    return "\\n".join(blocks)


def to_plain(cues):
    """Only what is said, one line for each cue."""
    return "\\n".join(strip_tags(cue.text).replace("\\n", " ") for cue in cues)


def from_plain(text, millis=2000):
    """Cues of equal length, one for each line of the text."""
    lines = text.splitlines()
    return [Cue(i * millis, (i + 1) * millis, line) for i, line in enumerate(lines)]
'''),
    "test_subs.py": _text("""
import unittest

from subs import Cue, format_time, parse_cues, parse_time, shift, strip_tags

SRT = "1\\n00:00:01,500 --> 00:00:03,250\\nHello,\\nyou\\n\\n2\\n00:00:04,000 --> 00:00:05,125\\n<i>Who?</i>\\n"


class TimeTest(unittest.TestCase):
    def test_parse_time(self):
        self.assertEqual(parse_time("01:00:02,003"), 3602003)

    def test_format_time(self):
        self.assertEqual(format_time(3723456), "01:02:03,456")


class CueTest(unittest.TestCase):
    def test_parse_cues(self):
        first, second = parse_cues(SRT)
        self.assertEqual((first.start, first.end, first.text), (1500, 3250, "Hello,\\nyou"))
        self.assertEqual(second.text, "<i>Who?</i>")

    def test_shift(self):
        (cue,) = shift([Cue(500, 1500, "Hi")], -1000)
        self.assertEqual((cue.start, cue.end), (0, 500))

    def test_strip_tags(self):
        self.assertEqual(strip_tags("<b>No</b> way"), "No way")


if __name__ == "__main__":
    unittest.main()
"""),
    "test_convert.py": _text("""
import unittest

from convert import from_plain, to_plain, to_srt
from subs import Cue


class ConvertTest(unittest.TestCase):
    def test_to_srt(self):
        text = to_srt([Cue(1500, 3250, "Hi")])
        self.assertEqual(text, "1\\n00:00:01,500 --> 00:00:03,250\\nHi\\n")

    def test_to_plain(self):
        cues = [Cue(0, 1, "<i>Hello,</i>\\nyou"), Cue(1, 2, "Bye")]
        self.assertEqual(to_plain(cues), "Hello, you\\nBye")

    def test_from_plain(self):
        self.assertEqual([cue.start for cue in from_plain("a\\nb")], [0, 2000])


if __name__ == "__main__":
    unittest.main()
"""),
}

PACE: Files = {
    "pyproject.toml": "[project]\nname = 'pace'\nversion = '1.0'\nrequires-python = '>=3.11'\n\n"
    "[tool.pytest.ini_options]\npythonpath = ['src']\ntestpaths = ['tests']\n",
    "src/pace/__init__.py": '"""Distances and laps of a run."""\n',
    "src/pace/geo.py": _text('''
"""Distances on the globe."""

import math

EARTH_RADIUS = 6_371_000


def haversine(a, b):
    """Metres between two points, each of them latitude and longitude in degrees."""
    lat_a, lat_b = math.radians(a[0]), math.radians(b[0])
    lat = lat_b - lat_a
    lon = b[1] - a[1]
    h = math.sin(lat / 2) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(lon / 2) ** 2
    return 2 * EARTH_RADIUS * math.asin(math.sqrt(h))


def track_length(points):
    return sum(haversine(a, b) for a, b in zip(points, points[1:]))
'''),
    "src/pace/laps.py": _text('''
"""Laps of a run."""


class Lap:
    def __init__(self, metres, seconds, label=""):
        self.metres = metres
        self.seconds = seconds
        self.label = label

    def __repr__(self):
        return f"Lap(metres={self.metres!r}, seconds={self.seconds!r}, label={self.label!r})"

    def __eq__(self, other):
        if not isinstance(other, Lap):
            return NotImplemented
        mine = (self.metres, self.seconds, self.label)
        return mine == (other.metres, other.seconds, other.label)

    def kmh(self):
        return self.metres / self.seconds * 3.6


def pace(lap):
    return lap.seconds / lap.metres * 1000


def pretty(seconds):
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def miles(metres):
    return metres / 1609.344


def fastest(laps):
    return min(laps, key=pace)


def table(laps):
    return [f"{lap.label or number}: {pretty(pace(lap))}" for number, lap in enumerate(laps, 1)]
'''),
    "tests/test_geo.py": _text("""
import pytest

from pace.geo import haversine, track_length


def test_one_degree_north():
    assert haversine((50, 8), (51, 8)) == pytest.approx(111_195, abs=1)


def test_paris_london():
    assert haversine((48.857, 2.352), (51.507, -0.128)) == pytest.approx(343_500, abs=500)


def test_track_length():
    assert track_length([(50, 8), (51, 8), (50, 8)]) == pytest.approx(222_390, abs=2)
"""),
    "tests/test_laps.py": _text("""
import pytest

from pace.laps import Lap, fastest, miles, pace, pretty, table

LAPS = [Lap(1000, 300, "warm-up"), Lap(400, 84), Lap(400, 90)]


def test_pace():
    assert pace(LAPS[1]) == 210


def test_pretty():
    assert pretty(245.4) == "4:05"


def test_miles():
    assert miles(5000) == pytest.approx(3.107, abs=0.001)


def test_fastest():
    assert fastest(LAPS) == Lap(400, 84)


def test_table():
    assert table(LAPS) == ["warm-up: 5:00", "2: 3:30", "3: 3:45"]


def test_kmh():
    assert Lap(1000, 360).kmh() == pytest.approx(10)
"""),
}

SUMS: Files = {
    "README.md": _text("""
# sums

    python sums.py make photos > photos.txt
    python sums.py check photos.txt photos
"""),
    "sums.py": _text('''
"""Writes and checks lists of checksums, much as sha256sum does."""

import argparse
import hashlib
import sys
from pathlib import Path

from report import has_trouble, summary

SEPARATOR = "  "


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def make_list(folder):
    root = Path(folder)
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return [digest(path) + SEPARATOR + path.relative_to(root).as_posix() for path in files]


def check_list(lines, folder):
    """Pairs of name and state; a state is ok, changed or missing."""
    results = []
    for line in lines:
        checksum, _, name = line.rstrip("\\n").partition(SEPARATOR)
        path = Path(folder) / name
        if not path.exists():
            results.append((name, "missing"))
        elif digest(path) != checksum:
            results.append((name, "changed"))
        else:
            results.append((name, "ok"))
    return results


def build_parser():
    parser = argparse.ArgumentParser(prog="sums")
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("make", help="print the list of a folder")
    make.add_argument("folder")
    check = commands.add_parser("check", help="compare a folder with a list")
    check.add_argument("list")
    check.add_argument("folder")
    return parser


def main(argv=None):
    args = build_parser().parse_args(argv)
    if args.command == "make":
        for line in make_list(args.folder):
            print(line)
        return 0
    with open(args.list, encoding="utf-8") as handle:
        results = check_list(handle, args.folder)
    for name, state in results:
        print(f"{state:8} {name}")
    print(summary(results))
    return 1 if has_trouble(results) else 0


if __name__ == "__main__":
    sys.exit(main())
'''),
    "report.py": _text("""
def summary(results):
    a = 0
    b = 0
    c = 0
    for r in results:
        if r[1] == "ok":
            a = a + 1
        if r[1] == "changed":
            b = b + 1
        if r[1] == "missing":
            c = c + 1
    s = str(a) + " ok, " + str(b) + " changed, " + str(c) + " missing"
    return s


def has_trouble(results):
    x = False
    for r in results:
        if r[1] != "ok":
            x = True
    if x == True:
        return True
    else:
        return False
"""),
    "test_sums.py": _text("""
import pytest

from report import has_trouble, summary
from sums import check_list, main, make_list


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "2023").mkdir(parents=True)
    (folder / "cat.jpg").write_text("cat")
    (folder / "2023" / "dog.jpg").write_text("dog")
    return folder


def test_make_list(photos):
    assert [line.split()[1] for line in make_list(photos)] == ["2023/dog.jpg", "cat.jpg"]


def test_check_list(photos):
    lines = make_list(photos)
    (photos / "cat.jpg").write_text("tiger")
    (photos / "2023" / "dog.jpg").unlink()
    assert check_list(lines, photos) == [("2023/dog.jpg", "missing"), ("cat.jpg", "changed")]


def test_check(photos, tmp_path, capsys):
    (tmp_path / "list.txt").write_text("\\n".join(make_list(photos)) + "\\n")
    assert main(["check", str(tmp_path / "list.txt"), str(photos)]) == 0
    assert "2 ok, 0 changed, 0 missing" in capsys.readouterr().out


def test_report():
    results = [("a", "ok"), ("b", "missing")]
    assert summary(results) == "1 ok, 0 changed, 1 missing"
    assert has_trouble(results)
"""),
}

_TRACE = _text("""
Traceback (most recent call last):
  File "/home/kim/subs/play.py", line 5, in <module>
    cues = parse_cues(open(sys.argv[1]).read())
           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/home/kim/subs/subs.py", line 37, in parse_cues
    start, end = lines[1].split(" --> ")
                 ~~~~~^^^
IndexError: list index out of range
""")

_DIFF = _text("""
diff --git a/src/pace/laps.py b/src/pace/laps.py
index baf0015..b580bb3 100644
--- a/src/pace/laps.py
+++ b/src/pace/laps.py
@@ -34,7 +34,7 @@ def miles(metres):
\x20
\x20
 def fastest(laps):
-    return min(laps, key=pace)
+    return min(laps, key=pace, default=None)
\x20
\x20
 def table(laps):
""")


def _all(*checks: Check) -> Check:
    """The first reason of several checks."""

    def check(before: Files, after: After) -> str:
        return next((reason for c in checks if (reason := c(before, after))), "")

    return check


def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except SyntaxError:
        return None


def _trees(files: Files) -> Iterator[tuple[str, ast.Module]]:
    for path, text in sorted(files.items()):
        if path.endswith(".py") and (tree := _tree(text)) is not None:
            yield path, tree


def _defined(tree: ast.Module) -> dict[str, ast.FunctionDef | ast.ClassDef]:
    """The functions and classes of a module and the methods, by name."""
    nodes = (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef))
    return {node.name: node for node in nodes}


def _kept(*paths: str) -> Check:
    """These files are as they were."""

    def check(before: Files, after: After) -> str:
        changed = [path for path in paths if before[path] != after.files.get(path)]
        return f"changed {', '.join(changed)}" if changed else ""

    return check


def _tests_left(before: Files, after: After) -> str:
    """Every test that was there is still there, with all the lines that it had."""
    now = _test_lines(after.files)
    for name, lines in _test_lines(before).items():
        if not lines <= now.get(name, set()):
            return f"the test {name} is gone or another one"
    return ""


def _test_lines(files: Files) -> dict[str, set[str]]:
    """The statements of every test, by its name."""
    return {
        name: {ast.dump(part) for part in node.body}
        for path, tree in _trees(files)
        if "test" in path
        for name, node in _defined(tree).items()
        if name.startswith("test")
    }


def _advice(pattern: str) -> Check:
    """No file changed, and there are some words with a point in them."""

    def check(before: Files, after: After) -> str:
        few = len(after.said.split()) < _FEW_WORDS
        return answers(pattern)(before, after) or ("that says next to nothing" if few else "")

    return check


def _is_number(node: ast.expr, number: float) -> bool:
    """True for an expression of nothing but numbers with that value, like 5 * 60."""
    parts = (ast.Constant, ast.BinOp, ast.Add, ast.Mult)
    if not all(isinstance(part, parts) for part in ast.walk(node)):
        return False
    value = eval(compile(ast.Expression(node), "constant", "eval"))  # noqa: S307
    return bool(value == number)


def _capped(before: Files, after: After) -> str:
    """The longest delay has a name at the top of the module, and `delay` uses it."""
    tree = _tree(after.files.get("jobq/backoff.py", ""))
    function = _defined(tree).get("delay") if tree else None
    if tree is None or function is None:
        return "delay is gone"
    names = set()
    for node in tree.body:
        targets: list[ast.expr] = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        value = getattr(node, "value", None)
        if targets and value is not None and _is_number(value, _LONGEST_DELAY):
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    if not any(name.isupper() for name in names):
        return "there is no constant"
    parts = list(ast.walk(function))
    if any(isinstance(n, ast.Constant) and n.value == _LONGEST_DELAY for n in parts):
        return "the number is still in delay"
    used = any(isinstance(n, ast.Name) and n.id in names for n in parts)
    return "" if used else "delay does not use the constant"


def _renamed(before: Files, after: After) -> str:
    """Nothing is called Cue any more, and all the tests are there."""
    left = [path for path, text in after.files.items() if re.search(r"\bCue\b", text)]
    if left:
        return f"Cue is still in {', '.join(sorted(left))}"
    names = {name for _, tree in _trees(after.files) for name in _defined(tree)}
    lost = {name for _, tree in _trees(before) for name in _defined(tree)} - names
    lost = {name for name in lost if not name.startswith("Cue")}
    return f"{', '.join(sorted(lost))} is gone" if lost else ""


def _moved(before: Files, after: After) -> str:
    """`strip_tags` is in convert.py, and nobody wants it from subs.py any more."""
    where = [path for path, tree in _trees(after.files) if "strip_tags" in _defined(tree)]
    if where != ["convert.py"]:
        return f"strip_tags is defined in {where}"
    for path, tree in _trees(after.files):
        imports = (n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom))
        names = {a.name for n in imports if n.module == "subs" for a in n.names}
        if "strip_tags" in names:
            return f"{path} still imports strip_tags from subs"
    return ""


def _dataclass(before: Files, after: After) -> str:
    """`Lap` has none of the methods that a dataclass gives."""
    tree = _tree(after.files.get("src/pace/laps.py", ""))
    lap = _defined(tree).get("Lap") if tree else None
    if lap is None:
        return "Lap is gone"
    methods = {node.name for node in lap.body if isinstance(node, ast.FunctionDef)}
    left = methods & {"__init__", "__repr__", "__eq__"}
    return f"Lap still has {', '.join(sorted(left))}" if left else ""


def _without_miles(before: Files, after: After) -> str:
    """`miles` and its test are gone, and nothing else is."""
    for path, tree in _trees(after.files):
        for node in ast.walk(tree):
            names = {getattr(node, "name", ""), getattr(node, "id", "")}
            if names & {"miles", "test_miles"}:
                return f"miles is still in {path}"
    names = {name for _, tree in _trees(after.files) for name in _defined(tree)}
    lost = {name for _, tree in _trees(before) for name in _defined(tree)} - names
    lost -= {"miles", "test_miles"}
    return f"{', '.join(sorted(lost))} is gone" if lost else ""


def _explained(tree: ast.Module) -> bool:
    """The class and every function of the module have a docstring of more than one word."""
    nodes = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef)]
    return bool(nodes) and all(len((ast.get_docstring(n) or "").split()) > 1 for n in nodes)


class _Plain(ast.NodeTransformer):
    """Takes the hints out of a module, and what only hints need."""

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
        return ast.Assign(targets=[node.target], value=self.visit(node.value))


def _plain(source: str, known: set[str]) -> str:
    """A module without hints and imports, and without names and classes that are not known."""
    tree = _Plain().visit(ast.parse(source))
    if ast.get_docstring(tree) is not None:
        tree.body = tree.body[1:]
    return "\n".join(ast.dump(node) for node in tree.body if _matters(node, known))


def _matters(node: ast.stmt, known: set[str]) -> bool:
    if isinstance(node, ast.Assign):
        return any(getattr(target, "id", "") in known for target in node.targets)
    if isinstance(node, ast.ClassDef):
        return node.name in known
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" not in ast.dump(node.test)
    return not isinstance(node, ast.Import | ast.ImportFrom)


def _bound(tree: ast.Module) -> set[str]:
    """The names that a module imports, defines or assigns."""
    names = set(_defined(tree))
    for node in ast.walk(tree):
        if isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def _hinted_geo(before: Files, after: After) -> str:
    """All of geo.py has hints that can be true, and the program is the same."""
    path = "src/pace/geo.py"
    others = unchanged({**before, path: ""}, After(files={**after.files, path: ""}, said=""))
    tree, old = _tree(after.files.get(path, "")), ast.parse(before[path])
    if others or tree is None:
        return others or "no Python any more"
    known = _bound(old)
    if _plain(before[path], known) != _plain(after.files[path], known):
        return "the program is another one"
    hints: list[ast.expr] = []
    for name in ("haversine", "track_length"):
        function = _defined(tree).get(name)
        if not isinstance(function, ast.FunctionDef):
            return f"{name} is gone"
        if function.returns is None or "float" not in ast.unparse(function.returns):
            return f"{name} gives a float"
        for arg in function.args.args:
            hint = arg.annotation
            if hint is None or ast.unparse(hint) in {"float", "int", "str", "None"}:
                return f"{arg.arg} of {name} has no hint or a wrong one"
            hints.append(hint)
        hints.append(function.returns)
    used = {n.id for hint in hints for n in ast.walk(hint) if isinstance(n, ast.Name)}
    unknown = used - _bound(tree) - set(dir(builtins))
    return f"{', '.join(sorted(unknown))} is not defined" if unknown else ""


def _nicer(before: Files, after: After) -> str:
    """The code of report.py is another one, not only its comments and docstrings."""
    tree = _tree(after.files.get("report.py", ""))
    if tree is None:
        return "no Python any more"
    names = {"summary", "has_trouble"}
    if _plain(before["report.py"], names) == _plain(after.files["report.py"], names):
        return "the code is as it was"
    return ""


def _says_not(pattern: str) -> Check:
    """The answer lacks this."""

    def check(before: Files, after: After) -> str:
        found = re.search(pattern, after.said, re.IGNORECASE)
        return f"the answer has {found[0]!r}" if found else ""

    return check


STRANGER: tuple[Case, ...] = (
    Case(
        name="jobs-delays",
        kind="fix red",
        files=JOBS,
        request="one test is red, the one for delays. can you fix it? the test itself is right",
        check=_tests_left,
        hidden=_text("""
from jobq.backoff import delay, delays


def test_hidden_delays():
    assert delays(3) == [2, 4, 8]
    assert delays(1) == [2]
    assert delays(0) == []
    assert delays(2, base=3) == [3, 9]
    assert delays(10)[-2:] == [300, 300]
    assert delay(1) == 2
"""),
    ),
    Case(
        name="jobs-run",
        kind="run tests",
        files=JOBS,
        request="do the tests pass atm?",
        check=_all(
            answers(
                r"delays",
                r"fail|\bred\b|\bno\b|\bnot\b|n't|except|\bbut\b",
                r"\b(1|one|only|single|rest|others?|5|6|five|six)\b",
            ),
            _says_not(r"\b0 failed|(?<!not )\ball (\w+ ){0,3}pass(?!.{0,30}(except|but|apart))"),
        ),
    ),
    Case(
        name="jobs-who",
        kind="ask who calls",
        files=JOBS,
        request="who calls delay?",
        check=answers(
            r"\brun_one\b|\bworker\b",
            r"\bdelays\b|backoff\.py\W{0,3}(:|lines?)?\W{0,3}11\b",
        ),
    ),
    Case(
        name="jobs-log",
        kind="log instead of print",
        files=JOBS,
        request="worker.py prints all over my terminal, i'd rather have that go thru the logging module",
        check=_tests_left,
        hidden=_text("""
import logging

from jobq.queue import Job, JobQueue
from jobq.worker import drain


def broken():
    raise RuntimeError("no route")


def test_hidden_log(caplog, capsys):
    caplog.set_level(logging.DEBUG)
    queue = JobQueue()
    queue.put(Job("mail", broken))
    queue.put(Job("backup", lambda: None))
    assert drain(queue, sleep=lambda seconds: None, limit=2) == 3
    assert [job.name for job in queue.dead] == ["mail"]
    assert len([r for r in caplog.records if "mail" in r.getMessage()]) >= 2
    assert [r for r in caplog.records if "backup" in r.getMessage()]
    assert "no route" in caplog.text
    assert capsys.readouterr().out == ""
"""),
    ),
    Case(
        name="jobs-find",
        kind="raise instead of none",
        files=JOBS,
        request="JobQueue.find just gives None when there's no such job, and then it blows up somewhere else later. "
        "Let it raise a KeyError with the name in it instead. cancel() should go on returning False for an unknown "
        "name though.",
        check=_tests_left,
        hidden=_text("""
import pytest

from jobq.queue import Job, JobQueue


def test_hidden_find():
    queue = JobQueue()
    with pytest.raises(KeyError, match="backup"):
        queue.find("backup")
    mail, sms = Job("mail", print), Job("sms", print)
    queue.put(mail)
    queue.put(sms)
    assert queue.find("mail") is mail
    assert queue.find("sms") is sms
    with pytest.raises(KeyError, match="backup"):
        queue.find("backup")
    assert queue.cancel("backup") is False
    assert queue.cancel("mail") is True
    assert queue.cancel("mail") is False
    assert queue.pop() is sms
    assert queue.pop() is None
"""),
    ),
    Case(
        name="jobs-repr",
        kind="repr",
        files=JOBS,
        request="in pdb all i ever see is <jobq.queue.Job object at 0x7f3a2c>, pretty useless. name and attempts "
        "would be nice to have there",
        check=_tests_left,
        hidden=_text("""
from jobq.queue import Job, JobQueue


def test_hidden_repr():
    job = Job("nightly backup", print, 3)
    assert "Job" in repr(job)
    assert "nightly backup" in repr(job)
    assert "object at 0x" not in repr(job)
    job.attempts = 17
    assert "17" in repr(job)
    assert (job.priority, job.action, Job("a", print).attempts) == (3, print, 0)
    queue = JobQueue()
    queue.put(job)
    assert "nightly backup" in repr(list(queue.waiting))
"""),
    ),
    Case(
        name="jobs-constant",
        kind="constant",
        files=JOBS,
        request="The 300 in backoff.py is a magic number. Please make it a constant at the top of the file.",
        check=_all(_capped, _tests_left, _kept("jobq/queue.py", "jobq/worker.py")),
        hidden=_text("""
from jobq.backoff import delay


def test_hidden_delay():
    assert [delay(1), delay(8), delay(9), delay(50)] == [2, 256, 300, 300]
    assert delay(3, base=3) == 27
"""),
    ),
    Case(
        name="jobs-priority",
        kind="fix bug",
        files=JOBS,
        request="funny, a Job has a priority but pop() ignores it completely. the job with the highest one should "
        "come out first, and among equals the one that has waited longest, like now",
        check=_tests_left,
        hidden=_text("""
from jobq.queue import Job, JobQueue
from jobq.worker import drain


def filled():
    queue = JobQueue()
    for name, priority in (("a", 0), ("b", 5), ("c", 0), ("d", 5), ("e", -1), ("f", 9)):
        queue.put(Job(name, lambda: None, priority))
    return queue


def names(queue):
    jobs = [queue.pop() for _ in range(9)]
    return "".join(job.name for job in jobs if job is not None)


def test_hidden_order():
    assert names(filled()) == "fbdace"
    assert JobQueue().pop() is None


def test_hidden_put_in_between():
    queue = filled()
    assert queue.pop().name == "f"
    queue.put(Job("g", print, 5))
    assert len(queue) == 6
    assert names(queue) == "bdgace"
    assert len(queue) == 0


def test_hidden_cancel():
    queue = filled()
    assert queue.find("c").name == "c"
    assert queue.cancel("b") and queue.cancel("f")
    assert not queue.cancel("b")
    assert names(queue) == "dace"
    assert drain(filled()) == 6
"""),
    ),
    Case(
        name="jobs-odd",
        kind="vague advice",
        files=JOBS,
        request="anything that looks odd to you in queue.py? just tell me",
        check=_advice(
            r"priorit|implicit|explicit|inconsisten|unused|never (used|read)|doc-?strings?\b|type hint|annotat|thread"
            r"|dataclass|linear|O\(n\)|duplicate|same name|unique|\braise\b|KeyError|no return|private|encapsul"
        ),
    ),
    Case(
        name="subs-millis",
        kind="fix bug",
        files=SUBS,
        request="my player refuses the files we write... format_time(5007) gives '00:00:05,7' but the millis need "
        "three digits, ie '00:00:05,007'",
        check=_tests_left,
        hidden=_text("""
from convert import to_srt
from subs import Cue, format_time, parse_time


def test_hidden_millis():
    assert format_time(5007) == "00:00:05,007"
    assert format_time(0) == "00:00:00,000"
    assert format_time(61_020) == "00:01:01,020"
    assert format_time(3_723_456) == "01:02:03,456"
    for time in (1, 10, 999, 1000, 59_999, 360_000_050):
        assert parse_time(format_time(time)) == time
    assert "00:00:02,000 --> 00:00:04,050" in to_srt([Cue(2000, 4050, "Hi")])
"""),
    ),
    Case(
        name="subs-none",
        kind="ask what",
        files=SUBS,
        request="what do i get back from parse_time('1:02')",
        check=answers(r"\bNone\b"),
    ),
    Case(
        name="subs-trace",
        kind="explain a traceback",
        files=SUBS,
        request=f"one of my files does this, whats wrong with it??\n\n{_TRACE}",
        check=answers(
            r"parse_cues|lines\[1\]|subs\.py|\bblock",
            r"empty|blank|timing|time ?(line|stamp|code|range)|too (short|few)|\b2 (lines|elements|items)"
            r"|\b(one|two|second|another|more|enough|single)\b.{0,40}\b(line|element|item|entr)"
            r"|\b(no|without|lacks?|missing)\b.{0,40}-->",
        ),
    ),
    Case(
        name="subs-tests",
        kind="write tests",
        files=SUBS,
        request="Hello! overlaps() has no tests yet, would you mind writing some? Two things matter to me: cues that "
        "only touch (one ends exactly when the next one starts) are no overlap, and the number it gives is "
        "the one of the later cue, counted from 1. Thank you!",
        check=_all(_kept("subs.py", "convert.py"), _tests_left, tested("overlaps")),
        mutants=(
            ("subs.py", "after.start < cue.end", "after.start <= cue.end"),
            ("subs.py", "after.start < cue.end", "after.start > cue.end"),
            ("subs.py", "after.start < cue.end", "False"),
            ("subs.py", "enumerate(pairs, 2)", "enumerate(pairs, 1)"),
            ("subs.py", "enumerate(pairs, 2)", "enumerate(pairs)"),
        ),
    ),
    Case(
        name="subs-rename",
        kind="rename",
        files=SUBS,
        request="pls rename the class Cue to Subtitle, everywhere incl. the tests",
        check=_renamed,
        hidden=_text("""
import convert
import subs
import test_convert
import test_subs


def test_hidden_subtitle():
    assert not hasattr(subs, "Cue") and not hasattr(convert, "Cue")
    (cue,) = subs.parse_cues("1\\n00:00:01,500 --> 00:00:03,250\\nHi")
    assert type(cue) is subs.Subtitle
    assert (cue.start, cue.end, cue.text) == (1500, 3250, "Hi")
    assert type(subs.shift([cue], 10)[0]) is subs.Subtitle
    assert type(convert.from_plain("a")[0]) is subs.Subtitle
    assert test_convert and test_subs
    assert subs.overlaps([subs.Subtitle(0, 5, "a"), subs.Subtitle(4, 6, "b")]) == [2]
"""),
    ),
    Case(
        name="subs-move",
        kind="move",
        files=SUBS,
        request="strip_tags is only needed in convert.py, why does it live in subs.py? move it over pls, and mind the "
        "imports",
        check=_all(_moved, _tests_left),
        hidden=_text("""
import subs
import test_convert
import test_subs
from convert import strip_tags, to_plain


def test_hidden_strip_tags():
    assert strip_tags("<b>No</b> way <font color='red'>x</font> 1 < 2") == "No way x 1 < 2"
    assert to_plain([subs.Cue(0, 1, "<i>Hello,</i>\\nyou")]) == "Hello, you"
    assert not hasattr(subs, "strip_tags")
    assert subs.parse_time("00:00:01,000") == 1000
    assert test_subs and test_convert
"""),
    ),
    Case(
        name="subs-vtt",
        kind="add function",
        files=SUBS,
        request="Browsers want WebVTT. could you add a to_vtt(cues) to convert.py, plus a test? It's nearly the same "
        "as srt, only that the file begins with the line WEBVTT and an empty line, and that the times have a "
        "dot where srt has a comma. the numbers may stay or go, i don't care",
        check=_all(tested("to_vtt"), _tests_left),
        hidden=_text("""
from convert import to_srt, to_vtt
from subs import Cue, format_time

CUES = [Cue(1500, 3250, "Hello, you"), Cue(3_723_456, 3_724_789, "a, b\\nand, c")]


def test_hidden_vtt():
    lines = to_vtt(CUES).splitlines()
    assert lines[:2] == ["WEBVTT", ""]
    at = lines.index("00:00:01.500 --> 00:00:03.250")
    assert lines[at + 1 : at + 3] == ["Hello, you", ""]
    at = lines.index("01:02:03.456 --> 01:02:04.789")
    assert lines[at + 1 : at + 3] == ["a, b", "and, c"]


def test_hidden_empty():
    assert to_vtt([]).strip() == "WEBVTT"


def test_hidden_srt():
    assert to_srt(CUES[:1]) == "1\\n00:00:01,500 --> 00:00:03,250\\nHello, you\\n"
    assert format_time(1500) == "00:00:01,500"
"""),
    ),
    Case(
        name="subs-breaks",
        kind="parameter",
        files=SUBS,
        request="to_plain glues the lines of a cue together with a blank. Sometimes I need the line breaks as they "
        "are, could it get a keep_breaks argument? off by default",
        check=_tests_left,
        hidden=_text("""
from convert import to_plain
from subs import Cue

CUES = [Cue(0, 1, "<i>Hello,</i>\\nyou"), Cue(1, 2, "Bye")]


def test_hidden_breaks():
    assert to_plain(CUES) == "Hello, you\\nBye"
    assert to_plain(CUES, keep_breaks=False) == "Hello, you\\nBye"
    assert to_plain(CUES, keep_breaks=True) == "Hello,\\nyou\\nBye"
    assert to_plain([], keep_breaks=True) == ""
"""),
    ),
    Case(
        name="pace-why",
        kind="explain red",
        files=PACE,
        request="why is test_paris_london failing?? dont touch anything yet, just explain",
        check=answers(r"radian|convert", r"\blon\b|longitud|\[1\]"),
    ),
    Case(
        name="pace-dataclass",
        kind="dataclass",
        files=PACE,
        request="turn Lap into a dataclass please, so that the handwritten __init__, __repr__ and __eq__ can go",
        check=_all(_dataclass, _tests_left, _kept("src/pace/geo.py")),
        hidden=_text("""
import dataclasses

import pytest

from pace.laps import Lap, fastest, table


def test_hidden_lap():
    assert dataclasses.is_dataclass(Lap)
    assert [field.name for field in dataclasses.fields(Lap)] == ["metres", "seconds", "label"]
    lap = Lap(1000, 250)
    assert (lap.metres, lap.seconds, lap.label) == (1000, 250, "")
    assert lap == Lap(metres=1000, seconds=250, label="")
    assert lap != Lap(1000, 250, "x")
    assert lap != Lap(1000, 251)
    assert lap != (1000, 250, "")
    assert repr(Lap(400, 90, "x")) == "Lap(metres=400, seconds=90, label='x')"
    assert lap.kmh() == pytest.approx(14.4)
    assert fastest([lap, Lap(400, 84)]) == Lap(400, 84)
    assert table([lap]) == ["1: 4:10"]
"""),
    ),
    Case(
        name="pace-hints",
        kind="type hints",
        files=PACE,
        request="type hints for geo.py pls",
        check=_hinted_geo,
        hidden=_text("""
import pytest

from pace.geo import track_length


def test_hidden_length():
    assert track_length([(50, 8), (51, 8), (50, 8)]) == pytest.approx(222_390, abs=2)
    assert track_length([]) == 0
"""),
    ),
    Case(
        name="pace-docs",
        kind="docstrings",
        files=PACE,
        request="laps.py has hardly any docstrings. Could you add one to the class and to each of the functions? one "
        "line each is enough, and leave the code alone",
        check=same_code("src/pace/laps.py", needs=_explained),
    ),
    Case(
        name="pace-zero",
        kind="error message",
        files=PACE,
        request="got a bare ZeroDivisionError out of pace() because one lap had 0 metres (gps was off). not exactly "
        "helpful.. it should be a ValueError with the label of the lap in it so i know which one",
        check=_tests_left,
        hidden=_text("""
import pytest

from pace.laps import Lap, fastest, pace, table


def test_hidden_zero():
    sprint, nameless = Lap(0, 60, "hill sprint"), Lap(0.0, 60)
    with pytest.raises(ValueError, match="hill sprint"):
        pace(sprint)
    with pytest.raises(ValueError, match="hill sprint"):
        fastest([Lap(400, 84, "one"), sprint])
    with pytest.raises(ValueError, match="hill sprint"):
        table([sprint])
    with pytest.raises(ValueError):
        pace(nameless)


def test_hidden_other_laps():
    assert pace(Lap(400, 84)) == 210
    assert pace(Lap(0.5, 1, "x")) == 2000
    assert pace(Lap(400, 0)) == 0
"""),
    ),
    Case(
        name="pace-miles",
        kind="delete",
        files=PACE,
        request="is miles() still used anywhere? if not kick it out, its test too",
        check=_without_miles,
        hidden=_text("""
import pytest

from pace import laps


def test_hidden_laps():
    assert not hasattr(laps, "miles")
    assert laps.pretty(245.4) == "4:05"
    assert laps.table([laps.Lap(400, 84)]) == ["1: 3:30"]
    assert laps.fastest([laps.Lap(400, 84), laps.Lap(400, 90)]).seconds == 84
    assert laps.Lap(1000, 360).kmh() == pytest.approx(10)
"""),
    ),
    Case(
        name="pace-commit",
        kind="commit message",
        files=PACE,
        request="commit message for this?",
        attached=_DIFF,
        check=answers(
            r"fastest|\blaps?\b",
            r"\bNone\b|empty|no laps|without (any )?laps|default|ValueError",
        ),
    ),
    Case(
        name="sums-quiet",
        kind="new option",
        files=SUMS,
        request="check prints every single file, with 5000 of them that's a bit much. can it have a -q / --quiet that "
        "leaves out the ones that are ok? the summary at the end should stay",
        check=_tests_left,
        hidden=_text("""
import pytest

from sums import main, make_list


@pytest.fixture
def given(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("ant", "bee", "cow"):
        (folder / name).write_text(name)
    (tmp_path / "list.txt").write_text("\\n".join(make_list(folder)) + "\\n")
    return [str(tmp_path / "list.txt"), str(folder)]


def lines(capsys):
    return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line]


@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_hidden_quiet(given, tmp_path, capsys, option):
    assert main(["check", option, *given]) == 0
    assert lines(capsys) == ["3 ok, 0 changed, 0 missing"]
    (tmp_path / "photos" / "ant").unlink()
    (tmp_path / "photos" / "cow").write_text("calf")
    assert main(["check", *given, option]) == 1
    assert lines(capsys) == ["missing ant", "changed cow", "1 ok, 1 changed, 1 missing"]


def test_hidden_as_before(given, tmp_path, capsys):
    (tmp_path / "photos" / "ant").unlink()
    assert main(["check", *given]) == 1
    assert lines(capsys) == ["missing ant", "ok bee", "ok cow", "2 ok, 0 changed, 1 missing"]
    assert main(["make", given[1]]) == 0
    assert [line.split()[1] for line in lines(capsys)] == ["bee", "cow"]
"""),
    ),
    Case(
        name="sums-dupes",
        kind="new subcommand",
        files=SUMS,
        request="i need a third command: `sums dupes FOLDER`. it should find the files with identical contents and "
        "print one line per group, the names (relative to the folder, like make does) separated by a blank. "
        "files without a twin are not printed",
        check=_tests_left,
        hidden=_text("""
from sums import main, make_list


def test_hidden_dupes(tmp_path, capsys):
    (tmp_path / "sub").mkdir()
    for name, text in (("a", "1"), ("b", "2"), ("sub/c", "1"), ("d", "3"), ("e", "2"), ("f", "1")):
        (tmp_path / name).write_text(text)
    assert main(["dupes", str(tmp_path)]) in (0, None)
    groups = [sorted(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert sorted(groups) == [["a", "f", "sub/c"], ["b", "e"]]


def test_hidden_no_dupes(tmp_path, capsys):
    (tmp_path / "kiwi").write_text("1")
    (tmp_path / "plum").write_text("2")
    assert main(["dupes", str(tmp_path)]) in (0, None)
    out = capsys.readouterr().out
    assert "kiwi" not in out and "plum" not in out


def test_hidden_others(tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "kiwi").write_text("1")
    assert main(["make", str(folder)]) == 0
    assert capsys.readouterr().out.split() == make_list(folder)[0].split()
    (tmp_path / "list").write_text(make_list(folder)[0])
    assert main(["check", str(tmp_path / "list"), str(folder)]) == 0
    assert "1 ok, 0 changed, 0 missing" in capsys.readouterr().out
"""),
    ),
    Case(
        name="sums-blank",
        kind="fix bug",
        files=SUMS,
        request="my editor put an empty line at the end of photos.txt and now check dies with IsADirectoryError, wtf. "
        "empty lines should just be skipped",
        check=_tests_left,
        hidden=_text("""
from sums import main, make_list


def test_hidden_blank(tmp_path, capsys):
    folder, listed = tmp_path / "in", tmp_path / "list"
    folder.mkdir()
    (folder / "kiwi").write_text("1")
    (folder / "two words").write_text("2")
    kiwi, words = make_list(folder)

    def check(text):
        listed.write_text(text)
        code = main(["check", str(listed), str(folder)])
        return code, [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    good = (0, ["ok kiwi", "ok two words", "2 ok, 0 changed, 0 missing"])
    assert check(f"{kiwi}\\n{words}\\n") == good
    assert check(f"{kiwi}\\n{words}\\n\\n") == good
    assert check(f"\\n{kiwi}\\n\\n\\n{words}") == good
    assert check("\\n\\n") == (0, ["0 ok, 0 changed, 0 missing"])
    (folder / "kiwi").unlink()
    (folder / "two words").write_text("3")
    bad = (1, ["missing kiwi", "changed two words", "0 ok, 1 changed, 1 missing"])
    assert check(f"{kiwi}\\n\\n{words}\\n\\n") == bad
"""),
    ),
    Case(
        name="sums-shell",
        kind="!command",
        files=SUMS,
        request="!grep -n SEPARATOR sums.py",
        check=answers(r"10:\s*SEPARATOR = ", r"20:.*SEPARATOR", r"27:.*partition\(SEPARATOR\)"),
    ),
    Case(
        name="sums-where",
        kind="ask where",
        files=SUMS,
        request="where's the exit code of check decided?",
        check=_all(
            answers(
                r"sums\.py|\bmain\b", r"\bmain\b|has_trouble|report\.py|return 1|lines? (5|6)\d\b"
            ),
            _says_not(r"no exit code|not (decided|set|defined)|isn't (decided|set|defined)"),
        ),
    ),
    Case(
        name="sums-nicer",
        kind="simplify",
        files=SUMS,
        request="report.py is sooo clumsy. make it nicer? what comes out must stay the same",
        check=_all(_nicer, _tests_left),
        hidden=_text("""
import itertools

from report import has_trouble, summary

STATES = ("ok", "changed", "missing")


def test_hidden_report():
    for length in range(4):
        for states in itertools.product(STATES, repeat=length):
            results = [(f"file{i}", state) for i, state in enumerate(states)]
            ok, changed, missing = map(states.count, STATES)
            assert summary(results) == f"{ok} ok, {changed} changed, {missing} missing"
            assert has_trouble(results) is (ok != length)


def test_hidden_main(tmp_path, capsys):
    from sums import main

    (tmp_path / "list").write_text("abc  nowhere\\n")
    assert main(["check", str(tmp_path / "list"), str(tmp_path)]) == 1
    assert "0 ok, 0 changed, 1 missing" in capsys.readouterr().out
"""),
    ),
)
