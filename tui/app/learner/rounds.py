"""Runs at most one learning round beside the conversation, as `background.decide` decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.events import Event, LearnFinished
from tui.app.backstage.faults import say_fault
from tui.app.learner.background import Conditions, IdleTime, decide, trouble
from tui.app.messages import AdapterPromoted, EntryMade, HintGiven, LearningChanged
from tui.app.transcript.entries import AnswerEntry, EventEntry, FailureEntry

if TYPE_CHECKING:
    from agent.library.rounds import JudgedRound
    from agent.rounds.process import LearnerSwitch
    from agent.session.context import Context
    from tui.app.backstage.asides import Asides
    from tui.app.backstage.contract import Agent
    from tui.app.backstage.jobs import Jobs
    from tui.app.learner.state import LearningState
    from tui.app.messages import Post

_LOOK_IDLE_S = 5.0
_LOOK_RUNNING_S = 0.5


class Learner:
    """Checks the conditions regularly, and starts, pauses, resumes or ends a round."""

    def __init__(
        self,
        where: Context,
        learning: LearningState,
        *,
        agent: Callable[[], Agent],
        jobs: Jobs,
        asides: Asides,
        post: Post,
    ) -> None:
        self._where = where
        self._learning = learning
        self._agent = agent
        self._jobs = jobs
        self._asides = asides
        self._post = post
        self.idle = IdleTime()
        self._task: asyncio.Task[None] | None = None
        self._switch: LearnerSwitch | None = None
        self._by_hand = self._given_up = False
        self._new_verified = self._unfixed = 0
        self._self_playing = self._self_played = False
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._stop_reason = ""

    @property
    def running(self) -> bool:
        return self._task is not None

    def begin(self) -> None:
        """Count the experiences, and check the conditions regularly from now on."""
        self._look_later()
        self.count()

    def touch(self) -> None:
        """Pause a round that began by itself at once: the person pressed a key."""
        self.idle.touch()
        if self.running and not self._by_hand:
            self._pause("you are typing")

    def hold(self) -> None:
        """Pause the round: a turn begins."""
        if self.running:
            self._pause("a turn is running")

    def release(self) -> None:
        """Check the conditions: a turn has ended."""
        self.idle.touch()
        self._look()

    def count(self) -> None:
        """Count the experiences that can be learned from, and read the adapters again."""
        self._asides.run("count", self._count)

    async def _count(self) -> None:
        from agent.errors import EXPECTED

        try:
            counted = await asyncio.to_thread(_count_all, self._where)
        except EXPECTED as err:
            self._learning.notices = [str(err)]
        else:
            self._new_verified, self._unfixed = counted.new_verified, counted.unfixed
            self._learning.lineage = counted.lineage
            self._learning.rounds = counted.rounds
        self._look()

    def _look(self) -> None:
        """Check the conditions once, act, and check again after a while."""
        action = decide(self._where.settings.learn, self._conditions())
        match action.action:
            case "start":
                self.start(by_hand=False)
            case "pause":
                self._pause(action.reason)
            case "resume":
                self._resume()
            case "stop":
                self._end(action.reason)
            case "wait" if not self.running:
                self._learning.waits_for = action.reason
        self._post(LearningChanged())
        self._look_later()

    def _conditions(self) -> Conditions:
        from agent.library.extra import problem
        from agent.library.machine import available_bytes

        return Conditions(
            idle_s=self.idle.seconds,
            busy=self._jobs.busy,
            new_verified=self._new_verified,
            running=self.running,
            paused=self._switch is not None and self._switch.paused,
            by_hand=self._by_hand,
            trouble=trouble(available_bytes=available_bytes()),
            not_installed=problem("Learning"),
            given_up=self._given_up,
            to_retry=self._to_retry,
        )

    def _look_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if not self._closed:
            after_s = _LOOK_RUNNING_S if self.running else _LOOK_IDLE_S
            self._timer = asyncio.get_running_loop().call_later(after_s, self._look)

    def start(self, *, by_hand: bool) -> None:
        """Begin a round, or go on with one that was interrupted."""
        from agent.rounds.process import LearnerSwitch

        if self.running:
            self._post(HintGiven("a learning round is running already; F2 shows it"))
            return
        self._by_hand = by_hand
        self._switch = LearnerSwitch()
        self._learning.began()
        self._task = asyncio.create_task(self._round(self._switch))
        if self._jobs.busy:
            self._pause("a turn is running")
        self._look_later()

    @property
    def _to_retry(self) -> int:
        wanted = self._where.settings.learn.self_play_min > 0 and not self._self_played
        return self._unfixed if wanted else 0

    async def _self_play(self) -> None:
        """Retry failures that nobody fixed; the round that follows learns from the repairs."""
        from agent.rounds.self_play import SelfPlayOptions

        settings = self._where.settings.learn
        limits = SelfPlayOptions(budget_s=60 * settings.self_play_min, seed=settings.seed)
        self._self_playing = True
        self._learning.paused = ""
        try:
            async for event in self._agent().self_play(limits):
                self._learning.take(event)
                self._post(LearningChanged())
        finally:
            self._self_playing = False
        self._self_played = True
        await self._count()

    async def _enough_after_self_play(self) -> bool:
        """Run self-play repair first unless a person asked for the round; False if there is too little to learn then."""
        if self._by_hand or not self._to_retry:
            return True
        await self._self_play()
        return self._new_verified >= self._where.settings.learn.background_after

    async def _round(self, switch: LearnerSwitch) -> None:
        from agent.errors import EXPECTED
        from agent.rounds.options import round_options

        try:
            if not await self._enough_after_self_play():
                return
            options = round_options(self._where.settings.learn)
            async for event in self._agent().learn(options, switch=switch):
                self._take(event)
        except asyncio.CancelledError:
            if self._stop_reason:
                said = f"learning stopped: {self._stop_reason}; it can go on later"
                self._post(EntryMade(AnswerEntry(said)))
            raise
        except EXPECTED as err:
            self._given_up = True
            self._learning.notices = [str(err)]
            if self._by_hand:
                self._post(EntryMade(FailureEntry(str(err))))
        except Exception as err:  # noqa: BLE001 - the outer edge of a task: logged and shown
            self._given_up = True
            said = say_fault(err, self._where.paths.log_file)
            self._post(EntryMade(FailureEntry(said)))
        finally:
            self._task = self._switch = None
            self._learning.ended()
            self._look_later()
            self.count()

    def _take(self, event: Event) -> None:
        self._learning.take(event)
        self._post(LearningChanged())
        if isinstance(event, LearnFinished):
            self._post(EntryMade(EventEntry(event)))
            self._given_up = event.adapter is None
            if event.decision == "promoted":
                self._post(AdapterPromoted())

    async def close(self) -> None:
        """End the round at its next checkpoint; at most one step is lost."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        task = self._task
        self._end("")
        if task is not None:
            await asyncio.gather(task, return_exceptions=True)

    def _end(self, reason: str) -> None:
        self._stop_reason = reason
        if self._task is not None:
            self._task.cancel()

    def _pause(self, reason: str) -> None:
        if (
            self._self_playing
        ):  # self-play repair uses the model and the sandbox, which the person may need now
            self._end("")
            return
        if self._switch is not None and not self._switch.paused:
            self._switch.pause()
        self._learning.paused = reason
        self._post(LearningChanged())

    def _resume(self) -> None:
        if self._switch is not None:
            self._switch.resume()
        self._learning.paused = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _StoreCounts:
    """The figures that the stores of this repository give."""

    new_verified: int
    unfixed: int
    lineage: tuple[str, ...]
    rounds: tuple[JudgedRound, ...]


def _count_all(where: Context) -> _StoreCounts:
    """Read the stores. Blocks, as do its imports: the keyboard must not wait for it."""
    from agent.library import adapters, experiences

    return _StoreCounts(
        new_verified=experiences.new_verified(where.library),
        unfixed=experiences.unfixed_failures(where.library),
        lineage=adapters.lineage(where.library),
        rounds=adapters.rounds(where.library),
    )
