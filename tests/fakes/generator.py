"""A generator of replies for evaluations that takes them from a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from learning.evaluation.prompting import Prompt
from learning.evaluation.task import Generated
from learning.records import Sampling


@dataclass(kw_only=True)
class FakeGenerator:
    """Answers with what the function makes of the prompt."""

    answer: Callable[[Prompt], str]
    asked: list[tuple[Prompt, Sampling]] = field(default_factory=list)

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Generated:
        self.asked.append((prompt, sampling))
        text = self.answer(prompt)
        return Generated(
            text=text, finish="stop", prompt_tokens=10, completion_tokens=5, duration_s=0.5
        )
