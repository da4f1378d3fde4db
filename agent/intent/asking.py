"""Asks the model what a message wants, where its words alone do not tell it."""

from __future__ import annotations

from dataclasses import dataclass

from agent.intent.rules import by_rules
from agent.intent.wanted import Wanted
from agent.model.protocol import Model, ModelError, Reply
from agent.prompt_files import prompt
from learning.records import Message, Sampling

_MOST_CHARACTERS = 600
_ANSWERS = tuple(kind for kind in Wanted if kind is not Wanted.COMMAND)
_SAMPLING = Sampling(temperature=0.0, max_tokens=3)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReading:
    """The kind of a message, and who found it."""

    wanted: Wanted
    by_model: bool = False


async def model_reading(text: str, model: Model) -> RequestReading:
    """The kind of a message in the model's word; a question where that is no word of the list.

    A question is the reading that can do no harm. A model that cannot be asked gives the same.
    """
    if text.rstrip().endswith(
        "?"
    ):  # no words of a wish were found in it, and a question does no harm
        return RequestReading(wanted=Wanted.QUESTION)
    asked = f"{text.strip()[:_MOST_CHARACTERS]!r} ->"
    messages = [
        Message(role="system", content=prompt("intent")),
        Message(role="user", content=asked),
    ]
    said = ""
    try:
        async for item in model.stream(messages, sampling=_SAMPLING):
            said = item.action.text if isinstance(item, Reply) else said
    except ModelError:
        said = ""
    word = said.strip(" `'\"*.->\n").lower()
    fits = (
        kind
        for kind in _ANSWERS
        if word and (word.startswith(kind.value) or kind.value.startswith(word))
    )
    return RequestReading(wanted=next(fits, Wanted.QUESTION), by_model=True)


def rules_reading(text: str) -> RequestReading | None:
    """The kind of a message by rules; None where the model has to be asked."""
    wanted = by_rules(text)
    return None if wanted is None else RequestReading(wanted=wanted)
