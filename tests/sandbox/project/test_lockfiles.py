"""Lock files decide the versions; what they do not know stays as it was declared."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, strategies as st
from packaging.requirements import Requirement

from sandbox.project.declarations.locks.reading import read_lock
from sandbox.project.declarations.reading import FileTree, ProjectError
from sandbox.project.detection import detect
from sandbox.project.lockfiles import pin

PROJECT = """
[project]
name = "mine"
dependencies = ["web>=2", "git-thing", "unknown>=1", 'winonly; sys_platform == "win32"']
[dependency-groups]
test = ["tester[color]"]
"""
UV = """
version = 1
[[package]]
name = "mine"
version = "0.1"
source = { editable = "." }
dependencies = [{ name = "web" }]
[[package]]
name = "web"
version = "2.3"
source = { registry = "https://example.org/simple" }
dependencies = [
    { name = "split", version = "1.0", marker = "python_full_version < '3'" },
    { name = "split", version = "2.0", marker = "python_full_version >= '3'" },
    { name = "pywin32", marker = "sys_platform == 'win32'" },
    { name = "loop" },
]
[[package]]
name = "loop"
version = "1"
source = { registry = "https://example.org/simple" }
dependencies = [{ name = "web" }]
[[package]]
name = "split"
version = "1.0"
source = { registry = "https://example.org/simple" }
resolution-markers = ["python_full_version < '3'"]
[[package]]
name = "split"
version = "2.0"
source = { registry = "https://example.org/simple" }
resolution-markers = ["python_full_version >= '3'"]
[[package]]
name = "pywin32"
version = "306"
source = { registry = "https://example.org/simple" }
[[package]]
name = "git-thing"
version = "9"
source = { git = "https://example.org/thing?rev=1" }
[[package]]
name = "tester"
version = "8.1.0rc1"
source = { registry = "https://example.org/simple" }
[package.optional-dependencies]
color = [{ name = "colored" }]
[[package]]
name = "colored"
version = "0.5"
source = { registry = "https://example.org/simple" }
[[package]]
name = "never-asked-for"
version = "1"
source = { registry = "https://example.org/simple" }
"""
POETRY_PROJECT = """
[tool.poetry]
name = "mine"
[tool.poetry.dependencies]
python = "^3.9"
Web_Thing = "^2.0"
[tool.poetry.group.dev.dependencies]
tester = { version = "*", extras = ["cov"] }
"""
POETRY = """
[[package]]
name = "web-thing"
version = "2.3"
optional = false
python-versions = ">=3.8"
[package.dependencies]
Split = [
    { version = "1.*", markers = "python_version < \\"3\\"" },
    { version = ">=2", markers = "python_version >= \\"3\\"" },
]
[[package]]
name = "split"
version = "1.0"
python-versions = "<3"
[[package]]
name = "split"
version = "2.0"
python-versions = ">=3,<4"
[[package]]
name = "tester"
version = "8.0"
python-versions = "*"
groups = ["dev"]
markers = { dev = "python_version >= \\"3.0\\"" }
[package.dependencies]
coverage = { version = ">=5", optional = true, markers = "extra == \\"cov\\"" }
[package.extras]
cov = ["coverage[toml] (>=5)"]
[[package]]
name = "coverage"
version = "7.1"
python-versions = ">=3.8"
[package.dependencies]
local = "*"
[[package]]
name = "local"
version = "1"
python-versions = "*"
[package.source]
type = "directory"
url = "../local"
[metadata]
lock-version = "2.1"
"""
PYLOCK = """
lock-version = "1.0"
created-by = "pip"
[[packages]]
name = "web"
version = "2.3"
[[packages]]
name = "tester"
version = "8.0"
marker = "'test' in dependency_groups"
[[packages]]
name = "docs-only"
version = "1"
marker = "'docs' in extras"
[[packages]]
name = "old"
version = "1"
marker = "python_version < '3'"
[[packages]]
name = "mine"
directory = { path = ".", editable = true }
[[packages]]
name = "from-git"
version = "1"
vcs = { type = "git", url = "https://example.org/x", commit-id = "0" }
"""


def locked(root: Path, name: str, lock: str, pyproject: str = PROJECT) -> tuple[str, ...]:
    (root / "pyproject.toml").write_text(pyproject)
    (root / name).write_text(lock)
    return detect(root).requirements


def test_uv_lock_gives_the_versions_of_all_that_is_needed(tmp_path: Path) -> None:
    assert set(locked(tmp_path, "uv.lock", UV)) == {
        "web==2.3",
        "split==2.0",
        "loop==1",
        "tester==8.1.0rc1",
        "colored==0.5",
        "unknown>=1",
    }


def test_what_is_locked_to_a_repository_is_not_taken_from_the_index(tmp_path: Path) -> None:
    locked(tmp_path, "uv.lock", UV)
    assert detect(tmp_path).skipped == (
        "git-thing 9: uv.lock takes it from git; only releases from the package index are fetched",
    )


def test_poetry_lock_gives_the_versions_of_groups_and_extras(tmp_path: Path) -> None:
    found = locked(tmp_path, "poetry.lock", POETRY, POETRY_PROJECT)
    assert set(found) == {"web-thing==2.3", "split==2.0", "tester==8.0", "coverage==7.1"}
    assert "takes it from directory" in detect(tmp_path).skipped[0]


def test_pylock_is_itself_the_list_of_what_is_installed(tmp_path: Path) -> None:
    assert set(locked(tmp_path, "pylock.toml", PYLOCK)) == {
        "web==2.3",
        "tester==8.0",
        "git-thing",
        "unknown>=1",
    }


def test_a_lock_that_is_behind_the_declaration_gives_way_and_says_so(tmp_path: Path) -> None:
    pyproject = '[project]\nname = "mine"\ndependencies = ["web>=3"]\n'
    assert locked(tmp_path, "uv.lock", UV, pyproject) == ("web>=3",)
    assert "uv.lock has web 2.3, but web>=3 is declared" in detect(tmp_path).skipped[0]


def test_the_standard_lock_comes_first(tmp_path: Path) -> None:
    (tmp_path / "uv.lock").write_text(UV)
    (tmp_path / "pylock.toml").write_text(PYLOCK)
    lock = read_lock(FileTree(tmp_path), tmp_path)
    assert lock is not None
    assert lock.file == "pylock.toml"


def test_a_change_of_the_lock_changes_what_the_layer_is_made_of(tmp_path: Path) -> None:
    before = locked(tmp_path, "uv.lock", UV)
    after = locked(tmp_path, "uv.lock", UV.replace('"2.3"', '"2.4"'))
    assert set(after) - set(before) == {"web==2.4"}


@pytest.mark.parametrize("name", ["pylock.toml", "uv.lock", "poetry.lock"])
def test_a_broken_lock_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("[[package\n")
    with pytest.raises(ProjectError, match=f"{name} is not valid TOML: .*line 1"):
        detect(tmp_path)


def test_pins_of_requirement_files_and_tox_are_kept(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("web==2.3 \\\n    --hash=sha256:00\n")
    (tmp_path / "tox.ini").write_text(
        "[testenv]\ndeps =\n    pytest<9  # runner\n    -rmore.txt\n    py38: old\n"
        "    {[base]deps}\n    -e .\n    coverage[toml]\ncommands = pytest\n"
    )
    (tmp_path / "more.txt").write_text("anyio==4\n")
    project = detect(tmp_path)
    assert set(project.requirements) == {"web==2.3", "pytest<9", "anyio==4", "coverage[toml]"}
    assert project.runner == "pytest"


names = st.sampled_from(["a", "B_c", "-bad", "x y", "a==1 ; b", "../x", "a\nb", ""])
versions = st.sampled_from(["1.0", "2", "not a version", "1; x", "", "1.0 --index-url=x"])
markers = st.sampled_from(["", "python_version >= '3'", "bad marker", "extra == 'x'", "((" * 50])


@st.composite
def hostile_lock(draw: st.DrawFn) -> str:
    lines = []
    for _ in range(draw(st.integers(0, 4))):
        lines.append(draw(st.sampled_from(["[[package]]", "[[packages]]"])))
        texts = st.one_of(names, versions, markers)
        keys = ("name", "version", "marker", "markers", "python-versions")
        lines += [f"{key} = {draw(texts)!r}".replace("\\n", " ") for key in keys]
        edge = f"[{{ name = {draw(names)!r}, marker = {draw(markers)!r} }}]"
        lines.append(f"dependencies = {edge}".replace("\\n", " "))
    return "\n".join(lines).replace("'", '"')


@given(st.one_of(hostile_lock(), st.text(max_size=200)), st.lists(st.sampled_from(["a", "b-c"])))
def test_whatever_a_lock_says_only_plain_requirements_come_out(
    tmp_path_factory: pytest.TempPathFactory, text: str, wanted: Sequence[str]
) -> None:
    root = tmp_path_factory.mktemp("lock")
    for name in ("pylock.toml", "uv.lock", "poetry.lock"):
        (root / name).write_text(text, "utf-8")
        try:
            lock = read_lock(FileTree(root), root)
        except ProjectError:
            continue
        finally:
            (root / name).unlink()
        assert lock is not None
        for line in pin(wanted, lock, local=["mine"]).lines:
            requirement = Requirement(line)
            assert requirement.url is None
            assert "\n" not in line


def test_markers_are_judged_for_the_box_not_for_this_machine(tmp_path: Path) -> None:
    assert sys.version_info >= (3,)
    lock = PYLOCK + (
        '[[packages]]\nname = "linux"\nversion = "1"\nmarker = "sys_platform == \'linux\'"\n'
    )
    assert "linux==1" in locked(tmp_path, "pylock.toml", lock)
