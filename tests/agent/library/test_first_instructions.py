"""`elagent init`: a first AGENTS.md, made of facts."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.library.first_instructions import first_instructions, write_first_instructions

PYPROJECT = """
[project]
name = "shop"
description = "Sells things."
scripts = { shopkeeper = "shop.cli:main" }
[dependency-groups]
dev = ["pytest"]
[tool.ruff]
line-length = 90
"""
FILES = ("shop/__init__.py", "shop/cli.py", "tests/test_cli.py", "docs/index.md")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "shop/__init__.py").write_text('"""Counts money. And more."""\n')
    (tmp_path / "tests/test_cli.py").write_text("def test_x():\n    pass\n")
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "Makefile").write_text("X := 1\nlint:\n\truff check\n.PHONY: lint\n")
    return tmp_path


def test_the_draft_names_tests_layout_commands_and_tools(root: Path) -> None:
    text = first_instructions(root, FILES)
    for line in (
        "# shop",
        "Sells things.",
        "- Run them with `python -m pytest`; `elagent run-tests` does so in a sandbox.",
        "- `shop/`: Counts money.",
        "- `tests/`: 1 source file",
        "- `shopkeeper` is installed by the project",
        "- Set up here: ruff",
        "- `make` has lint",
    ):
        assert line in text.splitlines()
    assert "docs/" not in text


@pytest.mark.parametrize("name", ["README.md", "tests/a.test.js", "shop.py"])
def test_no_way_to_run_tests_is_made_up(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).touch()
    assert "## Tests" not in first_instructions(tmp_path, [name])


def test_a_file_that_is_there_is_never_written(root: Path) -> None:
    (root / "AGENTS.md").write_text("mine\n")
    with pytest.raises(ConfigError, match="left as it is"):
        write_first_instructions(root, FILES)
    assert (root / "AGENTS.md").read_text() == "mine\n"


def test_a_link_to_elsewhere_is_not_followed(root: Path, tmp_path: Path) -> None:
    (root / "AGENTS.md").symlink_to(tmp_path / "elsewhere.md")
    with pytest.raises(ConfigError):
        write_first_instructions(root, FILES)
    assert not (tmp_path / "elsewhere.md").exists()


def test_damaged_declarations_give_a_sentence_or_a_smaller_draft(root: Path) -> None:
    (root / "pyproject.toml").write_text("[project\n")
    with pytest.raises(ConfigError, match="pyproject"):
        first_instructions(root, FILES)
