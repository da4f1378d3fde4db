"""The words of linters become problems at places; moved lines are no new problems."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.testing.diagnostics import (
    Diagnostic,
    failed,
    in_short,
    introduced,
    ran,
    read_diagnostics,
)
from sandbox.project.linters import find_linters

UNUSED = "F401 [*] `os` imported but unused"


def problem(line: int, text: str = UNUSED, path: str = "a.py") -> Diagnostic:
    return Diagnostic(path=path, line=line, text=text)


@pytest.mark.parametrize(
    ("line", "path", "number"),
    [
        ("a.py:1:8: F401 [*] `os` imported but unused", "a.py", 1),
        ("./a.py:12: error: Incompatible types  [assignment]", "a.py", 12),
        ("src/a.ts(3,5): error TS2322: Type 'string' is not assignable.", "src/a.ts", 3),
        ("src/main.rs:2:9: warning: unused variable: `x`", "src/main.rs", 2),
        ("Would reformat: a.py", "a.py", 0),
    ],
)
def test_each_tools_own_form_is_read(line: str, path: str, number: int) -> None:
    (found,) = read_diagnostics(line, folder="", only={path})
    assert (found.path, found.line) == (path, number)


def test_paths_are_those_of_the_repository_and_other_files_are_left_out() -> None:
    output = "a.py:1: bad\nb.py:1: bad\n../../etc/passwd:1: bad\na.py:2: note: see there\n"
    (found,) = read_diagnostics(output, folder="packages/one", only={"packages/one/a.py"})
    assert str(found) == "packages/one/a.py:1: bad"


@pytest.mark.parametrize("output", ["", "Found 3 errors.", "12:00:01 started", "error: no config"])
def test_other_words_are_no_problems(output: str) -> None:
    assert read_diagnostics(output, folder="", only={"a.py"}) == []


def test_a_problem_that_only_moved_is_not_new_and_a_second_one_is() -> None:
    assert introduced([problem(1)], [problem(9)]) == []
    assert introduced([problem(1)], [problem(1), problem(9)]) == [problem(9)]
    moved = "redefinition of unused `os` from line 3"
    assert introduced([problem(7, moved)], [problem(8, moved.replace("3", "4"))]) == []


def test_the_new_problems_come_first_and_the_rest_is_counted() -> None:
    found = [problem(n, f"E{n}") for n in range(5)]
    said = in_short(["ruff", "mypy"], found, found[4:])
    assert said.splitlines()[0] == "ruff, mypy: 5 problems in the changed files, 1 new"
    assert said.splitlines()[1] == "  a.py:4: E4"
    assert said.splitlines()[-1] == "  and 2 more"
    assert in_short(["ruff"], [], []) == "ruff: no problem in the changed files"


def test_the_tools_that_ran_are_those_that_were_announced() -> None:
    assert ran("@elagent runs ruff\na.py:1: bad\n@elagent runs mypy\n") == ["ruff", "mypy"]


def run_linters(folder: Path) -> str:
    """The output of this environment's tools about `a.py`."""
    script = "\n".join(linter.script(["a.py"]) for linter in find_linters(folder))
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    return subprocess.run(
        ["/bin/sh", "-c", f"exec 2>&1\n{script}"],
        cwd=folder,
        env={"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    ).stdout


@pytest.mark.parametrize(
    ("output", "sentences"),
    [
        ("@elagent runs a\n@elagent ended 0\n", []),
        ("@elagent runs a\na.py:1: bad\n@elagent ended 1\n", []),
        ("@elagent runs a\n@elagent ended 1\n", []),
        (
            "@elagent runs a\nNo module named a\n@elagent ended 1\n",
            ["a ended with exit code 1: No module named a"],
        ),
        (
            "@elagent runs a\nsh: a: not found\n@elagent ended 127\n",
            ["a cannot be run: the image has no such program"],
        ),
        (
            '@elagent runs mypy\npyproject.toml:1: error: Error importing plugin "nope"\n\n@elagent ended 2\n',
            ['mypy ended with exit code 2: pyproject.toml:1: error: Error importing plugin "nope"'],
        ),
        ("@elagent runs a\nwould reformat a.py\nOh no!\n@elagent ended 1\n", []),
        (
            "@elagent runs a\n/w/a.js\n  1:1  error  no-unused-vars\n1 problem\n@elagent ended 1\n",
            [],
        ),
        ("@elagent runs a\na.py:1:1: E225\nsh: b: not found\n@elagent ended 127\n", []),
        (
            "@elagent runs a\nbroken\n@elagent ended 2\n@elagent runs b\nb.py:1: x\n@elagent ended 1\n",
            ["a ended with exit code 2: broken"],
        ),
    ],
)
def test_a_tool_that_could_not_look_is_no_tool_that_found_nothing(
    output: str, sentences: list[str]
) -> None:
    assert list(failed(output).values()) == sentences


def test_a_ruff_that_cannot_read_its_settings_is_told_and_mypy_still_looks(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("no-such-setting = 1\n")
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    (tmp_path / "a.py").write_text("def add(a: int) -> str:\n    return a\n")
    output = run_linters(tmp_path)
    assert list(failed(output)) == ["ruff"], output
    assert read_diagnostics(output, folder="", only={"a.py"})


def test_the_words_of_the_real_ruff_and_mypy_are_read(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.ruff.format]\n[tool.mypy]\nstrict = true\n")
    (tmp_path / "a.py").write_text("import os\n\n\ndef add(a: int) -> str:\n    return  a\n")
    before = (tmp_path / "a.py").read_bytes()
    output = run_linters(tmp_path)
    assert ran(output) == ["ruff", "mypy"]
    found = [str(item) for item in read_diagnostics(output, folder="", only={"a.py"})]
    assert any(item.startswith("a.py:1: F401") for item in found), output
    assert any(item.startswith("a.py:5: error: Incompatible return") for item in found), output
    assert any(item.startswith("a.py:5: unformatted") for item in found), output
    assert (tmp_path / "a.py").read_bytes() == before
