from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from agent.errors import ConfigError
from agent.paths import Paths, from_environ, make_private, user_config_file


@pytest.mark.parametrize(
    ("environ", "home"),
    [
        ({"HOME": "/h"}, "/h/.local/share/elagent"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/data"}, "/data/elagent"),
        ({"HOME": "/h", "XDG_DATA_HOME": "relative"}, "/h/.local/share/elagent"),
        ({"HOME": "/h", "XDG_DATA_HOME": "/data", "ELAGENT_HOME": "/own"}, "/own"),
        ({"HOME": "/h", "ELAGENT_HOME": "~/own"}, "/h/own"),
        ({"HOME": "/h", "ELAGENT_HOME": ""}, "/h/.local/share/elagent"),
    ],
)
def test_the_environment_decides_where_state_lives(environ: dict[str, str], home: str) -> None:
    assert from_environ(environ) == Paths(Path(home))


def test_a_relative_home_is_made_absolute() -> None:
    assert from_environ({"ELAGENT_HOME": "here"}).home == Path.cwd() / "here"


def test_the_users_settings_are_in_the_config_folder() -> None:
    assert user_config_file({"HOME": "/h"}) == Path("/h/.config/elagent/config.toml")
    environ = {"HOME": "/h", "XDG_CONFIG_HOME": "/c", "ELAGENT_HOME": "/own"}
    assert user_config_file(environ) == Path("/c/elagent/config.toml")


def test_one_repository_has_one_place_by_any_spelling(tmp_path: Path) -> None:
    root = tmp_path / "my project"
    root.mkdir()
    (tmp_path / "link").symlink_to(root)
    paths = Paths(tmp_path / "home")
    place = paths.repository(root)
    assert paths.repository(tmp_path / "link") == place
    assert paths.repository(root / ".." / "my project") == place
    assert place.home.name.startswith("my_project-")


def test_two_repositories_of_the_same_name_do_not_share_a_place(tmp_path: Path) -> None:
    paths = Paths(tmp_path)
    assert paths.repository(tmp_path / "a" / "x") != paths.repository(tmp_path / "b" / "x")


def test_odd_folder_names_give_plain_ones(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"..caf\xe9\n" + b"x" * 100)
    name = Paths(tmp_path).repository(odd).home.name
    assert name.isascii()
    assert name.isprintable()
    assert not name.startswith(".")
    assert len(name) <= 49
    assert Paths(tmp_path).repository(Path("/")).home.name.startswith("root-")


def test_nothing_is_created_by_asking(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "home")
    assert paths.repository(tmp_path).shadow_git.parent == paths.repository(tmp_path).home
    assert list(tmp_path.iterdir()) == []


def test_created_folders_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    folder = make_private(tmp_path / "a" / "b")
    assert make_private(folder) == folder
    assert [stat.S_IMODE(p.stat().st_mode) for p in (folder, folder.parent)] == [0o700, 0o700]


def test_a_file_in_the_way_is_one_clear_sentence(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(ConfigError, match="cannot create the folder"):
        make_private(tmp_path / "a" / "b")
