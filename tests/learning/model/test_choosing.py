"""Of several texts the likeliest is chosen, however it is cut into tokens; nothing else can come."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from learning.model.chat import ChatFormat
from learning.model.choosing import ChoiceRequest, choose
from learning.model.engine import Token
from learning.model.infill import CannotFillError
from learning.model.replies import LoadedModel
from learning.model.wire import RequestError, chat_request, choice_request
from learning.records import Message
from tests.fakes.engine import FakeEngine

WORDS = ["#", ".trap", ".tra", "p", "z", "ezoid", "apz", ".sum", "(", "_axis", ")", ".su"]
HELLO = (Message(role="user", content="hello"),)


def chat() -> ChatFormat:
    vocabulary = {word: n for n, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="#"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "removed")
    tokenizer.decoder = decoders.Fuse()
    return ChatFormat(
        tokenizer=tokenizer,
        template=cast("object", SimpleNamespace(render=lambda **_: "#")),  # type: ignore[arg-type]
        special_tokens={},
        stop_ids=(),
        control_ids=frozenset(),
        tokenizer_sha256="",
        template_sha256="",
    )


class SpellingFake(FakeEngine):
    """Gives the next words by the words after the prompt."""

    def __init__(self, after: dict[str, dict[str, float]]) -> None:
        super().__init__([])
        self.after = after

    def likeliest(
        self, prompt_ids: Sequence[int], *, count: int, adapter: str | None = None
    ) -> Sequence[Token]:
        made = "".join(WORDS[i] for i in prompt_ids).rpartition("#")[2]
        found = self.after.get(made, {})
        return [Token(id=WORDS.index(w), logprob=math.log(p)) for w, p in found.items()][:count]


SPELLED = {
    "": {".trap": 0.6, ".sum": 0.1, ".tra": 0.05},
    ".trap": {"z": 0.9, "ezoid": 0.05},
    ".trapezoid": {"(": 0.99},
    ".tra": {"p": 0.1, "apz": 0.9},
    ".sum": {"_axis": 0.6, "(": 0.3, ")": 0.1},
    ".sum_axis": {"(": 1.0},
}


def chosen(engine: FakeEngine, choices: Sequence[str], count: int = 1) -> list[tuple[str, float]]:
    served = LoadedModel(cast("object", SimpleNamespace(name="m")), chat(), engine, "llama")  # type: ignore[arg-type]
    wanted = ChoiceRequest(model="", messages=HELLO, begun="", choices=tuple(choices), count=count)
    found = choose(served, wanted, cancelled=lambda: False)
    return [(item.text, round(math.exp(item.logprob), 4)) for item in found]


def test_a_name_that_is_no_choice_is_never_spelled_however_likely_it_begins() -> None:
    assert chosen(SpellingFake(SPELLED), [".trapezoid"]) == [(".trapezoid", 0.0297)]


def test_the_likeliest_of_several_comes_first_and_a_longer_name_is_another_one() -> None:
    found = chosen(SpellingFake(SPELLED), [".trapezoid", ".sum", ".sum_axis"], count=3)
    assert found == [(".sum_axis", 0.06), (".sum", 0.04), (".trapezoid", 0.0297)]


def test_a_choice_that_ends_in_a_sign_needs_nothing_behind_it() -> None:
    assert chosen(SpellingFake({"": {")": 0.5, "z": 0.5}}), [")"]) == [(")", 0.5)]


def test_where_the_model_thinks_of_none_of_them_nothing_is_chosen() -> None:
    assert chosen(SpellingFake(SPELLED), [".mean"]) == []


def test_an_engine_that_does_not_tell_what_may_come_next_says_so() -> None:
    with pytest.raises(CannotFillError, match="use the llama engine"):
        chosen(FakeEngine([]), ["a"])


@pytest.mark.parametrize("choices", [None, [], [""], ["a", 1], ["a"] * 5000])
def test_choices_that_are_no_list_of_texts_are_refused(choices: object) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], "choices": choices}
    with pytest.raises(RequestError, match="choices"):
        choice_request(body)


def test_a_reply_can_be_begun_for_the_model_as_other_servers_do_it() -> None:
    said = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "np."}]
    begun = chat_request({"messages": said, "continue_final_message": True})
    assert (begun.begun, [m.role for m in begun.messages]) == ("np.", ["user"])
    assert chat_request({"messages": said}).begun == ""
    with pytest.raises(RequestError, match="last message of the assistant"):
        chat_request({"messages": said[:1], "continue_final_message": True})
