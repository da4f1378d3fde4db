"""The tasks of a repository that was sent: its tests judge in the real sandbox, wherever it is unpacked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.mining.finding import find_tasks
from agent.mining.tasks import RepositoryTask, TaskFile
from agent.mining.trees import open_trees
from agent.settings.schema import ModelSettings, SandboxSettings
from lab.repository.history import packed_history, place_in
from lab.repository.work import GatherWork, ReplayWork, SentRepository
from lab.rows.place import AskedModel, Place
from learning.records import Verdict
from tests.fakes.history import ReadingRunners, build_history
from tests.fakes.tiny_llama import build_tiny_model


async def tasks_of(root: Path, folder: Path) -> Sequence[RepositoryTask]:
    known = TaskFile(folder / "tasks.jsonl")
    async with open_trees(root, os.environ, ReadingRunners()) as trees:
        await find_tasks(
            root, environ=os.environ, trees=trees, known=known, emit=lambda _: None, budget_s=60
        )
    return known.in_time


@pytest.mark.docker
@pytest.mark.slow
async def test_a_sent_repository_is_judged_by_its_own_tests_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELAGENT_HOME", str(tmp_path / "home"))
    temporary, model, root = tmp_path / "tmp", tmp_path / "tiny", tmp_path / "repository"
    for folder in (temporary, model, root):
        folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    build_tiny_model(model)
    build_history(root, 2)
    tasks = await tasks_of(root, tmp_path)
    sent = SentRepository(
        model=AskedModel(settings=ModelSettings(name=str(model), engine="torch")).to_send(),
        tasks=tasks,
        history=packed_history(root, os.environ),
        inside=place_in(root, os.environ),
        sandbox=SandboxSettings(),
        versions=(("elagent", "test"),),
    )
    keys = [(task.id, 0) for task in tasks]
    assert keys
    async with ReplayWork(sent=sent).open(Place.here()) as opened:
        samples = [await opened.make(key) for key in keys]
        assert opened.manifest.suite == "repo"
        assert opened.recipe
    assert [sample.task_id for sample in samples] == [task.id for task in tasks]
    assert not any(sample.passed for sample in samples), "the tiny model knows nothing"
    async with GatherWork(sent=sent).open(Place.here()) as opened_to_gather:
        made = await opened_to_gather.make(keys[0])
    assert not made.solved
    assert len(made.drafts) == 3
    assert {draft.targets for draft in made.drafts} == {tasks[0].red_ids}
    assert Verdict.PASS not in {draft.verdict for draft in made.drafts}
    assert not list(temporary.glob("elagent-repository-*"))
