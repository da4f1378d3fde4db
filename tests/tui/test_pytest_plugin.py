"""`pytest --elagent-fix`: red tests are handed to a repair, and the run stays what it was."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import elagent
from tests.fakes.openai_server import FakeServer, serve, text

pytest_plugins = ["pytester"]

ROOT = Path(__file__).resolve().parents[2]
TESTS = """
import pytest

@pytest.mark.parametrize("n", [1, 2])
def test_red(n):
    assert n == 3

def test_green():
    pass
"""
RED = "test_it.py::test_red[1]"
DIFF = "--- a/it.py\n+++ b/it.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"


def finished(before: list[str], after: list[str], *, diff: str = "", reason: str) -> str:
    fields = {"red_before": before, "red_after": after, "diff": diff, "reason": reason}
    return json.dumps({"v": 1, "event": "fix_finished", **fields})


class Repairer:
    """A program in the place of elagent: notes its arguments, says what a test scripts."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._asked, script = folder / "asked.json", folder / "repairer.py"
        self._said = folder / "said"
        script.write_text(
            "import json, pathlib, sys\n"
            f"pathlib.Path({str(self._asked)!r}).write_text(json.dumps(sys.argv[1:]))\n"
            f"lines, errors, code = json.loads(pathlib.Path({str(self._said)!r}).read_text())\n"
            "print(*lines, sep='\\n')\n"
            "print(errors, end='', file=sys.stderr)\n"
            "sys.exit(code)\n"
        )
        monkeypatch.setattr(elagent, "command", lambda: [sys.executable, str(script)])

    def says(self, *lines: str, errors: str = "", code: int = 0) -> None:
        self._said.write_text(json.dumps([lines, errors, code]))

    @property
    def asked(self) -> list[str] | None:
        if not self._asked.exists():
            return None
        found: list[str] = json.loads(self._asked.read_text())
        return found


@pytest.fixture
def repairer(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Repairer:
    return Repairer(tmp_path_factory.mktemp("repairer"), monkeypatch)


def pytest_run(pytester: pytest.Pytester, *words: str) -> pytest.RunResult:
    # named, as an installation from before it was a plugin does not load it
    others = ("-p", "no:cacheprovider", "-p", "no:asyncio")
    return pytester.runpytest_inprocess("-p", "elagent_pytest", *others, *words)


def test_red_tests_are_repaired_and_the_run_stays_failed(
    pytester: pytest.Pytester, repairer: Repairer
) -> None:
    pytester.makepyfile(test_it=TESTS)
    repairer.says(
        json.dumps({"event": "edit_applied", "path": "it.py"}),
        finished([RED, "test_other.py::test_b"], [], diff=DIFF, reason="all green"),
    )
    result = pytest_run(pytester, "--elagent-fix")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*= elagent =*", "changed: it.py", "+x = 2", "repaired: test_it.py::test_red*1*",
            "2 repaired", "this run stays failed: run pytest again; `elagent undo` takes*",
            "*2 failed, 1 passed*",
        ]
    )  # fmt: skip
    root = str(pytester.path)
    assert repairer.asked == ["run-tests", "--fix", "--json", f"--only={RED}", "--", root]


def test_what_stays_red_is_said(pytester: pytest.Pytester, repairer: Repairer) -> None:
    pytester.makepyfile(test_it=TESTS)
    both = [RED, RED.replace("1", "2")]
    repairer.says(finished(both, both[1:], diff=DIFF, reason="attempts used up"), code=1)
    result = pytest_run(pytester, "--elagent-fix")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["still red: *", "1 repaired; 1 stay red: attempts used up"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (finished([RED], [RED], reason="stuck"), "nothing was repaired: stuck"),
        (
            finished([], [], reason="all green"),
            "nothing was repaired: no test is red in the sandbox*",
        ),
        ("", "nothing was repaired: elagent ended with exit code 3"),
    ],
)
def test_a_repair_of_nothing_says_why(
    pytester: pytest.Pytester, repairer: Repairer, line: str, said: str
) -> None:
    pytester.makepyfile(test_it=TESTS)
    repairer.says(line, errors="elagent: no Docker engine\x1b[2J", code=3)
    result = pytest_run(pytester, "--elagent-fix")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["elagent: no Docker engine\N{REPLACEMENT CHARACTER}*", said])
    result.stdout.no_fnmatch_line("*run pytest again*")


