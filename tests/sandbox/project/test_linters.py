"""Linters count where a project's own configuration names them, and none may change a file."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sandbox.project.linters import ENDS, STARTS, Linter, find_linters


@pytest.mark.parametrize(
    ("name", "text", "tool"),
    [
        ("ruff.toml", "", "ruff"),
        (".ruff.toml", "line-length = 90\n", "ruff"),
        ("pyproject.toml", "[tool.ruff.lint]\nselect = ['F']\n", "ruff"),
        ("mypy.ini", "[mypy]\n", "mypy"),
        ("setup.cfg", "[metadata]\nname = x\n\n[mypy]\nstrict = true\n", "mypy"),
        ("pyproject.toml", "[tool.mypy]\nstrict = true\n", "mypy"),
        ("tsconfig.json", "{}", "tsc"),
        ("clippy.toml", "", ""),
    ],
)
def test_a_tool_is_found_in_the_file_that_configures_it(
    tmp_path: Path, name: str, text: str, tool: str
) -> None:
    (tmp_path / name).write_text(text)
    assert [linter.name for linter in find_linters(tmp_path)] == ([tool] if tool else [])


def test_clippy_needs_a_word_of_the_project_beside_its_cargo_file(tmp_path: Path) -> None:
    (tmp_path / "Cargo.toml").write_text("[package]\nname = 'x'\n")
    assert find_linters(tmp_path) == ()
    (tmp_path / "clippy.toml").write_text("")
    assert [linter.name for linter in find_linters(tmp_path)] == ["clippy"]


@pytest.mark.parametrize("text", ["", "[project]\nname = 'x'\n", "[tool.ruff", "tool = 1\n"])
def test_a_project_that_says_nothing_has_no_linter(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert find_linters(tmp_path) == ()


def test_layout_is_looked_at_where_the_formatter_is_configured(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("[format]\nquote-style = 'double'\n")
    (linter,) = find_linters(tmp_path)
    assert "ruff format --check" in linter.command
    assert "--no-fix" in linter.command


def test_a_tool_sees_the_files_it_reads_and_names_are_no_shell(tmp_path: Path) -> None:
    (tmp_path / "ruff.toml").write_text("")
    (linter,) = find_linters(tmp_path)
    assert linter.script(["README.md"]) == ""
    script = linter.script(["a; touch owned.py", "-x.py"])
    assert "'./a; touch owned.py'" in script
    assert "./-x.py" in script


def test_a_tool_that_the_image_lacks_is_passed_over(tmp_path: Path) -> None:
    absent = Linter(name="gone", program="el-no-such-tool", command="el-no-such-tool {files}")
    there = Linter(name="cat", program="cat", command="cat {files}")
    (tmp_path / "a.txt").write_text("a.txt:1: bad\n")
    script = "\n".join([absent.script(["a.txt"]), there.script(["a.txt"])])
    done = subprocess.run(
        ["/bin/sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{STARTS} cat\na.txt:1: bad\n\n{ENDS} 0\n"
