"""Watches a repository's files and carries out what new comments ask for, one turn after the other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from typing import Protocol

from agent.approval import Mode
from agent.errors import EXPECTED
from agent.events import Event
from agent.intent.wanted import Wanted
from agent.processes import in_thread
from agent.session.context import Context
from agent.text import display_safe
from agent.turn.conversation import Conversation
from agent.watching.changes import changes
from agent.watching.comments import Comment
from agent.watching.noticing import Noticing, git_folder
from tui.lines.asking import terminal_approver
from tui.running import open_assistant
from tui.show.plain import Presenter, make_console, make_presenter


class WatchingAgent(Protocol):
    """The part of the assistant that watching uses."""

    conversation: Conversation

    def turn(
        self,
        text: str,
        *,
        wanted: Wanted | None = None,
        attached: str = "",
        comment: Comment | None = None,
    ) -> AsyncGenerator[Event, None]: ...

    async def written(self) -> Sequence[str]:
        """The files that the last job left changed."""


async def run_watch(where: Context, mode: Mode, *, polling: bool) -> int:
    """Watch until a signal ends it."""
    presenter = make_presenter(as_json=False)
    settled = where.settings.approval
    approver = terminal_approver(presenter, as_json=False, mode=mode, settled=settled)

    console = make_console()

    def say(sentence: str) -> None:
        console.print(display_safe(sentence), soft_wrap=True)

    try:
        async with open_assistant(where, approver) as assistant:
            noticing = Noticing(
                root=where.root,
                list_files=assistant.workspace.list_files,
                git_folder=git_folder(where.root),
            )
            there = await in_thread(noticing.begin)
            say(f"watching {where.root}, mode {mode}; Ctrl-C ends it")
            if there:
                say(
                    f"{there} comments that stand there already start nothing; change one to use it"
                )
            saved = changes(lambda: noticing.folders, polling=polling)
            await follow(assistant, noticing, saved, presenter, say)
    finally:
        presenter.close()
    return 0


async def follow(
    agent: WatchingAgent,
    noticing: Noticing,
    saved: AsyncIterator[None],
    presenter: Presenter,
    say: Callable[[str], object],
) -> None:
    """Carry out what is asked for after each burst of saved files, until there are no more."""
    written: set[str] = set()
    async for _ in saved:
        try:
            found = await in_thread(noticing.look, written=frozenset(written))
        except EXPECTED as err:
            say(f"elagent: {err}")
            continue
        written.clear()
        for item in found:
            place = f"{item.comment.path}:{item.comment.line}"
            if item.passed_over:
                say(
                    f"{place}: not done, since {item.passed_over}; change the comment to have it done"
                )
                continue
            say(f"{place}: {item.comment.words}")
            written |= set(await _carry_out(agent, item.comment, presenter, say))


async def _carry_out(
    agent: WatchingAgent, comment: Comment, presenter: Presenter, say: Callable[[str], object]
) -> Sequence[str]:
    """Hold one turn; gives the files that it left changed."""
    agent.conversation.add_file(comment.path)
    try:
        work = agent.turn(
            comment.request, wanted=comment.wanted, attached=comment.attached, comment=comment
        )
        async for event in work:
            presenter.show(event)
        return await agent.written()
    except EXPECTED as err:
        presenter.close()
        say(f"elagent: {err}")
        return ()
    finally:
        agent.conversation.drop_file(comment.path)
