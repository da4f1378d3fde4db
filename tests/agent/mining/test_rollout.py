"""A system tries a task of the history as the fix loop would, in the real sandbox where it says so."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.mining.finding import find_tasks
from agent.mining.rollout import RepositoryRollout, roll_out
from agent.mining.tasks import RepositoryTask, TaskFile
from agent.mining.trees import CommitTree, CommitTrees, open_trees
from agent.testing.entering import Source
from agent.testing.project import ProjectTests
from agent.workspace.workspace import Workspace
from sandbox.box.contract import Limits
from sandbox.box.docker_box import DockerSandbox
from sandbox.project.detection import detect
from tests.fakes.history import ReadingRunners, build_history, module
from tests.fakes.model import ScriptedModel


async def _tasks(root: Path, trees: CommitTrees, state: Path) -> list[RepositoryTask]:
    known = TaskFile(state / "tasks.jsonl")
    await find_tasks(
        root, environ=os.environ, trees=trees, known=known, emit=lambda _: None, budget_s=600
    )
    return list(known.in_time)


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[tuple[RepositoryTask, CommitTree]]:
    root = tmp_path / "project"
    root.mkdir()
    build_history(root, 2)
    async with open_trees(root, os.environ, ReadingRunners()) as trees:
        task = (await _tasks(root, trees, tmp_path))[-1]
        yield task, await trees.at(task.commit)


async def _try(
    one: tuple[RepositoryTask, CommitTree], reply: str
) -> tuple[RepositoryRollout, ScriptedModel]:
    model = ScriptedModel(script=[reply])
    return await roll_out(one[0], tree=one[1], model=model), model


def _fenced(text: str) -> str:
    return f"```python\n{text}```"


async def test_a_right_file_passes_and_the_commit_stays_as_it_was(
    one: tuple[RepositoryTask, CommitTree],
) -> None:
    made, model = await _try(one, _fenced(module(2)))
    assert made.sample.passed
    assert made.sample.completion_tokens > 0
    assert one[1].read("plus2.py") == module(2)
    asked = model.requests[0]
    assert asked.sampling.temperature == 0.0
    assert "raise NotImplementedError" in asked.messages[-1].content
    assert "Failing test: tests/test_plus2.py::test_plus2" in asked.messages[-1].content
    assert "return x + 2" not in asked.messages[-1].content


async def test_a_wrong_file_fails_with_evidence(one: tuple[RepositoryTask, CommitTree]) -> None:
    made, _ = await _try(one, _fenced(module(2, added=5)))
    assert (made.sample.sanitised_verdict, made.sample.passed) == ("fail", False)
    assert [fact.exception for fact in made.evidence] == ["AssertionError"]
    assert made.after == module(2, added=5)


@pytest.mark.parametrize("reply", ["I cannot do that.", _fenced("def plus2(x):\n    ...\n")])
async def test_a_reply_without_a_usable_file_is_an_error(
    one: tuple[RepositoryTask, CommitTree], reply: str
) -> None:
    made, _ = await _try(one, reply)
    assert made.sample.sanitised_verdict == "error"
    assert made.sample.message
    assert one[1].read("plus2.py") == module(2)


@pytest.mark.docker
async def test_tasks_are_made_and_judged_in_the_real_sandbox(
    sandbox_image: str, tmp_path: Path
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    build_history(root, 1)
    async with DockerSandbox(
        sandbox_image, session="history", lock_dir=tmp_path / "locks"
    ) as sandbox:
        project = ProjectTests(
            source=Source(root=root, workspace=Workspace(root, tmp_path / "shadow.git")),
            repository=root,
            sandbox=sandbox,
            project=detect(root),
            limits=Limits(timeout_s=60),
        )
        async with open_trees(root, os.environ, project) as trees:
            (task,) = await _tasks(root, trees, tmp_path)
            tree = await trees.at(task.commit)
            right = ScriptedModel(script=[_fenced(module(1))])
            wrong = ScriptedModel(script=[_fenced(module(1, added=3))])
            assert (await roll_out(task, tree=tree, model=right)).sample.passed
            failed = await roll_out(task, tree=tree, model=wrong)
    assert failed.sample.sanitised_verdict == "fail"
    assert task.failing[0].exception == "NotImplementedError"
    assert failed.evidence[0].expected == "2"
