"""Of several changes that pass, the one comes first that the model would have written itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from hypothesis import given, strategies as st

from agent.candidates.candidate import CandidateChange
from agent.events import Event, Notice
from agent.fixing.preferring import _different_parts, likeliest
from agent.model.protocol import Reply, ReplyTimeoutError
from learning.records import Message, Origin, Sampling
from tests.fakes.model import ScriptedModel

CODE = "def find(a, b):\n    if a < b:\n        return find({0})\n    return find({1})\n"


@dataclass(kw_only=True)
class ChoosingModel(ScriptedModel):
    """Chooses the text that has some words in it."""

    likes: str
    error: Exception | None = None
    asked: list[tuple[str, str, Sequence[str]]] = field(default_factory=list)
    continues: bool = True

    async def choose(
        self,
        messages: Sequence[Message],
        begun: str,
        choices: Sequence[str],
        *,
        timeout_s: float = 60.0,
    ) -> str:
        self.asked.append((messages[0].content, begun, choices))
        if self.error is not None:
            raise self.error
        return next((choice for choice in choices if self.likes in choice), "")

    def stream(
        self, messages: Sequence[Message], *, sampling: Sampling, begun: str = ""
    ) -> AsyncIterator[str | Reply]:
        raise NotImplementedError


def change(*calls: str, path: str = "find.py") -> CandidateChange:
    after = CODE.format(*calls)
    return CandidateChange(path=path, line=3, after=after, origin=Origin.TEMPLATE, kind="x")


CHANGES = [change("b, a", "a, b"), change("a, b", "a, b + 1"), change("b, b", "a, b")]


async def test_the_model_sees_the_test_and_what_the_changes_share_and_chooses_the_rest() -> None:
    said: list[Event] = []
    model = ChoosingModel(script=[], likes="b + 1")
    assert (
        await likeliest(CHANGES, model, test="def test_find(): ...", emit=said.append) is CHANGES[1]
    )
    ((words, begun, choices),) = model.asked
    assert "def test_find(): ..." in words
    assert begun == "```python\ndef find(a, b):\n    if a < b:\n"
    assert choices[0] == "        return find(b, a)\n    return find(a, b)\n"


async def test_nobody_is_asked_about_changes_of_two_files_or_what_is_left_out() -> None:
    said: list[Event] = []
    model = ChoosingModel(script=[], likes="find")
    elsewhere = [CHANGES[0], change("b, a", "a, b", path="other.py")]
    assert await likeliest(elsewhere, model, test="", emit=said.append) is None
    shorter = CandidateChange(
        path="find.py", line=3, after="def find(a, b):\n", origin=Origin.TEMPLATE, kind="x"
    )
    assert await likeliest([CHANGES[0], shorter], model, test="", emit=said.append) is None
    assert not model.asked
    assert not said


async def test_a_model_that_cannot_choose_or_does_not_answer_changes_no_order() -> None:
    said: list[Event] = []
    assert await likeliest(CHANGES, ScriptedModel(script=[]), test="", emit=said.append) is None
    model = ChoosingModel(script=[], likes="", error=ReplyTimeoutError("no answer"))
    assert await likeliest(CHANGES, model, test="", emit=said.append) is None
    assert (
        await likeliest(CHANGES, ChoosingModel(script=[], likes="other"), test="", emit=said.append)
        is None
    )
    assert Notice("the changes are not compared: no answer") in said


_FILES = st.lists(
    st.lists(st.sampled_from("abc"), max_size=6).map(
        lambda lines: "".join(f"{x}\n" for x in lines)
    ),
    min_size=2,
    max_size=4,
)


@given(_FILES)
def test_what_is_shared_and_a_part_are_a_part_of_each_file(texts: list[str]) -> None:
    begun, parts = _different_parts(texts)
    assert len(parts) == len(texts)
    assert all(text.startswith(begun + part) for text, part in zip(texts, parts, strict=True))
    endings = {text[len(begun + part) :] for text, part in zip(texts, parts, strict=True)}
    assert len(endings) == 1
