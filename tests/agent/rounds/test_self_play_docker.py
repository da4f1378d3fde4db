"""Self-play repair with a real sandbox, a real repository and a scripted server: what it leaves behind."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.approval import ModeApprover
from agent.assistant import Assistant
from agent.events import Event, Notice
from agent.paths import Paths
from agent.rounds.self_play import SelfPlayOptions
from agent.session.context import Context
from agent.settings.load import Loaded
from agent.settings.schema import FixSettings, ModelSettings, SandboxSettings, Settings
from learning.experience.store import ExperienceStore
from learning.records import Verdict
from learning.training.job import ExampleKind
from learning.training.selection import select
from tests.fakes.openai_server import FakeServer, Scripted, serve
from tests.fakes.yields import read_yields

_WRONG = (
    "import packaging.version\n\n\n"
    "def major(text):\n    return packaging.version.parse_version(text).major\n"
)
_RIGHT = _WRONG.replace("parse_version", "parse")
_TEST = "from calc import major\n\n\ndef test_major():\n    assert major('3.1') == 3\n"


def _reply(source: str) -> Scripted:
    return Scripted(pieces=[f"```python\n{source}```"], prompt_ids=(1, 2, 3))


def _project(root: Path) -> None:
    (root / "tests").mkdir(parents=True)
    (root / "calc.py").write_text(_WRONG)
    (root / "tests" / "test_calc.py").write_text(_TEST)
    git = ["/usr/bin/env", "git", "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
        subprocess.run([*git, *arguments], cwd=root, check=True, capture_output=True)


def _notices(events: Sequence[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Notice)]


@pytest.mark.docker
async def test_a_failure_of_a_session_becomes_a_pair_at_its_own_prompt(
    sandbox_image: str, tmp_path: Path
) -> None:
    root, paths = tmp_path / "project", Paths(tmp_path / "home")
    _project(root)
    tries = (_WRONG.replace("parse_version", name) for name in ("read", "of", "parse"))
    served: dict[str, object] = {
        "id": "fake",
        "max_model_len": 4096,
        "elagent": {"token_ids": True},
    }
    fake = FakeServer(script=list(map(_reply, tries)), token_ids=True, models=[served])
    with serve(fake) as server:
        context = Context(
            root=root,
            loaded=Loaded(
                settings=Settings(
                    model=ModelSettings(name="fake", base_url=f"{server.url}/v1"),
                    sandbox=SandboxSettings(image="lite"),
                    fix=FixSettings(max_attempts=1, search_s=0),
                ),
                origins={},
            ),
            paths=paths,
            environ={},
            launcher=[],
        )
        async with Assistant(context, ModeApprover("auto")) as assistant:
            assert [event async for event in assistant.fix()]
            options = SelfPlayOptions(tries=2)
            events = [event async for event in assistant.self_play(options)]
    assert _notices(events)[-1].startswith("self-play repair: 1 of 1 failures fixed with 2 replies")
    assert (root / "calc.py").read_text() == _WRONG, "self-play wrote into the user's files"

    with ExperienceStore.open(paths.repository(root).experiences) as store:
        rows = store.list()
    (pair,) = [row for row in rows if row.verdict is Verdict.PASS]
    (failed,) = [row for row in rows if row.verdict is Verdict.FAIL]
    assert (pair.fixes, pair.after, pair.trust.may_train) == (failed.id, _RIGHT, True)
    told = pair.messages[-1].content
    assert "packaging.version has no of" in told, "the library was not asked about the last try"
    assert "packaging.version has no of" not in failed.messages[-1].content
    (example,) = select(rows, model="fake", max_examples=8).examples[:1]
    assert (example.kind, example.step.messages) == (ExampleKind.HINDSIGHT, failed.messages)

    (account,) = read_yields(paths.repository(root).learn)
    assert (account.failures, account.pairs, account.distinct, account.replies) == (1, 1, 1, 2)
    assert account.test_runs >= 3
