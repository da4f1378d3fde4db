"""Each command of a conversation, without a screen: what it does and what is to be shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from agent.errors import WorkspaceError
from agent.events import (
    ChangeChosen,
    Event,
    OtherChange,
    ReplyFinished,
    RequestRead,
    TestsFinished,
    TurnFinished,
)
from agent.intent.wanted import Wanted
from agent.paths import Paths
from agent.session.context import Context
from agent.session.rewinding import PastTurn
from agent.settings.commands import NO_COMMANDS, WrittenCommand, WrittenCommands
from agent.settings.load import load
from tests.fakes.agent import ScriptedAgent
from tests.fakes.sandbox import failed, report
from tui.conversation import Dialogue
from tui.slash import SLASH_COMMANDS
from tui.taken import (
    AnswererChanged,
    Changed,
    Cleared,
    FilesPutBack,
    Help,
    Learn,
    Leave,
    ModeChanged,
    PendingWork,
    Told,
)

REPLY = ReplyFinished("x", "qwen", "el-1", 100, 0, 20, 8192, 1.0)


@pytest.fixture
def agent() -> ScriptedAgent:
    return ScriptedAgent()


@pytest.fixture
def dialogue(agent: ScriptedAgent, tmp_path: Path) -> Dialogue:
    return talk(agent, tmp_path)


def talk(
    agent: ScriptedAgent,
    root: Path,
    *,
    busy: bool = False,
    settings: Mapping[str, object] = MappingProxyType({}),
    commands: WrittenCommands = NO_COMMANDS,
) -> Dialogue:
    async def start() -> str:
        return "start"

    given = {"model.name": "fake", **settings}
    where = Context(
        root=root,
        loaded=load(root, {"HOME": str(root)}, given),
        paths=Paths(root / "home"),
        commands=commands,
    )
    return Dialogue(
        where,
        agent,
        mode="auto",
        files=agent.workspace.list_files,
        start=start,
        busy=lambda: busy,
    )


async def done(work: object) -> list[Event]:
    assert isinstance(work, PendingWork)
    return [event async for event in work.events()]


@pytest.mark.parametrize("command", SLASH_COMMANDS, ids=lambda command: command.name)
async def test_every_command_of_the_list_is_carried_out(
    command: object, dialogue: Dialogue
) -> None:
    name = getattr(command, "name")  # noqa: B009 - of a frozen value that pytest hands on
    argument = "README.md" if name in ("/add", "/drop") else "x"
    needs = getattr(command, "needs_argument")  # noqa: B009
    taken = await dialogue.take(f"{name} {argument}" if needs else name)
    assert not (isinstance(taken, Told) and "no command" in taken.text)


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("why does it fail?", "why does it fail?"),
        ("/test", "/test"),
        ("/fix", "/fix"),
        ("/run make all", "make all"),
        ("/wrong it was a typo", "it was a typo"),
        ("/mcp", "/mcp "),
        ('/mcp s add {"a": 1}', '/mcp s add {"a": 1}'),
    ],
)
async def test_what_takes_a_while_is_work_that_nobody_has_begun(
    line: str, asked: str, dialogue: Dialogue, agent: ScriptedAgent
) -> None:
    work = await dialogue.take(line)
    assert agent.asked == []
    assert await done(work) == [TurnFinished("done")]
    assert agent.asked == [asked]


async def test_learning_obeys_the_settings_and_includes_the_trial(
    agent: ScriptedAgent, tmp_path: Path
) -> None:
    settings = {"learn.steps": 3, "learn.max_examples": 5, "learn.trial_min": 7.0}
    learn = await talk(agent, tmp_path, settings=settings).take("/learn")
    assert isinstance(learn, Learn)
    assert (learn.options.steps, learn.options.max_examples) == (3, 5)
    assert learn.options.trial_s == 7 * 60
    untried = await talk(agent, tmp_path, settings={"learn.trial": False}).take("/learn")
    assert isinstance(untried, Learn)
    assert untried.options.trial_s is None


async def test_files_that_a_request_names_are_shown_and_others_are_refused(
    dialogue: Dialogue, agent: ScriptedAgent
) -> None:
    await dialogue.take("look at @src/one.py")
    assert await dialogue.take("/add @src/two.py") == Told(
        text="src/two.py is shown to the model with your next request"
    )
    assert await dialogue.take("/add nope.py") == Told(
        text="there is no file nope.py in this repository"
    )
    assert list(agent.conversation.added_files) == ["src/one.py", "src/two.py"]
    await dialogue.take("/drop src/one.py")
    assert list(agent.conversation.added_files) == ["src/two.py"]


async def test_modes_models_and_the_screen_are_values(
    dialogue: Dialogue, agent: ScriptedAgent
) -> None:
    assert await dialogue.take("/mode plan") == ModeChanged(mode="plan", text="mode plan")
    assert dialogue.mode == "plan"
    assert agent.modes == ["plan"]
    refused = await dialogue.take("/fix")
    assert isinstance(refused, Told)
    assert refused.text.startswith("plan mode only reads")
    assert await dialogue.take("/mode fast") == Told(text="mode plan; choose: /mode ask|auto|plan")
    dialogue.note(REPLY)
    assert (dialogue.standing.used_tokens, dialogue.standing.limit_tokens) == (120, 8192)
    switched = await dialogue.take("/model other")
    assert isinstance(switched, AnswererChanged)
    assert (agent.reconnected, dialogue.standing.model) == (["other"], "other")
    assert isinstance(await dialogue.take("/help"), Help)
    assert isinstance(await dialogue.take("/quit"), Leave)


async def test_files_go_back_and_the_diff_is_shown(
    dialogue: Dialogue, agent: ScriptedAgent
) -> None:
    assert await dialogue.take("/diff") == Told(text="nothing changed")
    agent.workspace.since_start = "--- a\n+++ b\n"
    assert await dialogue.take("/diff") == Changed(diff="--- a\n+++ b\n")
    assert await dialogue.take("/undo") == FilesPutBack(text="undo: a turn: src/one.py")
    assert await dialogue.take("/redo") == FilesPutBack(text="redo: a turn: src/one.py")


@pytest.mark.parametrize("line", ["/undo", "/redo", "/clear", "/model other"])
async def test_nothing_is_taken_from_work_that_goes_on(
    line: str, agent: ScriptedAgent, tmp_path: Path
) -> None:
    before = agent.conversation
    taken = await talk(agent, tmp_path, busy=True).take(line)
    assert taken == Told(text="something is running; stop it first (Esc)")
    assert agent.conversation is before
    assert (agent.workspace.undone, agent.reconnected) == (0, [])


async def test_clearing_begins_a_new_conversation(dialogue: Dialogue, agent: ScriptedAgent) -> None:
    await dialogue.take("/add README.md")
    assert isinstance(await dialogue.take("/clear"), Cleared)
    assert list(agent.conversation.added_files) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/fixx", "/fixx is no command; did you mean /fix?"),
        ("/zzzz", "/zzzz is no command; /help shows them"),
        ("/run", "an argument is missing: /run CMD"),
        ("/wrong  ", "an argument is missing: /wrong WHY"),
    ],
)
async def test_a_line_that_means_nothing_says_what_would(
    line: str, said: str, dialogue: Dialogue, agent: ScriptedAgent
) -> None:
    assert await dialogue.take(line) == Told(text=said)
    assert agent.asked == []


async def test_a_line_after_an_exclamation_mark_is_a_command_for_the_sandbox(
    agent: ScriptedAgent, dialogue: Dialogue
) -> None:
    await done(await dialogue.take("!ls -l"))
    assert agent.commands == ["ls -l"]
    assert agent.asked == ["ls -l"], "the model never hears it"
    assert isinstance(await dialogue.take("!"), Told)


async def test_a_stopped_job_says_what_was_written(
    agent: ScriptedAgent, dialogue: Dialogue
) -> None:
    assert await dialogue.stopped() == "Stopped. No file was changed."
    agent.written_files = ("ops.py",)
    assert "Changed before that: ops.py" in await dialogue.stopped()


async def test_the_last_request_can_be_read_as_something_else(
    agent: ScriptedAgent, dialogue: Dialogue
) -> None:
    assert isinstance(await dialogue.take("/as"), Told)
    await done(await dialogue.take("shorter names"))
    dialogue.note(RequestRead("question", "a question"))
    await done(await dialogue.take("/as"))
    await done(await dialogue.take("/as"))
    await done(await dialogue.take("/as rename"))
    assert agent.wanted == [None, Wanted.EDIT, Wanted.QUESTION, Wanted.RENAME]
    assert agent.asked == ["shorter names"] * 4
    assert isinstance(await dialogue.take("/as poem"), Told)


async def test_other_changes_that_pass_are_shown_until_the_next_repair(dialogue: Dialogue) -> None:
    nothing = Told(text="no other change passed")
    assert await dialogue.take("/others") == nothing
    other = OtherChange("a.py", 3, "< to <=", "template", "--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n")
    dialogue.note(ChangeChosen("a.py", 3, "0 to 1", "template", (other,)))
    shown = Changed(diff=other.diff, title="these pass as well and are not written")
    assert await dialogue.take("/others") == shown
    await dialogue.take("/fix")
    assert await dialogue.take("/others") == nothing


async def test_what_came_with_a_request_goes_beside_it_and_along_when_it_is_read_again(
    dialogue: Dialogue, agent: ScriptedAgent
) -> None:
    await done(await dialogue.take("what is this?", "run `make`"))
    await done(await dialogue.take("/as edit"))
    await done(await dialogue.take("and now?"))
    assert agent.asked == ["what is this?", "what is this?", "and now?"]
    assert agent.attached == ["run `make`", "run `make`", ""]


async def test_a_command_that_a_person_wrote_is_sent_as_a_request(
    agent: ScriptedAgent, tmp_path: Path
) -> None:
    review = WrittenCommand(name="/review", text="Review $ARGUMENTS well.", description="")
    own = talk(agent, tmp_path, commands=WrittenCommands(commands=(review,)))
    await done(await own.take("/review @src/one.py"))
    assert agent.asked == ["Review @src/one.py well."]
    assert agent.conversation.added_files == ("src/one.py",)
    assert await own.take("/reviw") == Told(text="/reviw is no command; did you mean /review?")


async def test_turns_are_listed_and_one_of_them_is_gone_back_to(
    agent: ScriptedAgent, tmp_path: Path
) -> None:
    dialogue = talk(agent, tmp_path)
    nothing = await dialogue.take("/rewind")
    assert isinstance(nothing, Told)
    assert "nothing was done" in nothing.text
    agent.turns = [PastTurn(number=1, text="a turn", before="s", last=None, files=["a.py"])]
    listed = await dialogue.take("/rewind")
    assert isinstance(listed, Told)
    assert "  1  a turn  (a.py)" in listed.text
    assert await dialogue.take("/rewind x") == Told(text="'x' is no turn; /rewind lists them")
    done = await dialogue.take("/rewind 1")
    assert isinstance(done, FilesPutBack)
    assert "src/one.py" in done.text
    assert "goes on from before turn 1" in done.text
    busy = await talk(agent, tmp_path, busy=True).take("/rewind 1")
    assert busy == Told(text="something is running; stop it first (Esc)")
    assert agent.rewound == [1]


async def test_words_after_the_sign_give_a_folder_and_the_red_tests_along(
    agent: ScriptedAgent, dialogue: Dialogue
) -> None:
    await done(await dialogue.take("why is @failing red? see @src/"))
    assert agent.conversation.added_files == ("src/one.py", "src/two.py")
    assert agent.attached == ["No tests have run in this conversation."]
    dialogue.note(TestsFinished(report(failed("tests/test_a.py::test_a", "assert 1 == 2"))))
    await done(await dialogue.take("why is @failing red?"))
    assert "test_a" in agent.attached[-1]
    with pytest.raises(WorkspaceError, match="@diff needs a git repository"):
        await dialogue.take("explain @diff")
    assert len(agent.asked) == 2
