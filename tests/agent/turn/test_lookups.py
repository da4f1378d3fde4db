from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from agent.fixing.context import estimate_tokens
from agent.fixing.sources import Sources
from agent.turn.lookups import LookedUp, Lookup, as_lookups, look


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "ops.py").write_text("def add(a, b):\n    return a + b\n")
    (tmp_path / "big.py").write_text("x = 1\n" * 5000)
    (tmp_path / "secret.env").write_text("KEY=1\n")
    return Sources(tmp_path, ["src/ops.py", "big.py"])


def found(lookup: Lookup, sources: Sources) -> LookedUp:
    return look(lookup, sources, budget_tokens=1000, count=estimate_tokens)


@pytest.mark.parametrize(
    ("command", "kinds"),
    [
        ("cat ops.py", ["read"]),
        ("cat a.py b.py\nls -la src/", ["read", "list"]),
        ("ls", ["list"]),
        ("grep -rn 'def add' src", ["search"]),
        ("grep -F 'a.b' x", ["search"]),
        ("pytest", ["tests"]),
        ("python -m pytest -q", ["tests"]),
        ("cat x.py\npytest -x", ["read", "tests"]),
    ],
)
def test_commands_that_only_look_are_understood(command: str, kinds: list[str]) -> None:
    assert [item.kind for item in as_lookups(command)] == kinds


@pytest.mark.parametrize(
    "command",
    ["cat a > b", "cat a | sh", "cat $(x)", "ls; rm x", "cat -n a", "pytest tests/a.py", "cat",
     "grep 'a.*b' x", "cat a\nrm b", "", "cat 'a", "pytest && rm x", "cat *.py", "ls `x`"],
)  # fmt: skip
def test_everything_else_goes_to_the_sandbox(command: str) -> None:
    assert as_lookups(command) == ()


@given(st.text())
def test_reading_a_command_never_raises(command: str) -> None:
    as_lookups(command)


def test_a_file_is_read_whole_and_counts_as_shown(sources: Sources) -> None:
    answer = found(Lookup(kind="read", arguments=("./src/ops.py",)), sources)
    assert "src/ops.py\n```python\ndef add" in answer.text
    assert [path for path, _ in answer.shown] == ["src/ops.py"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "secret.env", "nope.py"])
def test_nothing_but_the_repositorys_files_is_read(sources: Sources, path: str) -> None:
    answer = found(Lookup(kind="read", arguments=(path,)), sources)
    assert answer.text == f"There is no text file {path}."
    assert not answer.shown


def test_a_file_that_does_not_fit_is_not_cut_but_a_way_to_see_it_is_given(sources: Sources) -> None:
    answer = found(Lookup(kind="read", arguments=("big.py",)), sources)
    assert "5000 lines" in answer.text
    assert "sed -n" in answer.text
    assert not answer.shown


def test_folders_are_listed_and_texts_are_found(sources: Sources) -> None:
    assert found(Lookup(kind="list", arguments=("src/",)), sources).text == "src/ops.py"
    assert found(Lookup(kind="list"), sources).text == "big.py\nsrc/ops.py"
    assert found(Lookup(kind="list", arguments=("big.py",)), sources).text == "big.py"
    nowhere = found(Lookup(kind="search", arguments=("def add", "sr")), sources).text
    assert nowhere == "No file has 'def add'."
    text = found(Lookup(kind="search", arguments=("def add",)), sources).text
    assert text == "src/ops.py:1: def add(a, b):"
    many = found(Lookup(kind="search", arguments=("x = 1", "big.py")), sources).text
    assert many.endswith("and 4960 more lines")
