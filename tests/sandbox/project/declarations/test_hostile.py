"""Whatever stands in the files: the project's own error or an answer, and only plain requirements."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from packaging.requirements import Requirement

from sandbox.project.declarations.reading import ProjectError
from sandbox.project.requirements import read_needs

NAMES = [
    *("pyproject.toml", "setup.cfg", "setup.py", "requirements.txt", "requirements-dev.txt"),
    *("tox.ini", "tox.toml", "hatch.toml", "noxfile.py", "Pipfile", "environment.yml"),
    *("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock", "pytest.ini"),
]
WORDS = [
    *("a", "a>=1", "-r requirements.txt", "-c requirements.txt", "-e .", "-e ./lib", "./lib[x]"),
    *(
        "a @ file:lib",
        "a @ https://x/y",
        "git+ssh://x@y/z",
        "${X}",
        "\\",
        "#",
        "--hash=x",
        "-r",
        "-e",
    ),
    *(
        "[",
        "]",
        "{",
        "}",
        "\n",
        " ",
        "=",
        ":",
        '"',
        "'",
        ",",
        "^1",
        "~2",
        "*",
        "||",
        "^",
        "^a",
        "~",
        "\0",
    ),
    *(
        "setup(",
        "install_requires",
        "extras_require",
        "x = x + x\n",
        "dict(",
        ")",
        "**",
        "open(",
        "é",
    ),
    *(
        "[testenv]\ndeps =",
        "{[testenv]deps}",
        "py{3,4}-{a,b}: x",
        "[tox]\nenvlist =",
        "- pip:\n  - a",
    ),
]
KEYS = [
    *("project", "name", "dependencies", "optional-dependencies", "test", "dev", "dynamic", "tool"),
    *(
        "poetry",
        "group",
        "uv",
        "sources",
        "workspace",
        "members",
        "exclude",
        "path",
        "index",
        "a",
        "lib",
    ),
    *("version", "markers", "python", "platform", "extras", "git", "source", "package", "packages"),
    *(
        "dependency-groups",
        "include-group",
        "include-groups",
        "conflicts",
        "extra",
        "hatch",
        "envs",
    ),
    *(
        "features",
        "template",
        "tox",
        "env_list",
        "env_run_base",
        "deps",
        "setuptools",
        "file",
        "pdm",
    ),
    *(
        "dev-dependencies",
        "resolution",
        "overrides",
        "build-system",
        "requires",
        "default",
        "develop",
    ),
    *(
        "editable",
        "marker",
        "url",
        "lock-version",
        "created-by",
        "legacy_tox_ini",
        "flit",
        "metadata",
    ),
    *(
        "override-dependencies",
        "constraint-dependencies",
        "dev-packages",
        "addopts",
        "pytest",
        "scripts",
    ),
]
LEAVES = st.one_of(st.sampled_from(WORDS), st.booleans(), st.integers(-2, 9), st.sampled_from(KEYS))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    ),
    max_leaves=12,
)


def written(value: object) -> str:
    """Write a value as TOML, tables inside one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(k)} = {written(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(written(each) for each in value)}]"
    return json.dumps(value, ensure_ascii=False)


def document(value: dict[str, object]) -> str:
    return "\n".join(f"{json.dumps(key)} = {written(inner)}" for key, inner in value.items())


TEXTS = st.one_of(
    st.lists(st.sampled_from(WORDS), max_size=12).map("".join),
    st.lists(st.sampled_from(WORDS), max_size=12).map("\n".join),
    st.dictionaries(st.sampled_from(KEYS), TREES, max_size=5).map(document),
    st.dictionaries(st.sampled_from(KEYS), TREES, max_size=5).map(json.dumps),
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    def make() -> Path:
        root = tmp_path_factory.mktemp("hostile")
        (root / "lib").mkdir()
        (root / "lib" / "pyproject.toml").write_text('[project]\nname = "lib"\n[build-system]\n')
        (root / "test_x.py").write_text("import a, lib\n")
        return root

    return make


def read_safely(root: Path) -> None:
    try:
        needs = read_needs(root)
    except ProjectError as error:
        is_one_line = "\n" not in str(error)
        assert is_one_line
        return
    for line in (*needs.requirements, *needs.optional, *needs.constraints):
        requirement = Requirement(line)
        assert requirement.url is None
        assert requirement.name.lower() != "lib" or "lib" not in needs.members
        assert "\n" not in line
    for folder in needs.members:
        assert (root / folder).resolve().is_relative_to(root.resolve())
    assert all(note.strip() and "\n" not in note for note in needs.skipped)


@settings(max_examples=150, deadline=None)
@given(files=st.dictionaries(st.sampled_from(NAMES), TEXTS, min_size=1, max_size=4))
def test_any_files_give_an_answer_or_one_sentence(
    folders: Callable[[], Path], files: dict[str, str]
) -> None:
    root = folders()
    for name, text in files.items():
        (root / name).write_bytes(text.encode())
    read_safely(root)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(NAMES), data=st.binary(max_size=200))
def test_any_bytes_give_an_answer_or_one_sentence(
    folders: Callable[[], Path], name: str, data: bytes
) -> None:
    root = folders()
    (root / name).write_bytes(data)
    read_safely(root)
