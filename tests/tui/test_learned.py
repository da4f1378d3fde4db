"""What was learned can be shown, compared, exported and told from what was forgotten."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agent.errors import ConfigError
from agent.library.adapters import named_folder
from agent.library.reports import use_adapter, why
from agent.paths import from_environ
from agent.session.session import SessionLog
from learning.experience.store import ExperienceStore
from learning.model.catalog import ModelIdentity
from learning.promotion.adapters import AdapterError, AdapterManifest, AdapterStore
from learning.promotion.gate import Trial, as_record, decide
from learning.promotion.manifest import adapter_prefix, hash_files, write_manifest
from tests.fakes.experiences import make_experience
from tests.fakes.trials import scores
from tui.commands.adapters import adapters
from tui.commands.experiences import experiences
from tui.commands.learn import learn
from tui.wiring import context

_BASE = ModelIdentity(weights_sha256="w" * 64, tokenizer_sha256="t" * 64, template_sha256="c" * 64)
_Names = tuple[str, str]


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Names:
    """A repository with two experiences, an adapter made from one, and its child from the other."""
    root = tmp_path / "shop"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setenv("ELAGENT_HOME", str(tmp_path / "home"))
    place = from_environ(os.environ).repository(root)
    with ExperienceStore.open(place.experiences) as store:
        for id_ in ("aaa", "bbb"):
            store.add(make_experience(id_))
    made = AdapterStore(place.adapters)
    first = made.adopt(_folder(tmp_path, 1, parent=None, ids=("aaa",)))
    second = made.adopt(_folder(tmp_path, 2, parent=first.name, ids=("bbb",)))
    return first.name, second.name


def _folder(tmp_path: Path, version: int, *, parent: str | None, ids: tuple[str, ...]) -> Path:
    folder = tmp_path / f"job-{version}"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"lora_alpha": 8, "r": 4}')
    (folder / "adapter_model.safetensors").write_bytes(b"weights %d" % version)
    files = hash_files(folder)
    manifest = AdapterManifest(
        name=f"{adapter_prefix('shop', version)}-{files['adapter_model.safetensors'][:8]}",
        model="tiny",
        base=_BASE,
        parent=parent,
        experience_ids=ids,
        config={"rank": 4 * version},
        seed=0,
        files=files,
        created_at=1.5,
        report={"losses": [0.5, 0.25], "examples": {"hindsight": 1}},
    )
    write_manifest(folder, manifest)
    return folder


def _run(command: Callable[..., object], *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))  # type: ignore[arg-type]


def test_forgetting_names_every_adapter_that_is_tainted_by_it(names: _Names) -> None:
    said = _run(experiences, "forget", "aaa").output
    assert "forgot 1 of 1" in said
    for name in names:
        assert f"`elagent learn --rebuild {name}` makes it again without that" in said
    assert _run(adapters, "ls", "--json").output.count("tainted") == 2


def test_forgetting_leaves_the_ancestor_clean(names: _Names) -> None:
    said = _run(experiences, "forget", "bbb").output
    assert names[0] not in said
    assert names[1] in said


def test_an_adapter_is_compared_with_its_parent(names: _Names) -> None:
    said = _run(adapters, "diff", names[1]).output
    assert said.splitlines() == [
        f"{names[1]} beside {names[0]}",
        "+ experience bbb",
        "  rank: 4 -> 8",
    ]


def test_a_beginning_or_a_version_stands_for_a_name(names: _Names) -> None:
    first, second = names
    assert _run(adapters, "show", "v1").output.splitlines()[0] == first
    assert f"{second} beside {first}" in _run(adapters, "diff", second[:-3], "v1").output
    assert _run(adapters, "rm", second[:-3]).exit_code, "a beginning removes nothing"
    assert _run(adapters, "rm", "v2").output == f"removed {second}\n"
    assert _run(adapters, "use", "base").exit_code == 0


def test_a_weaker_copy_is_made_and_not_used(names: _Names) -> None:
    made = _run(adapters, "weaken", "v1").output.split()[1].rstrip(",")
    assert made.startswith("el-shop-v0003-")
    assert "strength: 0.5" in _run(adapters, "show", made).output
    assert [row.split()[0] for row in _run(adapters, "ls").output.splitlines()[1:]] == [
        *names,
        made,
    ]
    assert _run(adapters, "weaken", "v1", "--to", "1").exit_code == 2


def test_a_list_into_a_pipe_has_a_row_a_line(
    names: _Names, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    heading, *rows = _run(adapters, "ls").output.splitlines()
    assert heading.split() == ["name", "made", "from", "experiences", "state"]
    assert [row.split()[0] for row in rows] == list(names)


def test_a_folder_without_weights_that_are_read_is_no_adapter(
    names: _Names, tmp_path: Path
) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(AdapterError, match="has no adapter_model"):
        named_folder(context().repository, str(tmp_path))


def test_a_report_is_told_and_written_as_a_page(names: _Names, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    said = _run(adapters, "report", names[0], "--html", str(page)).output
    assert "learned from 1 experiences: hindsight 1" in said
    assert "loss 0.500 to 0.250 in 2 steps" in said
    assert "<svg" in page.read_text()


def test_a_report_of_learning_runs_no_round(names: _Names, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    told = _run(learn, "--report", "--html", str(page))
    assert told.exit_code == 0
    assert told.output.splitlines()[0].startswith(names[1]), "the last one"
    assert "nothing to learn" not in told.output
    assert "<svg" in page.read_text()


def test_a_report_before_the_first_round_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ELAGENT_HOME", str(tmp_path / "home"))
    told = _run(learn, "--report")
    assert told.exit_code == 0
    assert told.output == "nothing was learned here yet; `elagent learn` runs a round\n"


@pytest.mark.parametrize("option", ["--dry-run", "--self-play", "--practise"])
def test_a_report_beside_a_round_is_refused(option: str) -> None:
    told = _run(learn, "--report", option)
    assert told.exit_code == 2
    assert "only shows the last round" in told.output


def test_what_the_gates_said_is_shown_with_the_adapter(names: _Names) -> None:
    assert "gates: it was not tried yet" in _run(adapters, "show", names[0]).output
    store = AdapterStore(from_environ(os.environ).repository(Path.cwd()).adapters)
    lost = Trial(held_out=scores(30, losses=4))
    store.keep_decision(names[0], as_record(decide(lost), incumbent=None, at=2.0))
    said = _run(adapters, "show", names[0]).output
    assert "tasks of this repository: not passed (not shown to be better" in said
    assert "0 wins, 4 losses on 30 tasks" in said
    rows = [json.loads(row) for row in _run(adapters, "ls", "--json").output.splitlines()]
    assert [row["state"] for row in rows] == ["rejected", "in shadow"]
    assert "rejected: not shown to be better" in _run(adapters, "report", names[0]).output


def test_an_export_is_a_copy_and_never_overwrites(names: _Names, tmp_path: Path) -> None:
    target = tmp_path / "exported"
    assert _run(adapters, "export", names[0], str(target)).exit_code == 0
    assert (target / "adapter_model.safetensors").read_bytes() == b"weights 1"
    again = _run(adapters, "export", names[0], str(target))
    assert isinstance(again.exception, ConfigError)
    assert "is there already" in str(again.exception)


def test_an_unknown_type_is_told_with_the_known_ones() -> None:
    said = _run(learn, "--types", "fixes,dreams")
    assert said.exit_code == 2
    assert "'dreams' is not one of fixes, failures, first-tries" in said.output


def test_why_tells_the_last_round_in_words_not_in_fields(names: _Names) -> None:
    where = context()
    ended = {"event": "learn_finished", "adapter": names[1], "decision": "shadow", "reason": "few"}
    with SessionLog.create(where.repository.sessions) as log:
        log.append(ended)
    said = why(where.library).splitlines()
    assert said[:2] == [f"{names[1]}: shadow", "few"]
    assert "loss 0.500 to 0.250 in 2 steps" in said
    assert not any("[" in line or "None" in line for line in said)


def test_an_adapter_is_left_as_a_shell_would_say_it_too(names: _Names) -> None:
    where = context()
    store = AdapterStore(where.repository.adapters)
    store.activate(names[0], base=_BASE)
    assert use_adapter(where.library, "use base") == "the bare model answers from the next reply on"
    assert store.active() is None
