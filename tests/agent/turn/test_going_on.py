"""A reply that reaches its limit goes on where it stopped."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from agent.events import Event, Notice, ReplyFinished, TextDelta
from agent.model.protocol import Reply
from agent.turn.asking import ask
from agent.turn.beginning import Beginning
from agent.turn.repeating import end_of_first_round
from learning.records import Message, Sampling
from tests.fakes.model import Scripted, ScriptedModel

_ASKED = [Message(role="user", content="Write it.")]
_CUT = Scripted(text="```python\nx = 1\ny =", finish="length")


@dataclass(kw_only=True)
class ContinuingModel(ScriptedModel):
    """Goes on behind what has begun."""

    continues: bool = True
    begun: list[str] = field(default_factory=list)

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling, begun: str = ""
    ) -> AsyncIterator[str | Reply]:
        self.begun.append(begun)
        async for piece in super().stream(messages, sampling=sampling):
            yield piece

    async def choose(
        self,
        messages: Sequence[Message],
        begun: str,
        choices: Sequence[str],
        *,
        timeout_s: float = 60,
    ) -> str:
        return ""


async def _asked(model: ScriptedModel, goes_on: int = 2) -> tuple[Reply, list[Event]]:
    said: list[Event] = []
    sampling = Sampling(max_tokens=16)
    reply = await ask(
        model,
        _ASKED,
        sampling=sampling,
        emit=said.append,
        circle=end_of_first_round,
        goes_on=goes_on,
    )
    return reply, said


async def test_a_cut_reply_is_continued_and_is_one_reply() -> None:
    model = ContinuingModel(script=[_CUT, " 2\n```"])

    reply, said = await _asked(model)

    assert reply.action.text == "```python\nx = 1\ny = 2\n```"
    assert reply.action.finish == "stop"
    assert model.begun == ["", _CUT.text]
    assert not reply.action.token_ids, "it was read again as text"
    (finished,) = [event for event in said if isinstance(event, ReplyFinished)]
    assert finished.text == reply.action.text
    shown = "".join(event.text for event in said if isinstance(event, TextDelta))
    assert shown == reply.action.text


async def test_a_reply_that_never_ends_goes_on_twice_only() -> None:
    model = ContinuingModel(
        script=[_CUT, *(Scripted(text=f" {n}", finish="length") for n in range(3))]
    )

    reply, _ = await _asked(model)

    assert reply.action.finish == "length"
    assert reply.action.text == f"{_CUT.text} 0 1"


@pytest.mark.parametrize(
    "model",
    [
        ScriptedModel(script=[_CUT]),
        ContinuingModel(script=[_CUT], continues=False),
        ContinuingModel(script=[_CUT], context_length=40),
        ContinuingModel(script=["It is done."]),
    ],
    ids=["no continuer", "its server cannot", "no room", "it has ended"],
)
async def test_what_cannot_or_need_not_go_on_stays_as_it_is(model: ScriptedModel) -> None:
    text = model.script[0].text if isinstance(model.script[0], Scripted) else "It is done."

    reply, _ = await _asked(model)

    assert reply.action.text == text
    assert not model.script


async def test_a_reply_that_goes_in_circles_while_it_goes_on_is_stopped() -> None:
    line = "assert median([1, 2, 3]) == 2  # the middle one\n"
    circle = Scripted(text=line * 30, finish="length")
    model = ContinuingModel(
        script=[Scripted(text="```python\n", finish="length"), circle, "no more"]
    )

    reply, said = await _asked(model)

    assert reply.action.text.count(line) < 5
    assert any("repeat itself" in event.text for event in said if isinstance(event, Notice))
    assert model.script == ["no more"], "it is not asked to go on with a circle"


async def _begun(model: ScriptedModel, begun: str, *, alone: bool = True) -> tuple[Reply, str]:
    said: list[Event] = []
    beginning = Beginning(text=begun, alone=alone)
    reply = await ask(model, _ASKED, sampling=Sampling(), emit=said.append, begun=beginning)
    return reply, "".join(event.text for event in said if isinstance(event, TextDelta))


async def test_a_reply_that_is_begun_has_its_beginning_and_is_shown_with_it() -> None:
    model = ContinuingModel(script=["    return 1\n```"])
    reply, shown = await _begun(model, "```python\ndef one():\n")
    assert model.begun == ["```python\ndef one():\n"]
    assert reply.action.text == shown == "```python\ndef one():\n    return 1\n```"
    assert reply.action.token_ids == ()


async def test_a_server_that_begins_anew_has_the_last_word() -> None:
    whole = "```python\ndef one():\n    return 1\n```"
    reply, _ = await _begun(ContinuingModel(script=[whole]), "```python\ndef one():\n")
    assert reply.action.text == whole


async def test_a_model_whose_replies_cannot_be_begun_writes_all_of_it() -> None:
    whole = "```python\ndef one():\n    return 1\n```"
    for model in (ScriptedModel(script=[whole]), ContinuingModel(script=[whole], continues=False)):
        reply, shown = await _begun(model, "```python\ndef one():\n")
        assert reply.action.text == shown == whole


async def test_a_reply_that_is_begun_ends_with_its_definition_unless_others_may_follow() -> None:
    more = "    return 1\n\n\ndef two():\n    return 2\n```\nThat is all."
    begun = "a.py\n```python\ndef one():\n"
    reply, _ = await _begun(ContinuingModel(script=[more]), begun)
    assert reply.action.text == f"{begun}    return 1\n```\n"
    reply, _ = await _begun(ContinuingModel(script=[more]), begun, alone=False)
    assert reply.action.text == begun + more


@pytest.mark.parametrize(
    "body",
    [
        ",\n):\n    return 1\n\n",
        "):\n    def inner(x):\n        return x\n    return inner(n)\n",
        '):\n    """Text.\nclass of its own:\n"""\n    return 1\n',
        "):\n# a comment\n    return 1\n",
    ],
)
def test_a_definition_ends_where_code_stands_beside_it(body: str) -> None:
    begun = Beginning(text="```python\ndef one(n")
    assert begun.end_in(f"{begun.text}{body}") is None
    heard = f"{begun.text}{body}def two(m):\n    return 2\n"
    assert heard[: begun.end_in(heard)] == f"{begun.text}{body}"


def test_a_definition_is_the_outermost_one_that_is_begun() -> None:
    begun = Beginning(text="```python\ndef one():\n    def inner():\n        return 1\n    x = f(")
    heard = f"{begun.text}inner)\n    return x\n\n"
    assert begun.end_in(heard) is None
    assert begun.end_in(f"{heard}one()\n") == len(heard)
    assert begun.end_in(f"{begun.text}inner)\n```\n") is None
    assert Beginning(text="```python\nx = 1").end_in("```python\nx = 1\ny = 2\n") is None


async def test_the_tokens_of_a_reply_that_is_ended_are_counted_by_its_pieces() -> None:
    more = "    return 1\n\n\ndef two():\n"
    reply, _ = await _begun(ContinuingModel(script=[more]), "a.py\n```python\ndef one():\n")
    assert reply.completion_tokens == len(re.findall(r"\S*\s*", more)) - 1