def test_a_file_that_cannot_be_collected_is_handed_over(
    pytester: pytest.Pytester, repairer: Repairer
) -> None:
    pytester.makepyfile(test_it="import not_there_at_all")
    repairer.says(finished(["test_it.py"], ["test_it.py"], reason="stuck"), code=1)
    assert pytest_run(pytester, "--elagent-fix").ret == pytest.ExitCode.INTERRUPTED
    assert repairer.asked is not None
    assert "--only=test_it.py" in repairer.asked


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def test_a():\n    pass\n", ["--elagent-fix"]),
        ("def test_a():\n    assert False\n", []),
        ("def test_a():\n    raise KeyboardInterrupt\n", ["--elagent-fix"]),
        (
            "import pytest\ndef test_a():\n    assert 0\n"
            "def test_b():\n    pytest.exit('enough')\n",
            ["--elagent-fix"],
        ),
    ],
    ids=["green", "not asked for", "interrupted", "left"],
)
def test_nothing_is_started_unless_tests_failed_and_it_was_asked_for(
    pytester: pytest.Pytester, repairer: Repairer, body: str, words: list[str]
) -> None:
    pytester.makepyfile(test_it=body)
    try:
        result = pytest_run(pytester, *words)
        result.stdout.no_fnmatch_line("*= elagent =*")
    except KeyboardInterrupt:
        pass  # pytester gives it on
    assert repairer.asked is None


def test_the_plugin_imports_nothing_of_elagent(tmp_path: Path) -> None:
    code = (
        "import sys, pytest\n"
        "pytest.main(['-p', 'elagent_pytest', '-q', '-p', 'no:cacheprovider', sys.argv[1]])\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    loaded = set(done.stdout.split())
    assert "elagent_pytest" in loaded
    assert loaded.isdisjoint({"elagent", "agent", "lab", "learning", "sandbox", "tui", "torch"})


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.usefixtures("sandbox_image")
def test_a_failing_project_is_green_in_the_second_run(tmp_path: Path) -> None:
    project = tmp_path / "shop"
    project.mkdir()
    (project / "pyproject.toml").write_text("[tool.pytest.ini_options]\npythonpath = ['.']\n")
    (project / "shop.py").write_text("def total(prices):\n    return sum(prices[1:])\n")
    (project / "test_shop.py").write_text(
        "import shop\n\n\ndef test_total():\n    assert shop.total([1, 2, 3]) == 6\n"
        "\n\ndef test_none():\n    assert shop.total([]) == 0\n"
    )
    good = "shop.py\n```python\ndef total(prices):\n    return sum(prices)\n```\n"
    with serve(FakeServer(script=[text(good)])) as server:
        environ = {
            **os.environ,
            "ELAGENT_HOME": str(tmp_path / "home"),
            "ELAGENT_SANDBOX_IMAGE": "lite",
            "ELAGENT_MODEL_BASE_URL": server.url,
            "ELAGENT_MODEL_NAME": "fake",
            "ELAGENT_FIX_SEARCH_S": "0",
            "PYTHONPATH": str(ROOT),
        }
        words = [sys.executable, "-m", "pytest", "-p", "elagent_pytest", "--elagent-fix"]
        first, second = (
            subprocess.run(
                words, cwd=project, env=environ, capture_output=True, text=True, check=False,
                timeout=300,
            )
            for _ in range(2)
        )  # fmt: skip
    assert "repaired: test_shop.py::test_total" in first.stdout, first.stdout
    assert "1 repaired\nthis run stays failed" in first.stdout
    assert (first.returncode, second.returncode) == (1, 0)
