"""`/wrong` through the facade: a sentence for the person, whatever there is to correct."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.approval import ModeApprover
from agent.assistant import Assistant
from agent.events import Notice
from agent.paths import Paths
from agent.session.context import Context
from agent.settings.load import Loaded
from agent.settings.schema import SessionSettings, Settings


@pytest.mark.parametrize(
    ("capture", "said"),
    [
        (True, "nothing was done yet that could be wrong"),
        (False, "nothing is recorded: session.capture is off"),
    ],
)
async def test_there_may_be_nothing_to_correct(tmp_path: Path, capture: bool, said: str) -> None:
    context = Context(
        root=tmp_path,
        loaded=Loaded(settings=Settings(session=SessionSettings(capture=capture)), origins={}),
        paths=Paths(tmp_path / "home"),
        environ={},
        launcher=[],
    )
    async with Assistant(context, ModeApprover("auto")) as assistant:
        assert [event async for event in assistant.wrong("no")] == [Notice(said, "warning")]
