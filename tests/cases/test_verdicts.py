"""A run in the sandbox says of a project what its own tools say by hand, or what it left out."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cases.repository import Repository, fenced
from tests.fakes.openai_server import text

pytestmark = [pytest.mark.slow, pytest.mark.docker, pytest.mark.usefixtures("sandbox_image")]


@pytest.mark.parametrize(("folder", "path"), [(".", ["svc_a"]), ("svc_a", [])])
def test_one_project_of_a_monorepo_is_run_alone(
    repository: Repository, folder: str, path: list[str]
) -> None:
    for name in "ab":
        repository.put(
            {
                f"svc_{name}/pyproject.toml": f'[project]\nname = "svc-{name}"\nversion = "1"\n',
                f"svc_{name}/{name}.py": "def f(): return 1\n",
                f"svc_{name}/tests/test_{name}.py": f"import {name}\n"
                f"def test_it(): assert {name}.f() == 1\n",
            }
        )
    repository.commit({})
    done = repository.elagent("run-tests", *path, folder=folder)
    assert (done.code, "svc_b" in done.output) == (0, False)
    assert "1 passed" in done.output


def test_a_test_file_that_stays_outside_makes_no_ok(repository: Repository) -> None:
    made_up = "AKIA" + "ABCDEFGHIJKLMNOP"
    repository.commit(
        {
            "tests/test_scan.py": f'KEY = "{made_up}"\ndef test_scan(): assert KEY == ""\n',
            "tests/test_b.py": "def test_b(): assert 1\n",
        }
    )
    done = repository.elagent("run-tests")
    assert done.code != 0
    assert "tests/test_scan.py" in done.output
    assert not done.verdict.startswith("ok")


@pytest.mark.parametrize(
    "skips",
    [
        "class C(unittest.TestCase):\n    @classmethod\n    def setUpClass(cls):\n"
        "        raise unittest.SkipTest('no database')\n\n    def test_c(self): pass\n",
        "def setUpModule():\n    raise unittest.SkipTest('no database')\n\n\n"
        "class C(unittest.TestCase):\n    def test_c(self): pass\n",
    ],
    ids=["setUpClass", "setUpModule"],
)
def test_what_a_fixture_skips_is_skipped(repository: Repository, skips: str) -> None:
    passes = "import unittest\n\n\nclass D(unittest.TestCase):\n    def test_d(self): pass\n"
    repository.commit({"test_u.py": f"import unittest\n\n\n{skips}", "test_d.py": passes})
    done = repository.elagent("run-tests")
    assert (done.code, done.verdict) == (0, "ok: 1 passed, 1 skipped")


def test_code_for_a_newer_python_is_not_repaired_away(repository: Repository) -> None:
    newer = f"3.{sys.version_info.minor + 1}"
    code = "type Pair[T] = tuple[T, T]\n\n\ndef name(d):\n    return d\n"
    project = f'[project]\nname = "x"\nversion = "1"\nrequires-python = ">={newer}"\n'
    tests = "import x\n\n\ndef test_a(): assert x.name(1) == 1\n"
    repository.commit({"pyproject.toml": project, "x.py": code, "test_x.py": tests})
    older = fenced("x.py", "def name(d):\n    return d\n")
    done = repository.scripted([text(older)], "run-tests", "--fix")
    assert (done.code, repository.read("x.py")) == (3, code.encode())
    assert newer in done.output


def test_a_forked_child_that_leaves_does_not_hang_the_run(repository: Repository) -> None:
    forks = (
        "import os, sys\n\n\ndef test_child_leaves():\n    pid = os.fork()\n"
        "    if pid == 0:\n        sys.exit(0)\n    os.waitpid(pid, 0)\n\n\n"
        "def test_other(): assert 1\n"
    )
    repository.commit({"test_fork.py": forks})
    done = repository.elagent("run-tests", "--timeout", "20")
    assert (done.code, done.verdict) == (0, "ok: 2 passed")


def test_an_id_of_any_length_is_one_test(repository: Repository) -> None:
    long = (
        "import pytest\n\n\n"
        "@pytest.mark.parametrize('text', [pytest.param('x', id='x' * 3000), 'short'])\n"
        "def test_long(text): assert text\n"
    )
    repository.commit({"test_long.py": long})
    done = repository.elagent("run-tests")
    assert (done.code, done.verdict) == (0, "ok: 2 passed")


def test_a_link_inside_the_project_leads_to_its_target(repository: Repository) -> None:
    reads = (
        "import pathlib\n\n\ndef test_a():\n"
        "    data = pathlib.Path(__file__).parent / 'data' / 'x.txt'\n"
        "    assert data.read_text() == 'hello\\n'\n"
    )
    repository.put({"data/x.txt": "hello\n", "tests/test_a.py": reads})
    (repository.root / "tests" / "data").symlink_to(Path("../data"))
    repository.commit({})
    done = repository.elagent("run-tests")
    assert (done.code, done.verdict) == (0, "ok: 1 passed")


def test_a_gate_that_fails_a_green_suite_is_named(repository: Repository) -> None:
    """As coverage does with --cov-fail-under: each test passes, and pytest ends with 1."""
    gate = (
        "def pytest_sessionfinish(session):\n    session.exitstatus = 1\n\n\n"
        "def pytest_terminal_summary(terminalreporter):\n"
        "    terminalreporter.write_line('FAIL Required test coverage of 95% not reached')\n"
    )
    repository.commit({"conftest.py": gate, "test_m.py": "def test_a(): assert 1\n"})
    done = repository.elagent("run-tests")
    assert (done.code, done.verdict.startswith("ok")) == (1, False)
    assert "Required test coverage of 95% not reached" in done.output


def test_a_sanitised_completion_is_judged_by_what_the_model_wrote(repository: Repository) -> None:
    problem = {
        "task_id": "Own/0",
        "prompt": 'def total(xs):\n    """Sum of xs."""\n',
        "entry_point": "total",
        "canonical_solution": "    return sum(xs)\n",
        "test": "def check(candidate):\n    assert candidate([1, 2]) == 3\n",
    }
    right = [
        "    return sum(xs)\n```\nIt adds the numbers up.",
        "Here it is:\n```python\ndef total(xs):\n    '''Doc.\n    ```\n    total([1])\n    ```\n"
        "    '''\n    return sum(xs)\n```\nDone.",
        "```python\ndef total(xs):\n    return sum(xs)\n```",
        "    pass\n```\nIt does nothing.",
    ]
    samples = [json.dumps({"task_id": "Own/0", "completion": completion}) for completion in right]
    repository.put({"data.jsonl": json.dumps(problem), "samples.jsonl": "\n".join(samples)})
    repository.elagent(
        "eval", "humaneval", "--data", "data.jsonl", "--from", "samples.jsonl", "--out", "out"
    )
    rows = [json.loads(line) for line in repository.read("out/samples.jsonl").splitlines()]
    assert [row["sanitised_verdict"] for row in rows] == ["pass", "pass", "pass", "fail"]
