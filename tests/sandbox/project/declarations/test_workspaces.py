"""Neighbours in folders, and what is optional: never asked for in place of what is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from pip._internal.models.index import PyPI

from sandbox.project.requirements import read_needs
from tests.fakes.declared import LIB, check, declared

WORKSPACE = {
    "pyproject.toml": '[project]\nname = "top"\ndependencies = ["lib-a", "web>=2"]\n[build-system]\nrequires = ["hatchling", "lib-b"]\n[tool.uv.workspace]\nmembers = ["packages/*"]\nexclude = ["packages/old"]\n[tool.uv.sources]\nlib-a = { workspace = true }\nweb = { git = "https://example.com/web" }\n[dependency-groups]\ntest = ["pytest"]\ndev = ["pytest-mock", "black"]\n',
    "packages/lib_a/pyproject.toml": '[project]\nname = "Lib.A"\ndependencies = ["lib_b[fast]", "idna"]\n[project.optional-dependencies]\ntest = ["a-test"]\n[build-system]\nrequires = ["hatchling"]\n',
    "packages/lib_b/pyproject.toml": '[project]\nname = "lib-b"\ndependencies = ["attrs", "top"]\n[project.optional-dependencies]\nfast = ["orjson"]\n[build-system]\nrequires = ["flit_core"]\n',
    "packages/old/pyproject.toml": '[project]\nname = "old"\ndependencies = ["never"]\n',
    "packages/virtual/pyproject.toml": '[project]\nname = "virtual"\ndependencies = ["v", "old"]\n[tool.uv]\npackage = false\n[build-system]\nrequires = ["setuptools"]\n',
    "packages/not-a-project/readme.md": "",
}


def test_members_of_a_workspace_are_put_in_by_path_and_never_asked_for(tmp_path: Path) -> None:
    found = declared(tmp_path, WORKSPACE)
    check(
        found,
        "pytest\nidna\na-test\nattrs\norjson\nv\nold",
        ("web comes from https://example.com/web",),
    )
    assert sorted(found.members) == ["packages/lib_a", "packages/lib_b"]
    assert set(found.build_requires) == {"hatchling", "editables", "flit_core"}
    assert found.installable


def test_a_member_sees_the_sources_of_its_workspace(tmp_path: Path) -> None:
    found = declared(tmp_path, WORKSPACE, folder="packages/lib_a")
    check(found, "idna\na-test\nattrs\norjson", ("web comes from https://example.com/web",))
    assert sorted(found.members) == ["../..", "../lib_b"]
    assert found.installable


def test_nothing_is_read_above_the_repository(tmp_path: Path) -> None:
    declared(tmp_path, WORKSPACE)
    found = read_needs(tmp_path / "packages" / "lib_b")
    assert set(found.requirements) == {"attrs", "top"}
    assert found.members == ()


@pytest.mark.parametrize(
    "source",
    [
        '{ path = "lib" }',
        '{ path = "lib", editable = true }',
        '[{ path = "lib", marker = "sys_platform == \'linux\'" }]',
    ],
)
def test_a_source_by_path_takes_the_place_of_the_index(tmp_path: Path, source: str) -> None:
    text = f'[project]\nname = "x"\ndependencies = ["My_Lib>=1"]\n[tool.uv.sources]\nmy-lib = {source}\n'
    found = declared(tmp_path, {"pyproject.toml": text, **LIB})
    check(found, "idna")
    assert found.members == ("lib",)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ('{ index = "inner" }', "a comes from https://packages.example.com/simple"),
        ('{ url = "https://example.com/a.whl" }', "a comes from https://example.com/a.whl"),
        ('{ path = "../a" }', "a is outside of the project"),
        ('{ path = "gone" }', "there is no folder gone"),
        ("{ workspace = true }", "a is no member of the workspace"),
    ],
)
def test_a_source_that_cannot_be_followed_is_named_and_not_asked_for(
    tmp_path: Path, source: str, said: str
) -> None:
    text = f'[project]\nname = "x"\ndependencies = ["a"]\n[tool.uv.sources]\na = {source}\n[[tool.uv.index]]\nname = "inner"\nurl = "https://packages.example.com/simple"\nexplicit = true\n'
    check(declared(tmp_path, {"pyproject.toml": text}), "", (said,))


def test_a_name_that_is_found_to_be_a_folder_later_is_not_asked_for(tmp_path: Path) -> None:
    text = '[project]\nname = "x"\ndependencies = ["my-lib[more]"]\n'
    lib = {
        "lib/pyproject.toml": '[project]\nname = "my-lib"\n[project.optional-dependencies]\nmore = ["m"]\n[build-system]\nrequires = []\n'
    }
    found = declared(tmp_path, {"pyproject.toml": text, "requirements.txt": "-e lib\n", **lib})
    check(found, "m")
    assert found.members == ("lib",)


def test_what_is_optional_comes_along_if_the_tests_import_it(tmp_path: Path) -> None:
    text = '[project]\nname = "x"\n[project.optional-dependencies]\nwide = ["wcwidth>=0.2"]\nyaml = ["PyYAML"]\ndocs = ["sphinx", "torch"]\ncloud = ["google-cloud-storage"]\ntest = ["pytest"]\ndev = ["pytest-mock", "black"]\n'
    tests = 'def test_a():\n    import wcwidth  # noqa\ndef test_b():\n    pytest.importorskip("yaml")\nfrom google.cloud import storage\nimport google.cloud.storage as s\nimport torch\n'
    found = declared(
        tmp_path, {"pyproject.toml": text, "tests/test_a.py": tests, "src/x.py": "import sphinx\n"}
    )
    check(found, "pytest", ("torch, which tests import, is optional and very large",))
    assert set(found.optional) == {"wcwidth>=0.2", "PyYAML", "google-cloud-storage", "pytest-mock"}


UV_LOCK = """
version = 1
[needs]
members = ["top", "lib-a", "lib-b", "virtual"]
[[package]]
name = "top"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "lib-a" }, { name = "public" }]
[[package]]
name = "lib-a"
version = "1"
source = { editable = "packages/lib_a" }
dependencies = [{ name = "lib-b", extra = ["fast"] }, { name = "idna" }]
[[package]]
name = "lib-b"
version = "1"
source = { editable = "packages/lib_b" }
dependencies = [{ name = "attrs" }]
[package.optional-dependencies]
fast = [{ name = "orjson" }]
[[package]]
name = "idna"
version = "3.4"
source = { registry = "PUBLIC_INDEX" }
[[package]]
name = "attrs"
version = "23.1.0"
source = { registry = "PUBLIC_INDEX" }
[[package]]
name = "orjson"
version = "3.9"
source = { registry = "PUBLIC_INDEX" }
[[package]]
name = "secret-thing"
version = "3.9"
source = { registry = "https://me:geheim@packages.example.com/simple" }
""".replace("PUBLIC_INDEX", PyPI.simple_url)


@pytest.mark.parametrize("folder", ["", "packages/lib_a"])
def test_a_lock_of_the_workspace_holds_for_every_member(tmp_path: Path, folder: str) -> None:
    found = declared(tmp_path, {**WORKSPACE, "uv.lock": UV_LOCK}, folder=folder)
    assert {"idna==3.4", "attrs==23.1.0", "orjson==3.9"} <= set(found.requirements)
    assert not [line for line in found.requirements if line.startswith(("lib", "top"))]
    assert len(found.members) == 2


def test_what_a_lock_takes_from_an_index_of_its_own_is_not_asked_for_at_another(
    tmp_path: Path,
) -> None:
    text = '[project]\nname = "x"\ndependencies = ["secret-thing", "idna"]\n'
    found = declared(tmp_path, {"pyproject.toml": text, "uv.lock": UV_LOCK})
    check(
        found,
        "idna==3.4",
        (
            "secret-thing 3.9: uv.lock takes it from the index https://packages.example.com/simple; "
            "only releases from the package index are fetched",
        ),
    )


LOCKED_BY_PDM = """
[metadata]
groups = ["default", "test"]
[[package]]
name = "web"
version = "2.3"
groups = ["default"]
dependencies = ["split>=1; python_version < '3'", "idna"]
[[package]]
name = "web"
version = "2.3"
extras = ["fast"]
dependencies = ["orjson", "web==2.3"]
[[package]]
name = "idna"
version = "3.4"
[[package]]
name = "orjson"
version = "3.9"
[[package]]
name = "my-lib"
version = "1"
path = "./lib"
"""
LOCKED_BY_PIPENV = """
{"_meta": {"sources": [{"name": "pypi", "url": "PUBLIC_INDEX"},
  {"name": "inner", "url": "https://packages.example.com/simple"}]},
 "default": {"web": {"version": "==2.3", "index": "pypi"}, "my-lib": {"path": "./lib"},
  "inside": {"version": "==1", "index": "inner"},
  "win": {"version": "==1", "markers": "sys_platform == 'win32'"}},
 "develop": {"orjson": {"version": "==3.9"}, "idna": {"version": "==3.4"}}}
""".replace("PUBLIC_INDEX", PyPI.simple_url)


@pytest.mark.parametrize(
    ("name", "lock", "notes"),
    [
        ("pdm.lock", LOCKED_BY_PDM, ()),
        ("Pipfile.lock", LOCKED_BY_PIPENV, ("inside 1: Pipfile.lock takes it from the index",)),
    ],
)
def test_locks_of_pdm_and_pipenv_decide_the_versions(
    tmp_path: Path, name: str, lock: str, notes: tuple[str, ...]
) -> None:
    text = '[project]\nname = "x"\ndependencies = ["web[fast]>=2", "my-lib"]\n'
    found = declared(tmp_path, {"pyproject.toml": text, name: lock, **LIB})
    check(found, "web==2.3\nidna==3.4\norjson==3.9", notes)
    assert found.members == ("lib",)


def test_an_index_that_pip_itself_is_told_to_ask_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "https://packages.example.com/simple/")
    text = '[project]\nname = "x"\ndependencies = ["secret-thing", "idna"]\n'
    found = declared(tmp_path, {"pyproject.toml": text, "uv.lock": UV_LOCK})
    check(found, "idna==3.4\nsecret-thing==3.9")
