from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.settings.load import load
from agent.settings.trust import TrustFile, configuration_of, digest_of


def test_the_configuration_of_a_repository_is_found(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    assert configuration_of(inner) == {}
    (tmp_path / ".elagent.toml").write_text("")
    (tmp_path / "a" / "AGENTS.md").write_text("")
    (tmp_path / "pyproject.toml").write_text("[tool.elagent.fix]\nmax_attempts = 1\n")
    assert set(configuration_of(inner)) == {".elagent.toml", "pyproject.toml", "a/AGENTS.md"}


def test_answers_are_remembered_by_repository_and_by_what_was_shown(tmp_path: Path) -> None:
    answers = TrustFile(tmp_path / "home" / "trusted.json")
    assert answers.answer(tmp_path, "a") is None
    answers.remember(tmp_path, "a", trusted=True)
    answers.remember(tmp_path / "other", "a", trusted=False)
    assert answers.answer(tmp_path, "a") is True
    assert answers.answer(tmp_path, "b") is None
    assert answers.answer(tmp_path / "other", "a") is False
    assert answers.answer(tmp_path / "third", "a") is None
    assert answers.was_asked(tmp_path)
    assert not answers.was_asked(tmp_path / "third")
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["trusted.json"]


def test_an_answer_of_before_digests_were_kept_is_asked_for_anew(tmp_path: Path) -> None:
    (tmp_path / "trusted.json").write_text(json.dumps({str(tmp_path.resolve()): True}))
    assert TrustFile(tmp_path / "trusted.json").answer(tmp_path, "a") is None


@pytest.mark.parametrize("name", [".elagent.toml", "AGENTS.md", "a/AGENTS.md", "pyproject.toml"])
def test_any_change_of_what_would_be_obeyed_is_another_digest(tmp_path: Path, name: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a").mkdir()
    before = digest_of(configuration_of(tmp_path / "a"))
    (tmp_path / name).write_text("[tool.elagent.fix]\nmax_attempts = 1\n")
    first = digest_of(configuration_of(tmp_path / "a"))
    (tmp_path / name).write_text("[tool.elagent.fix]\nmax_attempts = 2\n")
    second = digest_of(configuration_of(tmp_path / "a"))
    assert len({before, first, second}) == 3


def test_a_change_of_a_pyproject_beside_our_settings_is_none(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    pyproject = tmp_path / "pyproject.toml"
    ours = "[tool.elagent.fix]\nmax_attempts = 1\n"
    pyproject.write_text(ours)
    before = configuration_of(tmp_path)
    pyproject.write_text(f'[project]\nversion = "2"\n\n{ours}')
    assert configuration_of(tmp_path) == before
    pyproject.write_text("[tool.elagent\nx = 1\n")
    broken = configuration_of(tmp_path)
    pyproject.write_text("[tool.elagent\nx = 2\n")
    assert configuration_of(tmp_path) != broken


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "trusted.json").write_text("{")
    with pytest.raises(ConfigError, match=r"trusted\.json cannot be read"):
        TrustFile(tmp_path / "trusted.json").answer(tmp_path, "a")


def test_without_trust_nothing_of_a_project_is_read(tmp_path: Path) -> None:
    (tmp_path / ".elagent.toml").write_text("[fix]\nmax_attempts = 7\n")
    environ = {"HOME": str(tmp_path / "home")}
    assert load(tmp_path, environ).settings.fix.max_attempts == 7
    assert load(tmp_path, environ, trusted=False).settings.fix.max_attempts == 3
    (tmp_path / ".elagent.toml").write_text("not toml")
    load(tmp_path, environ, trusted=False)


@pytest.mark.parametrize(
    "text",
    [
        "[tool.elagent]\n",
        "[ tool.elagent.fix ]\n",
        '[tool."elagent".fix]\n',
        "tool.elagent.model.temperature = 2.0\n",
    ],
)
def test_settings_are_found_however_toml_writes_them(tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "pyproject.toml").write_text(text)
    assert list(configuration_of(tmp_path)) == ["pyproject.toml"]


def test_a_project_that_only_names_elagent_is_not_asked_about_and_a_broken_one_is(
    tmp_path: Path,
) -> None:
    (tmp_path / ".git").mkdir()
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text('[project]\nname = "elagent"\n[dependency-groups]\ndev = ["elagent"]\n')
    assert configuration_of(tmp_path) == {}
    pyproject.write_text("[tool.elagent\n")
    assert list(configuration_of(tmp_path)) == ["pyproject.toml"]
