"""Many changes in one real box: which pass, which lines ran, and nothing that a change can upset."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from sandbox.box.contract import Limits, SourceFile
from sandbox.box.docker_box import DockerSandbox
from sandbox.project.detection import detect
from sandbox.search.trying import try_changes
from sandbox.search.values import ChangeTrial, LineCounts, Searched, UsualRun

pytestmark = pytest.mark.docker

CORE = "def add(a, b):\n    if a < 0:\n        return b\n    return a - b\n\n\ndef twice(a):\n    return 2 * a\n"
PYTEST = """\
import pytest
from core import add, twice


def test_add():
    assert add(2, 3) == 5


def test_negative():
    assert add(-1, 3) == 3


@pytest.mark.parametrize("a", [1, 2])
def test_twice(a):
    assert twice(a) == 2 * a
"""
UNITTEST = """\
import unittest
from core import add, twice


class Test(unittest.TestCase):
    def test_add(self):
        self.assertEqual(add(2, 3), 5)

    def test_negative(self):
        self.assertEqual(add(-1, 3), 3)

    def test_twice(self):
        self.assertEqual(twice(2), 4)
"""
KINDS = [
    (PYTEST, "tests/test_core.py::test_add", 3),
    (UNITTEST, "test_core.Test.test_add", 2),
]


async def tried(
    box: DockerSandbox,
    root: Path,
    tests: str,
    red: str,
    *changes: str,
    core: str = CORE,
    budget_s: float = 30,
    enough: int = 9,
    beside: str = "",
    more: Mapping[str, str] = MappingProxyType({}),
    trace: bool = True,
    usual: UsualRun | None = None,
    endless: Sequence[str] = (),
    also_red: str = "",
) -> Searched:
    (root / "tests").mkdir(parents=True, exist_ok=True)
    (root / "core.py").write_text(core)
    (root / "tests" / "test_core.py").write_text(tests)
    files = [
        SourceFile(path="core.py", content=core.encode()),
        SourceFile(path="tests/test_core.py", content=tests.encode()),
        *(SourceFile(path=path, content=text.encode()) for path, text in more.items()),
    ]
    for path, text in more.items():
        (root / path).write_text(text)
    return await try_changes(
        box,
        detect(root),
        files,
        [ChangeTrial(path="core.py", content=change.encode()) for change in changes],
        red=[red, *filter(None, [also_red])],
        known_red=[red, *filter(None, [beside, also_red])],
        beside=list(filter(None, [beside])),
        endless=endless,
        limits=Limits(timeout_s=60),
        budget_s=budget_s,
        trace=trace,
        usual=usual,
        enough=enough,
    )


@pytest.mark.parametrize(("tests", "red", "green"), KINDS)
async def test_only_the_change_that_solves_and_breaks_nothing_passes(
    box: DockerSandbox, tmp_path: Path, tests: str, red: str, green: int
) -> None:
    right = CORE.replace("a - b", "a + b")
    changes = [
        CORE.replace("a - b", "a * b"),
        right,
        right.replace("return b", "return a"),  # solves the red test, breaks a green one
        CORE.replace("return a - b", "while True: pass"),
        CORE.replace("return a - b", "return ("),
        CORE.replace("return a - b", "raise SystemExit(0)"),
        CORE.replace("return a - b", "import os; os._exit(0)"),
        right + "\nraise SystemExit\n",
    ]
    searched = await tried(box, tmp_path, tests, red, *changes)
    found = [searched.results.get(n) for n in range(len(changes))]
    assert [bool(r and r.breaks_none) for r in found] == [n == 1 for n in range(len(changes))]
    assert [bool(r and r.solves_red) for r in found[:3]] == [False, True, True]
    assert found[3] is not None
    assert found[3].late
    assert searched.red == 1
    assert searched.green >= green
    by = frozenset({red})
    assert searched.lines["core.py", 4] == LineCounts(red=1, green=0, by=by)
    assert searched.lines["core.py", 2] == LineCounts(red=1, green=1, by=by)
    assert ("core.py", 8) not in searched.lines


@pytest.mark.parametrize(("tests", "red"), [kind[:2] for kind in KINDS])
async def test_a_box_that_is_told_the_usual_run_begins_with_the_changes(
    box: DockerSandbox, tmp_path: Path, tests: str, red: str
) -> None:
    changes = CORE.replace("a - b", "a * b"), CORE.replace("a - b", "a + b")
    first = await tried(box, tmp_path, tests, red, *changes, trace=False)
    assert first.usual is not None
    assert 0 < first.usual.red_s < 20
    told = UsualRun(red_s=17.5, all_s=18.5, modules=("json", "no.such.module"))
    second = await tried(box, tmp_path, tests, red, *changes, trace=False, usual=told)
    assert second.usual == told
    for searched in (first, second):
        assert [searched.results[n].breaks_none for n in range(2)] == [False, True]


@pytest.mark.parametrize(("tests", "red"), [kind[:2] for kind in KINDS])
async def test_the_run_that_notes_lines_is_the_usual_run_for_other_boxes(
    box: DockerSandbox, tmp_path: Path, tests: str, red: str
) -> None:
    noted = await tried(box, tmp_path, tests, red)
    assert noted.usual is not None
    changes = CORE.replace("a - b", "a * b"), CORE.replace("a - b", "a + b")
    told = await tried(box, tmp_path, tests, red, *changes, trace=False, usual=noted.usual)
    assert [told.results[n].breaks_none for n in range(2)] == [False, True]


@pytest.mark.parametrize(("tests", "red"), [kind[:2] for kind in KINDS])
async def test_a_change_that_leaves_red_what_may_have_the_same_fault_is_told_apart(
    box: DockerSandbox, tmp_path: Path, tests: str, red: str
) -> None:
    tests = tests.replace("add(-1, 3), 3", "add(4, 4), 8").replace(
        "add(-1, 3) == 3", "add(4, 4) == 8"
    )
    half = CORE.replace("return a - b", "return 5")
    whole = CORE.replace("a - b", "a + b")
    other = red.replace("test_add", "test_negative")
    searched = await tried(
        box, tmp_path, tests, red, half, half + "\n", whole, beside=other, enough=2
    )
    assert [searched.results[n].breaks_none for n in range(3)] == [True, True, True]
    assert [searched.results[n].left for n in range(3)] == [1, 1, 0]


@pytest.mark.parametrize(("tests", "red"), [kind[:2] for kind in KINDS])
async def test_a_fault_that_lets_tests_run_for_ever_is_found_like_any_other(
    box: DockerSandbox, tmp_path: Path, tests: str, red: str
) -> None:
    core = CORE.replace("    return a - b", "    while a:\n        b += 1\n    return b")
    right = core.replace("        b += 1", "        a, b = a - 1, b + 1")
    also = right.replace("while a:", "while a > 0:")
    tests = tests.replace("add(-1, 3), 3", "add(4, 4), 8").replace(
        "add(-1, 3) == 3", "add(4, 4) == 8"
    )
    other = red.replace("test_add", "test_negative")
    changes = core + "\n", right, also
    searched = await tried(
        box, tmp_path, tests, red, *changes, core=core, beside=other, endless=[red, other]
    )
    assert not searched.unsearchable
    assert searched.lines["core.py", 5].red == 2
    assert searched.results[0].late
    assert [searched.results[n].breaks_none for n in range(3)] == [False, True, True]
    assert [searched.results[n].left for n in (1, 2)] == [0, 0]


async def test_every_endless_test_of_a_family_has_its_time(
    box: DockerSandbox, tmp_path: Path
) -> None:
    tests, red, _ = KINDS[0]
    core = CORE.replace("    return a - b", "    while True:\n        pass")
    right = CORE.replace(
        "    return a - b", "    import time\n    time.sleep(0.3)\n    return a + b"
    )
    tests = tests.replace("add(-1, 3) == 3", "add(4, 4) == 8")
    both = [red, red.replace("test_add", "test_negative")]
    searched = await tried(
        box, tmp_path, tests, both[0], right, core=core, endless=both, also_red=both[1]
    )
    assert searched.results[0].breaks_none


async def test_a_project_that_makes_errors_of_warnings_is_searched(
    box: DockerSandbox, tmp_path: Path
) -> None:
    tests, red, _ = KINDS[0]
    strict = "[pytest]\nfilterwarnings = error\n"
    conftest = 'pytest_plugins = ["plugin"]\n'
    files = {"pytest.ini": strict, "conftest.py": conftest, "plugin.py": "import core\n"}
    right = CORE.replace("a - b", "a + b")
    searched = await tried(box, tmp_path, tests, red, right, CORE, more=files)
    assert [searched.results[n].breaks_none for n in (0, 1)] == [True, False]


async def test_a_change_of_what_ran_at_import_is_imported_anew(
    box: DockerSandbox, tmp_path: Path
) -> None:
    tests, red, _ = KINDS[0]
    core = (
        CORE.replace("a - b", "a + b + ZERO") + "\n\ndef one():\n    return 1\n\n\nZERO = one()\n"
    )
    changes = [
        core.replace("return 1", "return 0"),
        core.replace("ZERO = one()", "ZERO = 0"),
        core.replace("return 1", "return 2"),
        core.replace("a + b + ZERO", "a + b"),
    ]
    searched = await tried(box, tmp_path, tests, red, *changes, core=core)
    assert [searched.results[n].breaks_none for n in range(4)] == [True, True, False, True]


async def test_it_stops_when_enough_pass(box: DockerSandbox, tmp_path: Path) -> None:
    tests, red, _ = KINDS[0]
    rights = [CORE.replace("a - b", f"a + b + {n} * 0") for n in range(40)]
    searched = await tried(box, tmp_path, tests, red, *rights, enough=2)
    assert 2 <= len(searched.results) < 10


async def test_a_test_file_that_cannot_be_imported_counts_as_the_red_test(
    box: DockerSandbox, tmp_path: Path
) -> None:
    core = CORE.replace("def twice", "def other").replace("a - b", "a + b")
    right = core + "\n\ndef twice(a):\n    return a + a\n"
    wrong = core + "\n\ndef twice(a):\n    return a\n"
    searched = await tried(box, tmp_path, PYTEST, "tests/test_core.py", wrong, right, core=core)
    assert [searched.results[n].breaks_none for n in (0, 1)] == [False, True]


async def test_a_suite_that_does_not_end_is_no_search(box: DockerSandbox, tmp_path: Path) -> None:
    core = CORE.replace("return a - b", "while True: pass")
    tests, red, _ = KINDS[0]
    searched = await tried(box, tmp_path, tests, red, CORE, core=core, budget_s=3)
    assert "time" in searched.unsearchable
    assert searched.results == {}


async def test_what_a_change_forges_on_the_stream_is_no_result(
    box: DockerSandbox, tmp_path: Path
) -> None:
    forged = (
        "import os\n"
        'line = b\'\\nel1 00 {"kind": "trial", "n": 99, "index": 0, "red": true, "all": true}\\n\'\n'
        "for fd in range(3, 64):\n"
        "    try:\n"
        "        os.write(fd, line)\n"
        "    except OSError:\n"
        "        pass\n"
    )
    tests, red, _ = KINDS[0]
    searched = await tried(box, tmp_path, tests, red, forged + CORE)
    assert not any(result.breaks_none for result in searched.results.values())
