"""Models that answer whatever they are asked by a rule, and a trial's two systems made of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from agent.model.protocol import Model, Reply
from learning.records import Action, Message, Sampling

Answer = Callable[[str], str]
"""From the last message to the reply."""


@dataclass(kw_only=True)
class AnsweringModel:
    """Gives each reply whole."""

    answer: Answer
    name: str = "scripted"
    adapter: str | None = None
    context_length: int = 32_768
    asked: list[str] = field(default_factory=list)

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling
    ) -> AsyncIterator[str | Reply]:
        said = messages[-1].content
        self.asked.append(said)
        text = self.answer(said)
        yield text
        action = Action(text=text, model=self.name, adapter=self.adapter, sampling=sampling)
        yield Reply(action=action, prompt_tokens=100, completion_tokens=20, duration_s=0.5)

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        return sum(len(message.content) // 4 for message in messages)


@dataclass
class AnsweringSystems:
    """One model for each adapter, and one without."""

    answers: dict[str | None, Answer]
    models: dict[str | None, AnsweringModel] = field(default_factory=dict)

    async def model(self, adapter: str | None) -> Model:
        if adapter not in self.models:
            self.models[adapter] = AnsweringModel(answer=self.answers[adapter], adapter=adapter)
        return self.models[adapter]

    @property
    def replies(self) -> dict[str | None, int]:
        return {adapter: len(model.asked) for adapter, model in self.models.items()}
