"""Carries out what `background.decide` decides, and shows what the learner says."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent.events import Event, LearnFinished
from tui.app.learner.background import Conditions, IdleTime, decide, trouble
from tui.app.transcript.entries import AnswerEntry, EventEntry, FailureEntry

if TYPE_CHECKING:
    from textual.timer import Timer

    from agent.rounds.learn import LearnOptions
    from agent.rounds.process import LearnerSwitch
    from tui.app.app import ElagentApp
    from tui.rounds import Round
    from tui.wiring import Context

_LOOK_IDLE_S = 5.0
_LOOK_RUNNING_S = 0.5


class Learner:
    """At most one learning round beside the conversation."""

    def __init__(self, app: ElagentApp) -> None:
        self._app = app
        self.idle = IdleTime()
        self._task: asyncio.Task[None] | None = None
        self._switch: LearnerSwitch | None = None
        self._by_hand = self._given_up = False
        self._new_verified = self._unfixed = 0
        self._practising = self._practised = False
        self._timer: Timer | None = None
        self._stop_reason = ""

    @property
    def running(self) -> bool:
        return self._task is not None

    def begin(self) -> None:
        """The agent is open: count what there is, and look from time to time."""
        self._timer = self._app.set_interval(_LOOK_IDLE_S, self._look)
        self.look()

    def touch(self) -> None:
        """A key was pressed: what was begun in the background stands still at once."""
        self.idle.touch()
        if self.running and not self._by_hand:
            self._pause("you are typing")

    def hold(self) -> None:
        """A turn begins."""
        if self.running:
            self._pause("a turn is running")

    def release(self) -> None:
        """A turn has ended."""
        self.idle.touch()
        self._look()

    def look(self) -> None:
        """Count again what could be learned from, and what is in use."""
        self._app.beside(self._count, group="count")

    async def _count(self) -> None:
        from learning.errors import LearningError

        try:
            counted = await asyncio.to_thread(_count_all, self._app.where)
        except LearningError as err:
            self._app.learning.notices = [str(err)]
        else:
            self._new_verified, self._unfixed = counted.new_verified, counted.unfixed
            self._app.learning.lineage = counted.lineage
            self._app.learning.rounds = counted.rounds
        self._look()

    def _look(self) -> None:
        from learning.training.resources import available_bytes

        now = Conditions(
            idle_s=self.idle.seconds,
            busy=self._app.jobs.busy,
            new_verified=self._new_verified,
            running=self.running,
            paused=self._switch is not None and self._switch.paused,
            by_hand=self._by_hand,
            trouble=trouble(available_bytes=available_bytes()),
            given_up=self._given_up,
            to_practise=self._to_practise,
        )
        step = decide(self._app.where.settings.learn, now)
        match step.action:
            case "start":
                self.start(by_hand=False)
            case "pause":
                self._pause(step.reason)
            case "resume":
                self._resume()
            case "stop":
                self._end(step.reason)
            case "wait" if not self.running:
                self._app.learning.waits_for = step.reason
        self._draw()

    def start(self, *, by_hand: bool) -> None:
        """Begin a round, or go on with one that was interrupted."""
        from agent.rounds.process import LearnerSwitch

        if self.running:
            self._app.notify("a learning round is running already; F2 shows it")
            return
        self._by_hand = by_hand
        self._switch = LearnerSwitch()
        self._app.learning.began()
        self._task = asyncio.create_task(self._round(self._switch))
        if self._app.jobs.busy:
            self._pause("a turn is running")
        self._every(_LOOK_RUNNING_S)

    @property
    def _to_practise(self) -> int:
        wanted = self._app.where.settings.learn.practice_min > 0 and not self._practised
        return self._unfixed if wanted else 0

    async def _practise(self) -> None:
        """Retry failures that nobody fixed: what comes of it is learned in the round that follows."""
        from agent.rounds.practice import PracticeOptions

        settings = self._app.where.settings.learn
        limits = PracticeOptions(budget_s=60 * settings.practice_min, seed=settings.seed)
        self._practising = True
        self._app.learning.paused = ""
        try:
            async for event in self._app.backstage.agent.practise(limits):
                self._app.learning.take(event)
                self._draw()
        finally:
            self._practising = False
        self._practised = True
        await self._count()

    async def _practised_enough(self) -> bool:
        """Practise first where nobody asked for the round; whether there is something to learn."""
        if self._by_hand or not self._to_practise:
            return True
        await self._practise()
        return self._new_verified >= self._app.where.settings.learn.background_after

    async def _round(self, switch: LearnerSwitch) -> None:
        from agent.errors import AgentError
        from learning.errors import LearningError

        app = self._app
        try:
            if not await self._practised_enough():
                return
            async for event in app.backstage.agent.learn(self._options(), switch=switch):
                await self._take(event)
        except asyncio.CancelledError:
            if self._stop_reason:
                await app.add(
                    AnswerEntry(f"learning stopped: {self._stop_reason}; it can go on later")
                )
            raise
        except (AgentError, LearningError) as err:
            self._given_up = True
            app.learning.notices = [str(err)]
            if self._by_hand:
                await app.add(FailureEntry(str(err)))
        except Exception as err:  # noqa: BLE001 - the outer edge of a task: logged and shown
            self._given_up = True
            await app.add(FailureEntry(app.backstage.fault(err)))
        finally:
            self._task = self._switch = None
            app.learning.ended()
            self._every(_LOOK_IDLE_S)
            self.look()

    async def _take(self, event: Event) -> None:
        app = self._app
        app.learning.take(event)
        self._draw()
        if isinstance(event, LearnFinished):
            await app.add(EventEntry(event))
            self._given_up = event.adapter is None
            if event.decision == "promoted":
                app.backstage.switch_when_idle()

    def _options(self) -> LearnOptions:
        from agent.rounds.learn import LearnOptions

        settings = self._app.where.settings.learn
        return LearnOptions(
            max_examples=settings.max_examples,
            steps=settings.steps,
            max_tokens=settings.max_tokens,
            learning_rate=settings.lr,
            rank=settings.rank,
            seed=settings.seed,
            keep_adapters=settings.keep_adapters,
            trial_s=60 * settings.trial_min if settings.trial else None,
        )

    async def close(self) -> None:
        """End the round at its next checkpoint: it loses at most one step."""
        task = self._task
        self._end("")
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    def _end(self, reason: str) -> None:
        self._stop_reason = reason
        if self._task is not None:
            self._task.cancel()

    def _pause(self, reason: str) -> None:
        if self._practising:  # it uses the model and the sandbox, which the person may want now
            self._end("")
            return
        if self._switch is not None and not self._switch.paused:
            self._switch.pause()
        self._app.learning.paused = reason
        self._draw()

    def _resume(self) -> None:
        if self._switch is not None:
            self._switch.resume()
        self._app.learning.paused = ""

    def _every(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.stop()
        if self._app.is_running:
            self._timer = self._app.set_interval(seconds, self._look)

    def _draw(self) -> None:
        app = self._app
        if app.is_running:
            app.status.show(replace(app.standing, learner=app.learning.short))
            app.panel.draw()


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoreCounts:
    """What the stores of this repository say."""

    new_verified: int
    unfixed: int
    lineage: tuple[str, ...]
    rounds: tuple[Round, ...]


def _count_all(where: Context) -> _StoreCounts:
    """Read the stores. Blocks, and so does what it imports: the keyboard must not wait for it."""
    from tui import reports

    return _StoreCounts(
        new_verified=reports.new_verified(where),
        unfixed=reports.unfixed_failures(where),
        lineage=reports.lineage(where),
        rounds=reports.rounds(where),
    )
