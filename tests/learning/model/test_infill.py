"""Gaps are filled once for each of the likeliest first tokens, and each fill ends where it should."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import cast

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from learning.model.chat import ChatFormat
from learning.model.engine import Token
from learning.model.infill import CannotFillError, InfillRequest, can_fill, fill
from learning.model.replies import LoadedModel
from learning.model.wire import RequestError, infill_request
from tests.fakes.engine import FakeEngine

MARKS = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|endoftext|>"]
WORDS = ["return", "a", "+", "b", "\n", "pass", "#", "never"]


def chat(marks: Sequence[str] = MARKS) -> ChatFormat:
    vocabulary = {word: n for n, word in enumerate([*WORDS, *MARKS])}
    if not marks:
        vocabulary = {word: n for n, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="#"))  # noqa: S106
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "removed")
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(list(marks))
    controls = frozenset(tokenizer.token_to_id(mark) or 0 for mark in marks)
    return ChatFormat(
        tokenizer=tokenizer,
        template=cast("object", None),  # type: ignore[arg-type]  # never rendered here
        special_tokens={},
        stop_ids=(),
        control_ids=controls,
        tokenizer_sha256="",
        template_sha256="",
    )


class FillingFake(FakeEngine):
    """Goes on after a first token as `after` says."""

    def __init__(self, firsts: Sequence[tuple[str, float]], after: dict[str, list[str]]) -> None:
        super().__init__([])
        self.firsts = firsts
        self.after = after
        self.prompts: list[tuple[int, ...]] = []

    def likeliest(
        self, prompt_ids: Sequence[int], *, count: int, adapter: str | None = None
    ) -> Sequence[Token]:
        self.prompts.append(tuple(prompt_ids))
        ids = [*WORDS, *MARKS]
        return [Token(id=ids.index(w), logprob=math.log(p)) for w, p in self.firsts][:count]

    def branches(
        self,
        prompt_ids: Sequence[int],
        *,
        firsts: Sequence[int],
        limit: int,
        ended: Callable[[int], bool],
        adapter: str | None = None,
    ) -> Iterator[tuple[int, Token]]:
        """Token by token in turns, as one batch gives them."""
        ids = [*WORDS, *MARKS]
        for step in range(limit):
            for index, first in enumerate(firsts):
                said = self.after.get(ids[first], [])
                if step < len(said) and not ended(index):
                    yield index, Token(id=ids.index(said[step]), logprob=-0.5)


def served(engine: FakeEngine, marks: Sequence[str] = MARKS) -> LoadedModel:
    model = SimpleNamespace(name="fake")
    return LoadedModel(cast("object", model), chat(marks), engine, "llama")  # type: ignore[arg-type]


def texts(engine: FakeEngine, **wanted: object) -> list[str]:
    request = InfillRequest(model="", prefix="a", suffix="b", **wanted)  # type: ignore[arg-type]
    return [item.text for item in fill(served(engine), request, cancelled=lambda: False)]


FIRSTS = [("return", 0.6), ("<|endoftext|>", 0.2), ("pass", 0.1), ("never", 0.001)]
AFTER = {"return": ["a", "\n", "never"], "pass": ["<|endoftext|>", "never"]}


def test_each_of_the_likely_first_tokens_begins_one_fill_that_ends_at_its_line_or_by_itself() -> (
    None
):
    assert texts(FillingFake(FIRSTS, AFTER), fills=4) == ["returna", "pass"]


def test_first_tokens_that_were_used_before_are_skipped() -> None:
    assert texts(FillingFake(FIRSTS, AFTER), fills=2, skip=1) == ["pass"]


def test_first_tokens_that_are_avoided_leave_their_place_to_the_next_ones() -> None:
    firsts = [("return", 0.996), ("pass", 0.002), ("never", 0.00001)]
    assert texts(FillingFake(firsts, AFTER)) == ["returna"]
    assert texts(FillingFake(firsts, AFTER), fills=2, avoid="ret") == ["pass"]
    assert texts(FillingFake(firsts, AFTER), fills=2, avoid="p") == ["returna"]


def test_the_prompt_is_prefix_suffix_middle() -> None:
    engine = FillingFake(FIRSTS, AFTER)
    texts(engine)
    prefix, suffix, middle = (len(WORDS) + n for n in range(3))
    assert engine.prompts == [(prefix, WORDS.index("a"), suffix, WORDS.index("b"), middle)]


def test_a_fill_costs_the_sum_of_its_tokens_and_says_if_it_was_cut() -> None:
    request = InfillRequest(model="", prefix="", suffix="", max_tokens=1)
    (one,) = fill(served(FillingFake(FIRSTS[:1], AFTER)), request, cancelled=lambda: False)
    assert (one.text, one.tokens) == ("returna", 2)
    assert math.isclose(one.logprob, math.log(0.6) - 0.5)


@pytest.mark.parametrize(
    ("engine", "marks"), [(FakeEngine([]), MARKS), (FillingFake(FIRSTS, AFTER), ())]
)
def test_a_model_or_engine_that_cannot_fill_says_so(
    engine: FakeEngine, marks: Sequence[str]
) -> None:
    assert not can_fill(served(engine, marks))
    request = InfillRequest(model="", prefix="", suffix="")
    with pytest.raises(CannotFillError, match="cannot fill gaps"):
        next(fill(served(engine, marks), request, cancelled=lambda: False))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"prefix": "a"},
        {"prefix": 1, "suffix": ""},
        {"prefix": "", "suffix": "", "fills": 0.5},
        {"prefix": "", "suffix": "", "fills": -1},
        {"prefix": "", "suffix": "", "max_tokens": 10**9},
        {"prefix": "", "suffix": "", "stop": ""},
    ],
)
def test_a_request_that_cannot_be_honoured_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(RequestError):
        infill_request(body)


def test_a_fill_whose_first_token_ends_it_asks_for_no_more() -> None:
    engine = FillingFake([("\n", 0.9)], {"\n": ["never"]})
    assert texts(engine) == [""]


def test_a_request_that_nobody_waits_for_gives_nothing() -> None:
    request = InfillRequest(model="", prefix="a", suffix="b")
    found = fill(served(FillingFake(FIRSTS, AFTER)), request, cancelled=lambda: True)
    assert list(found) == []
