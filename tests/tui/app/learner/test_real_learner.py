"""The background learner as the app runs it: the real worker, a tiny model, real signals."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from textual.pilot import Pilot

from agent.paths import Paths
from agent.session.context import Context
from agent.settings.load import load
from learning.experience.store import ExperienceStore
from learning.model.chat import ChatFormat
from learning.records import Trust, Verdict
from tests.fakes.tiny_llama import NAME, build_tiny_model, spoken
from tests.tui.app.conftest import screen_text, until
from tui.app.app import ElagentApp
from tui.running import open_assistant

OLD, NEW = "total = 1\n", "total = 0\n"
ALWAYS = 12_000
"""Tries: the worker loads torch first, and gives way to whatever else this machine does."""


@pytest.fixture
def where(tmp_path: Path) -> Context:
    """A repository in which one verified repair waits to be learned from, for a long time."""
    root, folder = tmp_path / "shop", tmp_path / NAME
    root.mkdir()
    folder.mkdir()
    build_tiny_model(folder)
    settings = {
        "model.name": str(folder),
        "learn.steps": 100_000,
        "learn.rank": 4,
        "learn.max_examples": 60,
        "learn.background_after": 1,
        "learn.background_idle_min": 0.1,
    }
    found = Context(root=root, loaded=load(root, {}, settings), paths=Paths(tmp_path / "home"))
    chat = ChatFormat.load(folder)
    failed = spoken(chat, "bad", f"```\n{OLD}```", before=OLD, after=OLD)
    fixed = spoken(
        chat, "good", f"```\n{NEW}```", before=OLD, after=NEW, verdict=Verdict.PASS, evidence=(),
        fixes="bad-0", trust=Trust.PINNED,
    )  # fmt: skip
    with ExperienceStore.open(found.repository.experiences) as store:
        store.add(fixed)
        for number in range(60):  # so many that the round lasts, whatever the machine
            store.add(replace(failed, id=f"bad-{number}"))
    return found


def workers(where: Context) -> dict[int, str]:
    """State of each process that works for this repository: `R`, `S`, stopped `T`."""
    found = {}
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError, IndexError):
            command = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
            if b"training.worker" in command and os.fsencode(where.repository.learn) in command:
                stat = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                found[int(folder.name)] = stat[0]
    return {pid: state for pid, state in found.items() if state != "Z"}


@asynccontextmanager
async def running(app: ElagentApp) -> AsyncIterator[Pilot[int]]:
    try:
        async with app.run_test(size=(120, 40)) as pilot:
            yield pilot
    finally:
        await app.close()


async def steps_go_on(app: ElagentApp, pilot: Pilot[int]) -> None:
    before = app.backstage.learning.losses[-1:], len(app.backstage.learning.losses)
    await until(
        pilot,
        lambda: (app.backstage.learning.losses[-1:], len(app.backstage.learning.losses)) != before,
        tries=ALWAYS,
    )


@pytest.mark.slow
async def test_it_starts_when_idle_yields_to_a_key_and_ends_with_the_app(where: Context) -> None:
    def away() -> float:
        return time.monotonic() + 3600

    app = ElagentApp(where, "auto", partial(open_assistant, where))
    async with running(app) as pilot:
        await until(pilot, app.backstage.opened.is_set)
        await pilot.press("f2")
        await until(pilot, lambda: "starts when idle for 0.1 min" in screen_text(app))
        assert not workers(where)
        app.backstage.learner.idle.clock = away
        await until(pilot, lambda: bool(app.backstage.learning.losses), tries=ALWAYS)
        await until(pilot, lambda: "loss" in screen_text(app))
        (worker,) = workers(where)

        app.backstage.learner.idle.clock = time.monotonic
        await pilot.press("x")
        assert workers(where)[worker] == "T"  # with the key itself, not some time after it
        await until(pilot, lambda: "paused: you are typing" in screen_text(app))
        drained = len(app.backstage.learning.losses)
        await pilot.pause(1.0)
        assert (
            len(app.backstage.learning.losses) <= drained + 1
        )  # what it had written before it stood still

        app.backstage.learner.idle.clock = away
        await steps_go_on(app, pilot)
        assert workers(where) == {worker: workers(where)[worker]}
        await pilot.press("ctrl+q")
    assert not workers(where)
    again = ElagentApp(where, "auto", partial(open_assistant, where))
    async with running(again) as pilot:
        again.backstage.learner.idle.clock = away
        await pilot.press("f2")
        await until(
            pilot,
            lambda: any(
                "going on from its last step" in said for said in again.backstage.learning.notices
            ),
            tries=ALWAYS,
        )
    assert not workers(where)
