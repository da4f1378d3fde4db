"""The parts of a session as one request uses them: the model, the sandbox, the repair, the records."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from agent.approval import Approver
from agent.events import (
    Event,
    FixFinished,
    Notice,
    ReplyFinished,
    TestFinished,
    TestsFinished,
    TurnFinished,
)
from agent.fixing.fix import fix
from agent.fixing.options import FixOptions
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.intent.wording import as_order
from agent.model.protocol import GapFiller, Model
from agent.planner.planner import Planner
from agent.refactoring.known import known_names
from agent.session.after import AfterCheck
from agent.session.baseline import AfterBaseline
from agent.session.change import TurnChange
from agent.session.edits import recorded
from agent.session.exactly import Exactly
from agent.session.linted import Linting
from agent.session.mending import Mending
from agent.session.planned import Step
from agent.session.request import Request
from agent.session.resources import Resources
from agent.session.talk import Means, Talk
from agent.session.using import unused_removal
from agent.settings.schema import Settings, TurnSettings
from agent.streaming import Emit
from agent.testing.project import ProjectTests
from agent.turn.conversation import Conversation
from agent.workspace.host_files import HostAware, asks_for_each, asks_for_host
from agent.workspace.workspace import Workspace
from sandbox.box.contract import Execution
from sandbox.host.children import in_thread
from sandbox.verdict.report import TestReport


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionParts:
    """The things that one session has opened, or opens when they are needed."""

    resources: Resources
    workspace: Workspace
    talk: Talk
    conversation: Conversation
    approver: HostAware


@dataclass
class InSession:
    """One request's way to the parts of its session."""

    parts: SessionParts
    text: str
    emit: Emit
    attached: str = ""
    """Text that came with the request, such as a diff on standard input."""
    _model: Model | None = field(default=None, init=False)
    _approver: Approver | None = field(default=None, init=False)
    _answering_s: float = field(default=0.0, init=False)
    """Seconds that the replies to this request took so far."""

    async def request(self, before: str) -> Request:
        """The request with all that it needs; `before` is the state of the files now."""
        parts = self.parts
        root = parts.resources.context.root
        sources = Sources(root, await in_thread(parts.workspace.list_files))
        order = await in_thread(_order, self.text, sources)
        if order != self.text:
            self.emit(Notice(f"taken as: {order}"))
            self.text = order
        change = TurnChange(
            before=before,
            root=root,
            workspace=parts.workspace,
            conversation=parts.conversation,
            project=self.project,
            emit=self.emit,
            judged=self._judged,
            put_back=self._put_back,
        )
        after = AfterCheck(
            mending=Mending(
                change=change,
                fix=lambda options: self.fix(options, quiet=True),
                approver=parts.approver,
            ),
            linting=self._linting() if self._settings.lint.after_edits else None,
        )
        self._approver = AfterBaseline(
            approver=parts.approver, may_write=after.may_write, late=after.late
        )
        return Request(
            text=self.text,
            conversation=parts.conversation,
            sources=sources,
            inside=self,
            exactly=Exactly(
                sources=sources,
                conversation=parts.conversation,
                workspace=parts.workspace,
                approver=self._approver,
                emit=self.emit,
            ),
            after=after,
            emit=self.emit,
            planner=self._planner(),
            search_s=self._settings.fix.search_s,
            rewrite_s=self._settings.fix.rewrite_s,
            attached=self.attached,
        )

    def _planner(self) -> Planner | None:
        """The planner, where the person named one and no project's file forbids it."""
        context = self.parts.resources.context
        settings = context.settings.planner
        if not settings.base_url or not settings.use:
            return None
        return Planner(
            settings=settings,
            first=context.settings.model.name,
            paths=context.paths,
            environ=context.environ,
            emit=self.emit,
        )

    def _linting(self) -> Linting:
        return Linting(
            root=self.parts.resources.context.root,
            command=self._settings.lint.command,
            workspace=self.parts.workspace,
            project=self.project,
            emit=self.emit,
        )

    @property
    def _settings(self) -> Settings:
        return self.parts.resources.context.settings

    async def model(self) -> Model:
        """The model; opened when it is first needed."""
        self._model = self._model or await self.parts.resources.model(self.emit)
        return self._model

    async def credit(self) -> tuple[str, str | None]:
        """The model and the adapter that a commit names; the setting, where none was asked."""
        if self._model is None:
            return self._settings.model.name, None
        return self._model.name, self._model.adapter

    async def project(self) -> ProjectTests:
        """The project in the sandbox. Raises SandboxError."""
        return await self.parts.resources.project(self.emit, None)

    async def converse(self, wanted: Wanted, facts: str) -> TurnFinished:
        """Let the model answer; every event but the last one is shown.

        Raises:
            ModelError: If the model gives no answer.
            WorkspaceError: If a state of the files cannot be recorded.
        """
        return await self._answered(self.text, wanted, facts)

    async def carry_out(self, step: Step) -> TurnFinished:
        """Let the model do one step of a plan; raises as `converse`.

        The step is a planner's text: what the person asked for stays the request itself.
        """
        asked = self.text if step.is_first else ""
        return await self._answered(
            step.text,
            step.wanted,
            step.facts,
            goes_on=not step.is_first,
            asked=asked,
            begun=step.begun,
        )

    async def go_on(self, text: str, facts: str) -> TurnFinished:
        """Let the model mend its own change, as this text says; raises as `converse`.

        `facts` come from the sandbox: they are shown, and are never read as the person's words. A model that
        has answered for long in this request is not asked.
        """
        limit = self._settings.turn.again_s
        if self._answering_s >= limit:
            self.emit(Notice(f"the model is not asked once more after {limit:g} s (turn.again_s)"))
            return TurnFinished("done")
        return await self._answered(text, Wanted.EDIT, facts, goes_on=True)

    async def _answered(
        self,
        text: str,
        wanted: Wanted,
        facts: str,
        *,
        goes_on: bool = False,
        asked: str | None = None,
        begun: str = "",
    ) -> TurnFinished:
        parts = self.parts

        async def run_command(command: str) -> Execution:
            return await (await self.project()).run_command(command)

        async def explain(failed: Execution | TestReport, sources: Sources) -> Sequence[str]:
            advisor = parts.resources.advisor(await self.project(), self.emit)
            return await advisor.explain(failed, sources)

        async def run_tests() -> TestReport:
            project = await self.project()
            return await project.run(on_result=lambda result: self.emit(TestFinished(result)))

        means = Means(
            files=await in_thread(parts.workspace.list_files),
            model=await self.model(),
            approver=self._approver or parts.approver,
            checkpoints=parts.workspace,
            run_command=run_command,
            run_tests=run_tests,
            recorder=await parts.resources.recorder(self.emit),
            explain=explain,
            wanted=wanted,
            facts=facts,
            begun=begun,
        )
        return await self._last(
            parts.talk.turn(
                parts.conversation, text, self._settings, means, goes_on=goes_on, asked=asked
            )
        )

    async def _last(self, events: AsyncIterator[Event]) -> TurnFinished:
        end = TurnFinished("done")
        async for event in events:
            if isinstance(event, TurnFinished):
                end = event
                continue
            if isinstance(event, ReplyFinished):
                self._answering_s += event.duration_s
            self.emit(event)
        return end

    def fix_options(self, only: frozenset[str]) -> FixOptions:
        """The limits of a repair, from the settings, of all that is red or `only` of these tests."""
        settings = self._settings
        return FixOptions(
            max_attempts=settings.fix.max_attempts,
            allow_test_edits=settings.fix.allow_test_edits,
            least_reply_tokens=_asked_for(settings),
            search_s=settings.fix.search_s,
            rewrite_s=settings.fix.rewrite_s,
            draws_s=settings.fix.rewrite_s / 2,
            largest_file_tokens=settings.fix.largest_file_tokens,
            only=only,
        )

    async def fix(
        self, options: FixOptions, *, command: str | None = None, quiet: bool = False
    ) -> FixFinished | None:
        """Repair red tests; None if that did not come to its end. `quiet` keeps the end unsaid.

        Raises:
            ModelError: If the model gives no answer.
            SandboxError: If the sandbox gives no answer.
        """
        parts = self.parts
        project = await parts.resources.project(self.emit, command)
        model = await self.model()
        recorder = await parts.resources.recorder(self.emit)
        finished: FixFinished | None = None
        first = True
        advisor = parts.resources.advisor(project, self.emit)
        async for event in fix(
            root=parts.resources.context.root,
            files=await in_thread(parts.workspace.list_files),
            runner=project,
            model=model,
            options=options,
            recorder=recorder,
            advise=advisor.for_test,
            names=advisor.names,
            # A job of its own was asked for with its edits; a turn asks as its mode says.
            may_write=(asks_for_each if self._approver else asks_for_host)(parts.approver),
            will_judge=parts.workspace.will_judge,
            tester=project,
            filler=model if isinstance(model, GapFiller) else None,
        ):
            finished = event if isinstance(event, FixFinished) else finished
            if not (quiet and isinstance(event, (FixFinished, TestsFinished))):
                self.emit(event)
            if recorder is not None and isinstance(event, TestsFinished) and first:
                first = False
                await recorded(self.emit, recorder.tests_ran, event.report)
            elif recorder is not None and isinstance(event, FixFinished):
                recorder.tests_known(event.red_after)
        return finished

    async def _judged(self, report: TestReport) -> None:
        if recorder := await self.parts.resources.recorder(self.emit):
            await recorded(self.emit, recorder.tests_ran, report)

    async def _put_back(self) -> None:
        if recorder := await self.parts.resources.recorder(self.emit):
            recorder.put_back(Sources(self.parts.resources.context.root, ()).text)


def _asked_for(settings: Settings) -> int:
    """Tokens that a reply shall have at least: those of the setting, once somebody has raised it."""
    tokens = settings.turn.max_reply_tokens
    return tokens if tokens > TurnSettings().max_reply_tokens else 0


def _order(text: str, sources: Sources) -> str:
    """The order that a message stands for; any other message as it is."""
    return unused_removal(text, sources) or as_order(
        text, lambda words: known_names(words, sources)
    )
