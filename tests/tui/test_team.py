"""A team from the command line: what is asked and told before anything leaves, and what comes back."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.contexts.notes import note_maker
from agent.paths import from_environ
from learning.contexts.context import ContextFile
from learning.experience.store import ExperienceStore
from learning.promotion.adapters import AdapterStore
from tests.fakes.contexts import context
from tests.fakes.experiences import make_experience
from tests.fakes.team import Person
from tui.cli import run

As = Callable[[str], Path]


@pytest.fixture
def as_(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> As:
    """Changes to the machine of another person, in a clone of the same project."""

    def change(name: str) -> Path:
        root = tmp_path / name / "shop"
        (root / ".git").mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv("ELAGENT_HOME", str(tmp_path / name / "state"))
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / name / "config"))
        monkeypatch.setenv("ELAGENT_MODEL", "tiny")
        monkeypatch.chdir(root)
        return root

    return change


def state(root: Path) -> Path:
    return from_environ(os.environ).repository(root).home


def learned(root: Path) -> str:
    """A repository in which something was captured and an adapter was promoted."""
    own = state(root)
    with ExperienceStore.open(own / "experiences.sqlite3") as store:
        store.add(make_experience("e1"))
        store.add(make_experience("e2"))
    person = Person(name="", home=own, store_url="", bucket_url="")
    return person.make_adapter(1, experience_ids=("e1",)).name


def start_team(as_: As, tmp_path: Path) -> tuple[str, str]:
    store, bucket = f"sqlite:///{tmp_path}/team.sqlite3", str(tmp_path / "bucket")
    as_("anna")
    assert run(["team", "init", store, "--bucket", bucket, "--name", "anna"]) == 0
    assert run(["team", "role", "ben", "contributor"]) == 0
    return store, bucket


def test_notes_on_libraries_reach_another_member_and_their_examples_stay(
    as_: As, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, bucket = start_team(as_, tmp_path)
    own = state(as_("anna"))
    ContextFile(own / "contexts" / "polars-2.jsonl").add([context("cumsum", "cum_sum", "Sum up.")])
    assert run(["team", "share", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "1 note on changed APIs of polars, for all members" in told
    assert run(["team", "share", "--yes"]) == 0
    assert "1 note and" in capsys.readouterr().out
    assert run(["team", "share", "--yes"]) == 0
    assert "nothing new to share" in capsys.readouterr().out
    assert b"compute" not in (tmp_path / "team.sqlite3").read_bytes()

    root = as_("ben")
    assert run(["team", "join", store, "--bucket", bucket, "--name", "ben"]) == 0
    assert run(["team", "pull"]) == 0
    assert "fetched 1 note on libraries" in capsys.readouterr().out
    notes = note_maker(state(root) / "contexts")
    assert "not `cumsum`: `pl.Series(values).cum_sum(...)`" in notes("polars: a cumsum", "")
    assert run(["team", "pull"]) == 0
    assert "nothing new to fetch" in capsys.readouterr().out


def test_two_people_share_fetch_and_forget(
    as_: As, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, bucket = start_team(as_, tmp_path)
    name = learned(as_("anna"))
    assert run(["team", "share", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "2 experiences (0 pass, 2 fail): prompts, replies, files before and after" in told
    assert name in told
    assert not list((tmp_path / "bucket").rglob("*.safetensors"))
    assert run(["team", "share", "--yes"]) == 0
    assert "shared 2 experiences, 0 notes and 1 adapter" in capsys.readouterr().out
    assert run(["team", "share", "--yes"]) == 0
    assert "nothing new to share" in capsys.readouterr().out

    root = as_("ben")
    assert run(["team", "join", store, "--bucket", bucket, "--name", "ben"]) == 0
    assert run(["team", "pull"]) == 0
    assert f"elagent adapters try {name}" in capsys.readouterr().out
    adapters = AdapterStore(state(root) / "adapters")
    assert adapters.active() is None
    assert run(["adapters", "show", name]) == 0
    shown = capsys.readouterr().out
    assert "shared by anna" in shown
    assert "gates: it was not tried yet" in shown
    assert run(["team", "pull"]) == 0
    assert "nothing new to fetch" in capsys.readouterr().out
    adapters.activate(name)

    as_("anna")
    assert run(["experiences", "forget", "e1"]) == 0
    told = capsys.readouterr().out
    assert "forgot 1 in the team's store" in told
    assert not list((tmp_path / "bucket").rglob("*.safetensors"))

    as_("ben")
    assert run(["team", "pull"]) == 0
    told = capsys.readouterr().out
    assert f"{name} is not used any more" in told
    assert "the bare base model is in use" in told
    assert adapters.active() is None
    assert run(["team", "ls", "--json"]) == 0
    (row,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (row["name"], row["member"], row["tainted"]) == (name, "anna", True)


def test_without_an_answer_nothing_leaves(
    as_: As, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start_team(as_, tmp_path)
    learned(as_("anna"))
    assert run(["team", "share"]) == 2
    assert "add --yes to share without a question" in capsys.readouterr().err
    assert not list((tmp_path / "bucket").rglob("*.safetensors"))


def test_what_could_not_be_passed_on_is_passed_on_later(
    as_: As, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start_team(as_, tmp_path)
    root = as_("anna")
    learned(root)
    assert run(["team", "share", "--yes"]) == 0
    place = tmp_path / "team.sqlite3"
    aside = place.rename(tmp_path / "aside")
    assert run(["team", "forget", "e1"]) == 3
    told = capsys.readouterr()
    assert "forgot 1 of 1" in told.out
    assert "not yet forgotten in the team's store, because there is no file" in told.err
    assert "the next `elagent team share` or `pull` passes it on" in told.err
    shutil.move(aside, place)
    assert run(["team", "share", "--yes"]) == 0
    assert "forgot 1 experience in the team's store" in capsys.readouterr().out
    place.rename(aside)
    assert run(["team", "forget", "e2"]) == 3
    shutil.move(aside, place)
    capsys.readouterr()
    assert run(["team", "pull"]) == 0
    assert "forgot 1 in the team's store" in capsys.readouterr().out


def test_an_adapter_of_another_project_or_model_is_fetched_by_name_only(
    as_: As, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, bucket = start_team(as_, tmp_path)
    name = learned(as_("anna"))
    assert run(["team", "share", "--yes", "--project", "elsewhere"]) == 0
    as_("ben")
    assert run(["team", "join", store, "--bucket", bucket, "--name", "ben"]) == 0
    assert run(["team", "pull"]) == 0
    assert "1 offer for other projects or models" in capsys.readouterr().out
    assert run(["team", "pull", "nothing"]) == 2
    assert run(["team", "pull", name]) == 0
    assert f"fetched {name} of anna" in capsys.readouterr().out


def test_a_tainted_adapter_is_not_used_even_where_the_bucket_is_gone(
    as_: As, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, bucket = start_team(as_, tmp_path)
    name = learned(as_("anna"))
    assert run(["team", "share", "--yes"]) == 0
    root = as_("ben")
    assert run(["team", "join", store, "--bucket", bucket, "--name", "ben"]) == 0
    assert run(["team", "pull"]) == 0
    adapters = AdapterStore(state(root) / "adapters")
    adapters.activate(name)
    as_("anna")
    assert run(["team", "forget", "e1"]) == 0
    own = state(as_("anna"))
    Person(name="", home=own, store_url="", bucket_url="").make_adapter(2, experience_ids=("e2",))
    assert run(["team", "share", "--yes"]) == 0
    shutil.rmtree(bucket)
    as_("ben")
    capsys.readouterr()
    assert run(["team", "pull"]) == 3
    told = capsys.readouterr()
    assert f"{name} is not used any more" in told.out
    assert f"the bucket {bucket} failed" in told.err
    assert adapters.active() is None


def test_a_repository_cannot_name_a_team(
    as_: As, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = as_("anna")
    (root / ".elagent.toml").write_text(f'[team]\nstore = "sqlite:///{tmp_path}/evil.sqlite3"\n')
    assert run(["team", "ls"]) == 2
    assert "no team was joined" in capsys.readouterr().err
    assert run(["--trust", "config", "show"]) == 2
    assert "team.store can only be set by the user" in capsys.readouterr().err


def test_joining_fails_whole_and_leaves_the_settings(
    as_: As, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store, bucket = start_team(as_, tmp_path)
    as_("stranger")
    for words in (
        [store, "--bucket", bucket, "--name", "stranger"],
        [f"sqlite:///{tmp_path}/none.sqlite3", "--bucket", bucket],
        [store, "--bucket", str(tmp_path / "none"), "--name", "ben"],
        ["postgresql://ben@127.0.0.1:9/team", "--bucket", bucket],
    ):
        assert run(["team", "join", *words]) == 3
        assert capsys.readouterr().err.startswith("elagent: ")
    assert run(["team", "join", "mysql://a/b", "--bucket", bucket]) == 2
    assert run(["team", "ls"]) == 2
    assert "no team was joined" in capsys.readouterr().err


def test_who_leaves_has_no_team(
    as_: As, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start_team(as_, tmp_path)
    assert run(["team", "leave"]) == 0
    assert run(["team", "pull"]) == 2
    assert "no team was joined" in capsys.readouterr().err


def test_an_administrator_exports_what_the_team_shared(
    as_: As, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start_team(as_, tmp_path)
    learned(as_("anna"))
    assert run(["team", "share", "--yes"]) == 0
    capsys.readouterr()
    assert run(["team", "export"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["e1", "e2"]
