"""`elagent run-tests` as a person meets it: which project is meant, and what is not judged."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("sandbox_image")]
ROOT = Path(__file__).resolve().parents[2]
KEY = "AKIA" + "ABCDEFGHIJKLMNOP"


def run_tests(cwd: Path, home: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(ROOT / "elagent.py"), "run-tests", *args],
        cwd=cwd,
        env={**os.environ, "ELAGENT_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def repository(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["/usr/bin/env", "git", "init", "-q", str(root)], check=True)
    return root


def test_a_folder_of_a_monorepo_means_its_project_with_its_siblings(tmp_path: Path) -> None:
    root = repository(
        tmp_path / "mono",
        {
            "lib/shared.py": "def two():\n    return 2\n",
            "svc_a/pyproject.toml": "[tool.pytest.ini_options]\n"
            'pythonpath = ["../lib"]\ntestpaths = ["tests"]\n',
            "svc_a/a.py": "from shared import two\n",
            "svc_a/tests/test_a.py": "import a\n\n\ndef test_a():\n    assert a.two() == 2\n",
            "svc_a/scripts/test_manual.py": "raise SystemExit\n",
            "svc_b/pyproject.toml": "",
            "svc_b/tests/test_b.py": "def test_b():\n    assert False\n",
        },
    )
    done = run_tests(root / "svc_a", tmp_path / "home", "--json")
    assert done.returncode == 0, done.stdout
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["report"]["results"][0]["id"] for event in events if "report" in event] == [
        "svc_a/tests/test_a.py::test_a"
    ]


def test_a_test_that_stays_outside_makes_the_run_incomplete_unless_it_is_masked(
    tmp_path: Path,
) -> None:
    root = repository(
        tmp_path / "p",
        {
            "tests/test_scan.py": f'KEY = "{KEY}"\n\n\ndef test_scan():\n    assert len(KEY) == 20\n',
            "tests/test_b.py": "def test_b():\n    assert 1\n",
        },
    )
    done = run_tests(root, tmp_path / "home")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("incomplete: 1 passed")
    masked = run_tests(root, tmp_path / "home", "--mask-secrets")
    assert masked.returncode == 0
    assert "placeholders stood for the secrets of tests/test_scan.py" in masked.stdout


def test_a_path_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = run_tests(tmp_path, tmp_path / "home", "nope")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "there is no nope" in done.stderr


def test_a_patch_is_of_a_repair_only(tmp_path: Path) -> None:
    earlier = tmp_path / "kept.patch"
    earlier.write_text("--- a/of_an_earlier_run.py\n")
    plain = run_tests(tmp_path, tmp_path / "home", "--patch", str(earlier))
    assert plain.returncode == 2
    assert "--only and --patch go with --fix" in plain.stderr
    assert earlier.exists()
    root = repository(tmp_path / "p", {"tests/test_a.py": "def test_a():\n    assert 1\n"})
    unmade = run_tests(root, tmp_path / "home", "--fix", "--patch", str(earlier), "--base-url", "x")
    assert unmade.returncode != 0
    assert not earlier.exists()


def test_a_file_that_is_no_patch_is_not_replaced_by_one(tmp_path: Path) -> None:
    root = repository(tmp_path / "p", {"tests/test_a.py": "def test_a():\n    assert 1\n"})
    own = root / "tests" / "test_a.py"
    done = run_tests(root, tmp_path / "home", "--fix", "--patch", str(own))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "exists and is no patch: name another file" in done.stderr
    assert own.read_text().startswith("def test_a")


def test_a_patch_that_cannot_be_written_is_told_before_the_repair(tmp_path: Path) -> None:
    root = repository(tmp_path / "p", {"tests/test_a.py": "def test_a():\n    assert 0\n"})
    (tmp_path / "file").touch()
    patch = tmp_path / "file" / "x.patch"
    done = run_tests(root, tmp_path / "home", "--fix", "--patch", str(patch))
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"--patch {patch} cannot be written" in done.stderr


def test_a_test_to_repair_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    root = repository(tmp_path / "p", {"tests/test_a.py": "def test_a():\n    assert 1\n"})
    done = run_tests(root, tmp_path / "home", "--fix", "--only", "tests/nope.py::test_a")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "there is no tests/nope.py::test_a" in done.stderr
