"""Changing and explaining settings: the user's file keeps its words, and takes only what can be read."""

from __future__ import annotations

import dataclasses
import stat
from pathlib import Path

import pytest

from agent.settings.change import set_user, unset_user
from agent.settings.explain import attribute_docs, explain
from agent.settings.load import ConfigError, Settings, load

_WRITTEN = """# mine
[model]
name = "small"  # for the train

[sandbox]
cpus = 1.0
"""


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}


def _file(tmp_path: Path) -> Path:
    return tmp_path / "config" / "elagent" / "config.toml"


def test_what_is_set_is_read_by_the_next_session(tmp_path: Path, environ: dict[str, str]) -> None:
    path = set_user("sandbox.cpus", "1.5", environ)
    set_user("learn.background", "no", environ)

    assert path == _file(tmp_path)
    settings = load(tmp_path, environ).settings
    assert settings.sandbox.cpus == 1.5
    assert not settings.learn.background
    assert stat.S_IMODE(path.stat().st_mode) == 0o600, "it may hold a key"


def test_comments_order_and_rights_of_the_file_stay(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    path = _file(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(_WRITTEN)
    path.chmod(0o640)

    set_user("sandbox.cpus", "2", environ)
    assert path.read_text() == _WRITTEN.replace("1.0", "2.0")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640

    unset_user("sandbox.cpus", environ)
    assert path.read_text().strip() == _WRITTEN.partition("\n[sandbox]")[0].strip()
    assert [each.name for each in path.parent.iterdir()] == [path.name], "no temporary file"


def test_a_linked_file_stays_a_link(tmp_path: Path, environ: dict[str, str]) -> None:
    path, real = _file(tmp_path), tmp_path / "dotfiles.toml"
    path.parent.mkdir(parents=True)
    real.write_text(_WRITTEN)
    path.symlink_to(real)

    set_user("sandbox.pids", "64", environ)

    assert path.is_symlink()
    assert "pids = 64" in real.read_text()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("model.nam", "x", "did you mean 'model.name'"),
        ("sandbox.cpus", "0", "at least 0.1"),
        ("sandbox.cpus", "many", "must be a number"),
        ("model.engine", "foo", "one of auto, llama, torch"),
        ("model", "x", "no setting 'model'"),
        ("lint.nope", "x", "there are lint.after_edits, lint.command$"),
        (
            "model.base_url",
            "ftp://x/v1",
            "must look like http://localhost:11434/v1, not 'ftp://x/v1'",
        ),
        ("planner.base_url", "file:///x", "must look like http://localhost:11434/v1"),
        ("", "x", "no setting ''"),
    ],
)
def test_what_cannot_be_read_is_not_written(
    tmp_path: Path, environ: dict[str, str], name: str, value: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        set_user(name, value, environ)
    assert not _file(tmp_path).exists()


@pytest.mark.parametrize("broken", ["[model\n", 'model = "x"\n', "\udcff"])
def test_a_file_that_is_no_settings_file_is_left_as_it_is(
    tmp_path: Path, environ: dict[str, str], broken: str
) -> None:
    path = _file(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(broken.encode("utf-8", "surrogateescape"))
    before = path.read_bytes()

    with pytest.raises(ConfigError, match="edit it by hand"):
        set_user("model.name", "small", environ)
    assert path.read_bytes() == before


def test_an_earlier_name_sets_the_present_one(tmp_path: Path, environ: dict[str, str]) -> None:
    set_user("learn.practice_min", "5", environ)

    assert load(tmp_path, environ).settings.learn.self_play_min == 5


def test_every_setting_says_what_it_means() -> None:
    for section in dataclasses.fields(Settings):
        default = getattr(Settings(), section.name)
        told = attribute_docs(type(default))
        lacking = {each.name for each in dataclasses.fields(default)} - told.keys()
        assert not lacking, section.name


def test_a_setting_is_explained_with_value_origin_and_bounds(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    set_user("model.api_key", "very-secret", environ)
    set_user("sandbox.cpus", "1", environ)
    loaded = load(tmp_path, environ)

    assert explain(loaded, "sandbox.cpus") == [
        "sandbox.cpus = 1.0",
        f"from: {_file(tmp_path)}:5",
        "default: 2.0",
        "a number: at least 0.1",
        "a project's file may: lower",
        "Processor cores of the box.",
    ]
    assert "very-secret" not in "\n".join(explain(loaded, "model.api_key"))
    assert "one of: auto, llama, torch, vllm" in explain(loaded, "model.engine")
