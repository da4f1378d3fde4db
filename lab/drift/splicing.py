"""The arm `splice`: a failed reply is cut before what the installed release does not have.

A cut costs only the tokens behind it. Where no cut is left and the code still fails, the one retry of
the arm `both` follows, and its reply is spliced, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, runtime_checkable

from agent.advice.existing import AskNames, ExistingNames
from agent.candidates.splicing import Failed, Resumed, SpliceLimits, spliced
from lab.drift.arms import DriftRollout
from lab.drift.memory import failure_of
from learning.evaluation.prompting import Prompt
from learning.evaluation.task import Generated, Generator, Judged, Task
from learning.records import Sampling


@runtime_checkable
class Chooser(Protocol):
    """A model that can say which of several texts is the likeliest to come next."""

    async def choose(self, prompt: Prompt, choices: Sequence[str]) -> str:
        """The likeliest behind what the prompt has begun; empty where it thinks of none."""
        ...


class DriftSplicer:
    """Splices failed rollouts. See `lab.drift.arms.Splice`."""

    def __init__(self, model: Generator, replies: Generator, names: AskNames) -> None:
        """`replies` gives what was generated before once more; `model` itself is asked to choose."""
        self._model = model
        self._replies = replies
        self._names = names

    async def __call__(
        self, task: Task, failed: DriftRollout, sampling: Sampling
    ) -> tuple[DriftRollout, str] | None:
        """See `Splice`."""
        voice = _PromptVoice(self._model, self._replies, failed.prompt, sampling)
        last = failed

        async def judged(text: str) -> Failed | None:
            nonlocal last
            reply = voice.cost(text)
            verdict = await task.judge(reply)
            sandbox_s = verdict.sandbox_s + (last.judged.sandbox_s if last.spliced else 0.0)
            verdict = replace(verdict, sandbox_s=sandbox_s)
            last = DriftRollout(prompt=failed.prompt, reply=reply, judged=verdict, spliced=True)
            return None if verdict.passed else self._failed(verdict)

        limits = SpliceLimits(tokens=sampling.max_tokens)
        made = await spliced(
            failed.reply.text, self._failed(failed.judged), voice=voice, judge=judged, limits=limits
        )
        if not made.done:
            return None
        return last, "".join(f"\nspliced {words}" for words in made.done)

    def _failed(self, judged: Judged) -> Failed:
        async def there() -> ExistingNames:
            return await self._names(failure_of(judged))

        return Failed(message=judged.message, there=there)


class _PromptVoice:
    """The model at one prompt, with what its continuations cost together."""

    def __init__(
        self, model: Generator, replies: Generator, prompt: Prompt, sampling: Sampling
    ) -> None:
        self._model = model
        self._replies = replies
        self._prompt = prompt
        self._sampling = sampling
        self._made = Generated(text="", finish="stop")

    async def choose(self, begun: str, choices: tuple[str, ...]) -> str:
        if not isinstance(self._model, Chooser):
            return ""
        return await self._model.choose(replace(self._prompt, begun=begun), choices)

    async def resume(self, begun: str, max_tokens: int) -> Resumed | None:
        sampling = replace(self._sampling, max_tokens=max_tokens)
        reply = await self._replies.generate(replace(self._prompt, begun=begun), sampling)
        made = self._made
        self._made = Generated(
            text="",
            finish=reply.finish,
            prompt_tokens=made.prompt_tokens + reply.prompt_tokens,
            completion_tokens=made.completion_tokens + reply.completion_tokens,
            duration_s=made.duration_s + reply.duration_s,
        )
        return Resumed(text=reply.text.removeprefix(begun), tokens=reply.completion_tokens)

    def cost(self, text: str) -> Generated:
        """A reply with what all continuations have cost so far; it has no token ids."""
        return replace(self._made, text=text)
