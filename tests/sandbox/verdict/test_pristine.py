"""What a verdict may rest on, and what about an edit lowers it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from sandbox.box.contract import SourceFile
from sandbox.box.status import VerdictTrust
from sandbox.project.detection import Project, Runner
from sandbox.verdict.pristine import Footing, Pristine, blob_id, committed_files, footing, is_pinned
from sandbox.verdict.tampering import sign_of_tampering

COMMIT = {
    "shop.py": "def total(prices):\n    return sum(prices) - 1\n",
    "tests/test_shop.py": "from shop import total\n\ndef test_total():\n    assert total([1]) == 1\n",
    "tests/golden.json": "{}",
    "README.md": "A shop.\n",
}


def pristine(contents: Mapping[str, str]) -> Pristine:
    return Pristine(
        commit="c1",
        hashes={path: blob_id(text.encode()) for path, text in contents.items()},
        read=lambda path: contents[path].encode(),
    )


def judged(
    edit: Mapping[str, str | None],
    *,
    commit: Mapping[str, str] = COMMIT,
    runner: Runner = "pytest",
    requirements: tuple[str, ...] = (),
) -> Footing:
    files = [
        SourceFile(path=path, content=text.encode())
        for path, text in {**commit, **edit}.items()
        if text is not None
    ]
    project = Project(
        root=Path("/nowhere"),
        runner=runner,
        requirements=requirements,
        command="make" if runner == "command" else None,
    )
    return footing(project, files, pristine(commit))


def test_gits_own_name_for_a_file_is_known() -> None:
    assert blob_id(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert len(blob_id(b"hello\n", like="0" * 64)) == 64


def test_an_edit_of_a_source_keeps_the_verdict_hardened() -> None:
    edited = judged(
        {"shop.py": "def total(prices):\n    return sum(prices)\n", "new.py": "x = 1\n"}
    )
    assert (edited.trust, edited.notes) == (VerdictTrust.HARDENED, ())
    assert edited.changed == {"shop.py", "new.py"}


@pytest.mark.parametrize(
    "commit",
    [
        {"conftest.py": ""},
        {"tests/conftest.py": ""},
        {"pytest.ini": "[pytest]\n"},
        {"setup.cfg": "[metadata]\nname = x\n\n[tool:pytest]\naddopts = -q\n"},
        {"tox.ini": "[pytest]\n"},
        {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-q'\n"},
    ],
)
def test_a_project_that_configures_its_tests_is_pinned(commit: dict[str, str]) -> None:
    assert judged({}, commit={**COMMIT, **commit}).trust is VerdictTrust.PINNED


def test_a_project_that_needs_plugins_is_pinned() -> None:
    assert judged({}, requirements=("pytest", "pytest-mock>=3")).trust is VerdictTrust.PINNED
    assert judged({}, requirements=("pytest",)).trust is VerdictTrust.HARDENED
    assert judged({}, runner="unittest").trust is VerdictTrust.PINNED


def test_configuration_of_other_things_does_not_count() -> None:
    commit = {**COMMIT, "pyproject.toml": "[project]\nname = 'x'\n", "setup.cfg": "[flake8]\n"}
    assert judged({}, commit=commit).trust is VerdictTrust.HARDENED


@pytest.mark.parametrize(
    ("edit", "note"),
    [
        ({"tests/test_shop.py": "def test_total(): pass\n"}, "differs from the last commit"),
        ({"tests/test_shop.py": None}, "was deleted since the last commit"),
        ({"tests/test_new.py": "def test_new(): pass\n"}, "is not in the last commit"),
        ({"tests/golden.json": "[]"}, "differs from the last commit"),
        ({"conftest.py": "x = 1\n"}, "conftest.py is not in the last commit"),
        ({"pytest.ini": "[pytest]\n"}, "pytest.ini is not in the last commit"),
        ({"setup.py": "x = 1\n"}, "setup.py is not in the last commit"),
        ({"a/b.pth": "import os"}, "is not in the last commit"),
        ({"shop.py": "import sys\nsys.exit(0)\n"}, "shop.py: it ends the process"),
        ({"json.py": "x = 1\n"}, "json.py: it stands in for the module json"),
        ({"src/pytest/__init__.py": ""}, "it stands in for the module pytest"),
        ({"fast.so": "\x7fELF"}, "fast.so: compiled code cannot be checked"),
    ],
)
def test_what_an_edit_must_not_touch_is_named(edit: dict[str, str | None], note: str) -> None:
    edited = judged(edit)
    assert edited.trust is VerdictTrust.PLAIN
    assert note in edited.notes[0]


@pytest.mark.parametrize(
    "path", ["testing.py", "test-shop.py", "testshop.py", "a/b/tests.py", "shop_test.py", "test.py"]
)
def test_tests_by_unusual_names_are_pinned(path: str) -> None:
    commit = {**COMMIT, path: "def test_it(): assert False\n"}
    for edit in ({path: "def test_it(): pass\n"}, {path: None}):
        found = judged(edit, commit=commit)
        assert found.trust is VerdictTrust.PLAIN
        assert path in found.notes[0]
    assert judged({path: "def test_new(): pass\n"}).trust is VerdictTrust.PLAIN


@pytest.mark.parametrize(
    "path",
    [
        *("conftest.py", "tests/conftest.py", "a/conftest.py", "pytest.ini", ".pytest.ini"),
        *("pytest.toml", "tox.ini", "setup.cfg", "setup.py", "pyproject.toml"),
        *("sitecustomize.py", "usercustomize.py", "src/paths.pth"),
    ],
)
def test_configuration_that_was_deleted_is_missed(path: str) -> None:
    found = judged({path: None}, commit={**COMMIT, path: "# something\n"})
    assert found.trust is VerdictTrust.PLAIN
    assert found.notes == (f"{path} was deleted since the last commit",)


def test_data_that_may_have_been_refused_on_its_way_is_not_missed() -> None:
    assert judged({"tests/golden.json": None}).trust is VerdictTrust.HARDENED


def test_a_plugin_that_the_configuration_loads_is_pinned() -> None:
    commit = {**COMMIT, "conftest.py": "pytest_plugins = ['lib.fixtures']\n", "lib/fixtures.py": ""}
    assert judged({"lib/fixtures.py": "x = 1\n"}, commit=commit).trust is VerdictTrust.PLAIN
    ini = {**COMMIT, "pytest.ini": "[pytest]\naddopts = -p lib.hooks\n", "lib/hooks.py": ""}
    assert judged({"lib/hooks.py": "x = 1\n"}, commit=ini).trust is VerdictTrust.PLAIN
    assert judged({"shop.py": "x = 1\n"}, commit=ini).trust is VerdictTrust.PINNED


def test_a_command_and_a_folder_without_commit_are_plain() -> None:
    assert judged({}, runner="command").trust is VerdictTrust.PLAIN
    project = Project(root=Path("/nowhere"), runner="pytest")
    assert footing(project, [], None).notes == ("there is no commit to take the tests from",)


def test_the_committed_state_is_put_together_again() -> None:
    files = [
        SourceFile(path="shop.py", content=b"changed"),
        SourceFile(path="new.py", content=b"new"),
        SourceFile(path="README.md", content=COMMIT["README.md"].encode()),
    ]
    found = {file.path: file.content for file in committed_files(files, pristine(COMMIT))}
    assert found == {path: text.encode() for path, text in COMMIT.items()}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("import sys\nsys.exit(1)\n", "import sys\nsys.exit(1)\nx = 1\n"),
        ("", "def total(prices):\n    return sum(prices)\n"),
        ("", "class Money:\n    def __eq__(self, other):\n        return self.cents == other.cents\n"),
        ("", "def existing(): return 'evaluate'\n"),
        ("class A:\n    def __eq__(self, o): return True\n", "class A:\n    def __eq__(self, o): return True\nx = 1\n"),
    ],
)  # fmt: skip
def test_ordinary_edits_show_no_sign(before: str, after: str) -> None:
    assert sign_of_tampering("a.py", before.encode(), after.encode()) == ""


@pytest.mark.parametrize(
    "code",
    [
        "class A:\n    def __eq__(self, other):\n        return True\n",
        "class A:\n    __eq__ = lambda self, other: True\n",
        "class A:\n    def __ne__(self, other):\n        if other:\n            return False\n        return False\n",
        "A = type('A', (), {'__eq__': print})\n",
        "import gc\n",
        "exit(0)\n",
        "raise SystemExit\n",
        "exec('x')\n",
        "import _pytest.runner\n",
        "open('/proc/self/mem')\n",
        "f.__code__ = g.__code__\n",
    ],
)
def test_signs_are_seen(code: str) -> None:
    assert sign_of_tampering("a.py", b"", code.encode())


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_content_can_be_looked_at(before: bytes, after: bytes) -> None:
    assert isinstance(sign_of_tampering("a.py", before, after), str)


@given(st.from_regex(r"[a-c_]{1,5}(/[a-c_]{1,5}){0,3}", fullmatch=True))
def test_everything_in_a_test_folder_is_pinned(name: str) -> None:
    assert is_pinned(f"tests/{name}")


def test_what_a_link_among_the_tests_leads_to_is_pinned_as_well() -> None:
    link = SourceFile(path="tests/helpers", content=b"../src", link="../src")
    files = [
        link,
        SourceFile(path="tests/test_a.py", content=b"x"),
        SourceFile(path="src/helper.py", content=b"changed"),
    ]
    commit = Pristine(
        commit="c1",
        hashes={"tests/test_a.py": blob_id(b"x"), "src/helper.py": blob_id(b"before")},
        read=lambda path: b"before",
        links={"tests/helpers": blob_id(b"../src")},
    )
    found = footing(Project(root=Path("/nowhere"), runner="pytest"), files, commit)
    assert found.trust is VerdictTrust.PLAIN
    assert "src/helper.py differs from the last commit" in found.notes
