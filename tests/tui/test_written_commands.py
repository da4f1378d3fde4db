"""Commands that people wrote, as the settings of one conversation have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.settings.commands import PROJECT_FOLDER
from agent.settings.trust import TrustFile, configuration_of, digest_of
from tui.wiring import context, place


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "repository"
    (root / ".git").mkdir(parents=True)
    theirs, own = root / PROJECT_FOLDER, tmp_path / "config" / "elagent" / "commands"
    for folder, name in ((theirs, "theirs.md"), (own, "own.md"), (own, "fix.md")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("Do it.")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("ELAGENT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(root)
    return root


def test_a_repositorys_commands_count_only_where_it_is_trusted(repository: Path) -> None:
    untrusted = context().commands
    assert [command.name for command in untrusted.commands] == ["/own"]
    answers = TrustFile(place().paths.trust_file)
    answers.remember(repository, digest_of(configuration_of(repository)), trusted=True)
    trusted = context().commands
    assert [command.name for command in trusted.commands] == ["/own", "/theirs"]


def test_a_name_of_elagents_own_is_refused(repository: Path) -> None:
    (refused,) = context().commands.refused
    assert "/fix is taken already" in refused
