"""Neighbours in folders, and what is optional: never asked for in place of what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.requirements import read_manifest
from tests.fakes.declared import LIB, check, declared

WORKSPACE = {
    "pyproject.toml": '[project]\nname = "top"\ndependencies = ["lib-a", "web>=2"]\n[build-system]\nrequires = ["hatchling", "lib-b"]\n[tool.uv.workspace]\nmembers = ["packages/*"]\nexclude = ["packages/old"]\n[tool.uv.sources]\nlib-a = { workspace = true }\nweb = { git = "https://example.com/web" }\n[dependency-groups]\ntest = ["pytest"]\n',
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
    found = read_manifest(tmp_path / "packages" / "lib_b")
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
    text = '[project]\nname = "x"\n[project.optional-dependencies]\nwide = ["wcwidth>=0.2"]\nyaml = ["PyYAML"]\ndocs = ["sphinx"]\ncloud = ["google-cloud-storage"]\ntest = ["pytest"]\n'
    tests = 'def test_a():\n    import wcwidth  # noqa\ndef test_b():\n    pytest.importorskip("yaml")\nfrom google.cloud import storage\nimport google.cloud.storage as s\n'
    found = declared(
        tmp_path, {"pyproject.toml": text, "tests/test_a.py": tests, "src/x.py": "import sphinx\n"}
    )
    check(found, "pytest")
    assert set(found.optional) == {"wcwidth>=0.2", "PyYAML", "google-cloud-storage"}
