"""Which adapters may be tried at all; nothing is started for one that may not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent.mining.tasks import RepositoryTask, TaskFile
from agent.paths import Paths
from agent.rounds.trial.opening import Trials, _may_judge
from agent.rounds.trial.systems import TrialError
from agent.settings.schema import ModelSettings, Settings
from agent.testing.project import ProjectTests
from learning.experience.store import ExperienceStore
from learning.model.catalog import ModelIdentity
from learning.promotion.manifest import AdapterManifest, hash_files, write_manifest
from sandbox.verdict.report import TestOutcome, TestResult
from tests.fakes.experiences import make_experience

_BASE = ModelIdentity(weights_sha256="w" * 64, tokenizer_sha256="t" * 64, template_sha256="c" * 64)


async def _no_project() -> ProjectTests:
    raise AssertionError("the sandbox is not to be opened")


@pytest.fixture
def trials(tmp_path: Path) -> Iterator[Trials]:
    root = tmp_path / "shop"
    root.mkdir()
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        yield Trials(
            root=root,
            settings=Settings(model=ModelSettings(base_url="http://localhost:1/v1")),
            paths=Paths(tmp_path / "home"),
            launcher=(),
            environ=os.environ,
            store=store,
            project=_no_project,
        )


def _adopted(trials: Trials, folder: Path, **changes: object) -> AdapterManifest:
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights")
    manifest = AdapterManifest(
        name="el-shop-v0001-0123abcd",
        model="tiny",
        base=_BASE,
        parent=None,
        experience_ids=("e1",),
        config={},
        seed=0,
        files=hash_files(folder),
        created_at=1.0,
        report={},
    )
    write_manifest(folder, replace(manifest, **changes))  # type: ignore[arg-type]
    return trials.adapters.adopt(folder)


async def test_a_foreign_server_cannot_try_adapters(trials: Trials, tmp_path: Path) -> None:
    candidate = _adopted(trials, tmp_path / "adapter")
    with pytest.raises(TrialError, match=r"model\.base_url"):
        await trials.measure(candidate, lambda _: None, budget_s=1)


async def test_what_was_made_from_something_forgotten_is_not_tried(
    trials: Trials, tmp_path: Path
) -> None:
    candidate = _adopted(trials, tmp_path / "adapter")
    trials.store.add(make_experience("e1"))
    trials.store.forget("e1")
    with pytest.raises(TrialError, match="made from something forgotten: `elagent learn --rebuild"):
        await trials.measure(candidate, lambda _: None, budget_s=1)


def test_an_adapter_of_the_team_is_not_tried_on_what_it_was_taught_with(
    trials: Trials, tmp_path: Path
) -> None:
    candidate = _adopted(
        trials,
        tmp_path / "adapter",
        shared_by="anna",
        taught_files=("m3.py",),
        taught_tests=("test_m.py::test_4",),
    )
    known = TaskFile(tmp_path / "tasks.jsonl")
    for number in range(1, 7):
        red = TestResult(id=f"test_m.py::test_{number}", outcome=TestOutcome.FAILED)
        known.add(
            RepositoryTask(
                id=str(number),
                commit="c",
                committed_at=number,
                path=f"m{number}.py",
                function="f",
                kind="older",
                broken="",
                green=(),
                failing=(red,),
                duration_s=0.1,
                real="def f(): ...",
            )
        )
    judging = _may_judge(
        known,
        candidate=candidate.name,
        incumbent=None,
        adapters=trials.adapters,
        store=trials.store,
    )
    assert [task.id for task in judging] == ["5", "6"]
