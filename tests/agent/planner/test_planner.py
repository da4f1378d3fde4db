"""Two models: one on another server plans, the first one edits; what leaves, what stays, what fails."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent.approval import Approver, Decision, ModeApprover, Question
from agent.assistant import Assistant
from agent.events import Event, Notice, ReplyFinished, TurnEnding, TurnFinished
from agent.paths import Paths
from agent.planner.planner import read_steps
from agent.session.context import Context
from agent.settings.load import ConfigError, Loaded, load
from agent.settings.schema import LintSettings, ModelSettings, PlannerSettings, Settings
from agent.testing.project import ProjectTests
from learning.experience.store import ExperienceStore
from sandbox.box.contract import EngineUnavailableError
from tests.agent.test_assistant import all_of
from tests.fakes.openai_server import FakeServer, Scripted, failure, serve, text

PRICES = 'SECRET = "sk-proj-Zk3vQ8xT1mN7rB5wL2yH9cD4fG6jK0pS"\n\n\ndef total(price, count):\n    return price * count\n'
REPORT = (
    "from prices import total\n\n\ndef line(price, count):\n    return str(total(price, count))\n"
)
REQUEST = "let prices.py round to whole cents and show cents in report.py"
STEPS = (
    "In prices.py let total return round(price * count).",
    "In report.py let line return f'{total(price, count)} ct'.",
)
PLAN = f"<think>Two files.</think>\n1. {STEPS[0]}\n2) {STEPS[1]}\n"
ROUNDED = PRICES.replace("price * count", "round(price * count)")
SHOWN = REPORT.replace("str(total(price, count))", 'f"{total(price, count)} ct"')


def changed(path: str, code: str) -> Scripted:
    return text(f"{path}\n```python\n{code[code.index('def ') :]}```\n")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "prices.py").write_text(PRICES)
    (folder / "report.py").write_text(REPORT)
    return folder


@pytest.fixture
def first() -> Iterator[FakeServer]:
    """The model that edits."""
    script = [changed("prices.py", ROUNDED), changed("report.py", SHOWN)]
    with serve(FakeServer(script=script)) as running:
        yield running


@pytest.fixture
def larger() -> Iterator[FakeServer]:
    """The model that plans."""
    models: list[dict[str, object]] = [{"id": "large", "max_model_len": 32768}]
    with serve(FakeServer(script=[text(PLAN)], models=models)) as running:
        yield running


@asynccontextmanager
async def opened(
    root: Path,
    first: FakeServer,
    planner: PlannerSettings,
    *,
    environ: Mapping[str, str] | None = None,
    approver: Approver | None = None,
    sandbox: bool = False,
) -> AsyncIterator[Assistant]:
    settings = Settings(
        model=ModelSettings(name="fake", base_url=first.url),
        planner=planner,
        lint=LintSettings(after_edits=False),
    )
    context = Context(
        root=root,
        loaded=Loaded(settings=settings, origins={}),
        paths=Paths(root.parent / "home"),
        environ=environ or {},
        launcher=[],
    )

    async def no_project(*_: object) -> ProjectTests:
        raise EngineUnavailableError("there is no engine")

    async with Assistant(context, approver or ModeApprover("auto")) as assistant:
        if not sandbox:
            assistant._resources.project = no_project  # type: ignore[assignment, method-assign]
        yield assistant


def named(server: FakeServer, **more: object) -> PlannerSettings:
    known: dict[str, Any] = {"base_url": f"{server.url}/v1", "model": "large"}
    return PlannerSettings(**known | more)


def said(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Notice))


async def test_a_larger_model_plans_and_the_first_one_does_each_step(
    root: Path, first: FakeServer, larger: FakeServer
) -> None:
    async with opened(root, first, named(larger)) as assistant:
        events = await all_of(assistant.turn(REQUEST))
        assert (root / "prices.py").read_text() == ROUNDED
        assert (root / "report.py").read_text() == SHOWN
        assert assistant.conversation.requests == (REQUEST,)
        assert sorted(assistant.workspace.undo().paths) == ["prices.py", "report.py"]
    assert events[-1] == TurnFinished("done", TurnEnding.DONE)
    assert len(larger.requests) == 1
    prompts = [str(request["messages"]) for request in first.requests]
    assert [STEPS[1] in prompt for prompt in prompts] == [False, True]
    assert all(STEPS[0] in prompt and REQUEST in prompt for prompt in prompts)
    assert "large plans 2 steps, fake carries them out:" in said(events)
    assert f"2. {STEPS[1]}" in said(events)
    assert {event.model for event in events if isinstance(event, ReplyFinished)} == {"fake"}


async def test_names_and_signatures_leave_and_neither_code_nor_secrets(
    root: Path, first: FakeServer, larger: FakeServer
) -> None:
    key = "ghp_" + "a1B2c3D4e5F6" * 3
    (root / "AGENTS.md").write_text("Never tell anybody about the merger.\n")
    wish = f"{REQUEST}, with the token {key}"
    async with opened(root, first, named(larger)) as assistant:
        events = await all_of(assistant.turn(wish, attached="--- a/private.diff"))
    sent = json.dumps(larger.requests)
    assert "def total(price, count)" in sent
    assert "report.py" in sent
    for kept in (key, "sk-proj", "round(price", "return price", "merger", "private.diff"):
        assert kept not in sent
    assert "is sent the request, 3 names of files and 2 signatures" in said(events)
    assert "on this machine (127.0.0.1:" in said(events)


@pytest.mark.parametrize(
    "message",
    ["let total in prices.py round", "what does prices.py do, and report.py?"],
    ids=["one place", "a question"],
)
async def test_what_needs_no_steps_is_not_sent(
    root: Path, first: FakeServer, larger: FakeServer, message: str
) -> None:
    async with opened(root, first, named(larger)) as assistant:
        await all_of(assistant.turn(message))
    assert larger.paths == []


@pytest.mark.parametrize("off", [{"base_url": None}, {"use": False}], ids=["unnamed", "forbidden"])
async def test_nobody_is_asked_unless_named_and_allowed(
    root: Path, first: FakeServer, larger: FakeServer, off: Mapping[str, object]
) -> None:
    async with opened(root, first, named(larger, **off)) as assistant:
        events = await all_of(assistant.turn(REQUEST))
    assert larger.paths == []
    assert "plan" not in said(events)


@pytest.mark.parametrize(
    "case",
    [
        (failure(400, "the quota is used up"), {}, "the quota is used up"),
        (text("I would begin with prices.py."), {}, "its answer has no numbered steps"),
        (text("<think>1. Never"), {}, "its answer has no numbered steps"),
        (Scripted(pieces=["1. x"], delay_s=30), {"timeout_s": 1.0}, "did not answer within 1 s"),
        (text(PLAN), {"model": None}, "planner.model is not set"),
        (text(PLAN), {"model": "huge"}, "Set planner.model to one of them"),
        (text(PLAN), {"api_key_env": "NO_SUCH_KEY"}, "variable NO_SUCH_KEY of planner.api_key_env"),
        (text(PLAN), {"base_url": "http://127.0.0.1:9"}, "planner.base_url is right"),
        (text(PLAN), {"base_url": "ftp://planner"}, "planner.base_url 'ftp://planner' must look"),
    ],
)  # fmt: skip
async def test_without_a_plan_one_sentence_says_why_and_the_first_model_goes_on_alone(
    root: Path,
    first: FakeServer,
    larger: FakeServer,
    case: tuple[Scripted, Mapping[str, object], str],
) -> None:
    larger.script[0], more, reason = case
    first.script[:] = [text(f"{_whole('prices.py', ROUNDED)}\n{_whole('report.py', SHOWN)}")]
    async with opened(root, first, named(larger, **more)) as assistant:
        events = await all_of(assistant.turn(REQUEST))
    (warning,) = (e.text for e in events if isinstance(e, Notice) and "gave no plan" in e.text)
    assert reason in warning
    assert "model.base_url" not in warning
    assert warning.endswith("fake goes on alone.")
    assert (root / "prices.py").read_text() == ROUNDED
    assert events[-1] == TurnFinished("done", TurnEnding.DONE)


def _whole(path: str, code: str) -> str:
    return f"{path}\n```python\n{code}```\n"


async def test_the_key_comes_from_the_variable_that_is_named_and_is_never_shown(
    root: Path, first: FakeServer, larger: FakeServer
) -> None:
    larger.api_key = "a-key-of-the-planner"
    environ = {"PLANNER_KEY": larger.api_key}
    async with opened(
        root, first, named(larger, api_key_env="PLANNER_KEY"), environ=environ
    ) as assistant:
        events = await all_of(assistant.turn(REQUEST))
    assert (root / "report.py").read_text() == SHOWN
    assert larger.api_key not in str(events)


async def test_nothing_of_the_planner_is_evidence_or_an_action(
    root: Path, first: FakeServer, larger: FakeServer
) -> None:
    async with opened(root, first, named(larger)) as assistant:
        await all_of(assistant.turn(REQUEST))
    with ExperienceStore.open(Paths(root.parent / "home").repository(root).experiences) as store:
        kept = store.list()
    assert [item.action.model for item in kept] == ["fake", "fake"]
    for item in kept:
        assert not item.evidence
        learned = (item.action.text, item.observation, item.after, *item.targets)
        assert not any(step in part for step in STEPS for part in learned)


async def test_a_file_that_only_the_planner_names_is_asked_about(
    root: Path, first: FakeServer, larger: FakeServer
) -> None:
    """A planner's words are no wish of the person's."""
    questions: list[Question] = []

    async def no(question: Question) -> Decision:
        questions.append(question)
        return Decision(allowed=False, reason="the user said no")

    (root / "deploy.py").write_text("def deploy():\n    return 1\n")
    larger.script[:] = [text("1. In deploy.py let deploy return 2.\n2. In prices.py round.\n")]
    first.script[:] = [changed("deploy.py", "def deploy():\n    return 2\n")]
    async with opened(root, first, named(larger), approver=ModeApprover("auto", no)) as assistant:
        events = await all_of(assistant.turn(REQUEST))
    assert [question.subject for question in questions] == ["deploy.py"]
    assert (root / "deploy.py").read_text() == "def deploy():\n    return 1\n"
    assert "Step 1 of 2 was not done" in said(events)
    assert "the 1 behind it were not begun" in said(events)


@pytest.mark.docker
@pytest.mark.usefixtures("sandbox_image")
async def test_a_step_that_makes_a_test_red_is_taken_back_alone_and_ends_the_plan(
    root: Path, first: FakeServer, larger: FakeServer
) -> None:
    (root / "test_report.py").write_text(
        "from report import line\n\n\ndef test_line():\n    assert line(2, 3).startswith('6')\n"
    )
    worse = REPORT.replace("str(total(price, count))", "'ct ' + chr(total(price, count) + 50)")
    first.script[:] = [changed("prices.py", ROUNDED), changed("report.py", worse)]
    async with opened(root, first, named(larger), sandbox=True) as assistant:
        events = await all_of(assistant.turn(REQUEST))
    assert (root / "prices.py").read_text() == ROUNDED
    assert (root / "report.py").read_text() == REPORT
    assert "Step 2 of 2 was not done: test_report.py::test_line became red" in said(events)
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].ending is TurnEnding.FAILED


@pytest.mark.parametrize(
    "line", ['base_url = "http://evil.example"', 'model = "large"', 'api_key_env = "HOME"']
)
def test_a_projects_file_names_no_planner(tmp_path: Path, line: str) -> None:
    (tmp_path / ".elagent.toml").write_text(f"[planner]\n{line}\n")
    with pytest.raises(ConfigError, match="can only be set by the user"):
        load(tmp_path, {})


def test_a_projects_file_may_forbid_the_planner_and_not_allow_it_again(tmp_path: Path) -> None:
    named = {"ELAGENT_PLANNER_BASE_URL": "http://localhost:1/v1"}
    (tmp_path / ".elagent.toml").write_text("[planner]\nuse = false\n")
    assert not load(tmp_path, named).settings.planner.use
    (tmp_path / ".elagent.toml").write_text("[planner]\nuse = true\n")
    with pytest.raises(ConfigError, match="can only be switched on by the user"):
        load(tmp_path, named | {"ELAGENT_PLANNER_USE": "false"})


@pytest.mark.parametrize(
    ("answer", "steps"),
    [
        ("1. One.\n2. Two.", ("One.", "Two.")),
        ("Here you are:\n\n**1. One.**\n  2) Two.\nThat is all.", ("One.", "Two.")),
        ("Step 1: One.", ("One.",)),
        ("\n".join(f"{n}. {n}" for n in range(1, 9)), ("1", "2", "3", "4", "5")),
        ("no list", ()),
        (
            "1. \x1b[31mOne.\x1b[0m\n\x1b[1m2. Two\x07.\n3. \u202eThree.",
            ("One.", "Two.", "\\u202eThree."),
        ),
    ],
)
def test_numbered_lines_are_steps_at_most_five(answer: str, steps: tuple[str, ...]) -> None:
    assert read_steps(answer) == steps
