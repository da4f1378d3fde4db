"""Drafts and branches on the tiny real model say what plain decoding says.

Reading several tokens at once rounds differently: where a reply differs, the two likeliest tokens must
have been almost equal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.model.llama import library as llama_library
from learning.model.llama.binding import GenerationRequest, LlamaBinding
from learning.model.llama.decoder import LlamaDecoder
from learning.model.llama.library import CannotDriveError
from learning.model.llama.process import LlamaProcess
from learning.records import Message, Sampling

pytestmark = pytest.mark.model

GREEDY = Sampling(temperature=0.0)
CODE = "".join(
    f"def take_{name}(items, start):\n    return [one for one in items if one.{name} > start]\n\n\n"
    for name in ("price", "weight", "colour", "length", "size")
)
WISHES = ("Repeat this file exactly.", "Repeat it with `begin` for `start`.", "Say what it does.")


@pytest.fixture(scope="module")
def decoder(tiny_model: InstalledModel) -> LlamaDecoder:
    assert tiny_model.gguf
    return LlamaDecoder(tiny_model.gguf, context_length=1024, threads=2, adapters=())


@pytest.fixture(scope="module")
def llama(tiny_model: InstalledModel) -> Iterator[LlamaProcess]:
    assert tiny_model.gguf
    with closing(
        LlamaProcess(tiny_model.gguf, context_length=1024, threads=2, adapters=())
    ) as process:
        yield process


def prompt(chat: ChatFormat, wish: str) -> list[int]:
    return chat.encode((Message(role="user", content=f"```python\n{CODE}```\n\n{wish}"),))


def reply(decoder: LlamaDecoder, job: GenerationRequest) -> tuple[list[int], int, int]:
    """Token ids, and how many tokens were drafted and accepted."""
    pieces = list(decoder.run(job, lambda: False))
    ids = [token.id for piece in pieces for token in piece.tokens]
    return ids, sum(p.drafted for p in pieces), sum(p.accepted for p in pieces)


def assert_same(decoder: LlamaDecoder, ids: list[int], made: list[int], plain: list[int]) -> None:
    """Both replies are equal, or part where the plain one stood on the edge."""
    place = next((n for n, (a, b) in enumerate(zip(made, plain, strict=False)) if a != b), None)
    if place is None:
        assert len(made) == len(plain)
        return
    there = GenerationRequest(ids=[*ids, *plain[:place]], limit=1, sampling=GREEDY)
    first, second = decoder.candidates(there, shown_id=0)[:2]
    assert {made[place], plain[place]} == {first.token.id, second.token.id}
    assert first.token.logprob - second.token.logprob < 1.0


@pytest.mark.parametrize("wish", WISHES)
def test_a_greedy_reply_with_drafts_is_the_one_without(
    decoder: LlamaDecoder, chat: ChatFormat, wish: str
) -> None:
    ids = prompt(chat, wish)
    job = GenerationRequest(ids=ids, limit=160, sampling=GREEDY)
    plain = GenerationRequest(ids=ids, limit=160, sampling=GREEDY, drafts=False)
    expected, drafted, _ = reply(decoder, plain)
    assert drafted == 0
    assert_same(decoder, ids, reply(decoder, job)[0], expected)


def test_a_reply_that_copies_is_mostly_drafted(decoder: LlamaDecoder, chat: ChatFormat) -> None:
    made, _, accepted = reply(
        decoder, GenerationRequest(ids=prompt(chat, WISHES[0]), limit=160, sampling=GREEDY)
    )
    assert accepted > 0.5 * len(made)


def test_a_seed_draws_the_same_tokens_with_and_without_drafts(
    decoder: LlamaDecoder, chat: ChatFormat
) -> None:
    ids = prompt(chat, WISHES[0])
    sampling = Sampling(temperature=0.3, top_p=0.9)
    jobs = [
        GenerationRequest(ids=ids, limit=40, sampling=sampling, seed=4, drafts=drafts)
        for drafts in (True, False)
    ]
    assert reply(decoder, jobs[0])[0] == reply(decoder, jobs[1])[0]


def test_branches_of_one_prompt_say_what_each_says_alone(
    decoder: LlamaDecoder, chat: ChatFormat
) -> None:
    ids = chat.encode_text(CODE + "def take_")
    job = GenerationRequest(ids=ids, limit=12, sampling=GREEDY, drafts=False)
    firsts = [item.token.id for item in decoder.candidates(job, shown_id=0)[:4]]
    together: dict[int, list[int]] = {index: [] for index in range(4)}
    for index, token in decoder.branches(job, firsts, lambda _: False):
        together[index].append(token.id)
    for index, first in enumerate(firsts):
        alone = GenerationRequest(ids=[*ids, first], limit=12, sampling=GREEDY, drafts=False)
        assert_same(decoder, [*ids, first], together[index], reply(decoder, alone)[0])


def test_branches_read_their_prompt_once_and_leave_it_for_the_next_request(
    decoder: LlamaDecoder, chat: ChatFormat
) -> None:
    ids = chat.encode_text(f"# {id(chat)}\n{CODE}def take_")
    job = GenerationRequest(ids=ids, limit=3, sampling=GREEDY)
    assert len(list(decoder.branches(job, [11, 12], lambda _: False))) == 6
    first = next(decoder.run(job, lambda: False))
    assert first.cached_tokens == len(ids) - 1


def test_prompts_take_turns_without_being_read_again(
    decoder: LlamaDecoder, chat: ChatFormat
) -> None:
    talk, gap = chat.encode_text("A talk. " * 20), chat.encode_text("Some code; " * 20)
    for ids in (talk, gap):
        reply(decoder, GenerationRequest(ids=ids, limit=1, sampling=GREEDY))
    for ids in (talk, gap, talk):
        first = next(
            decoder.run(GenerationRequest(ids=ids, limit=1, sampling=GREEDY), lambda: False)
        )
        assert first.cached_tokens == len(ids) - 1


def test_prompts_that_fill_the_context_push_older_ones_out(decoder: LlamaDecoder) -> None:
    for start in (1000, 3000, 5000, 1000):
        job = GenerationRequest(ids=list(range(start, start + 900)), limit=4, sampling=GREEDY)
        assert len(reply(decoder, job)[0]) == 4


def test_a_branch_goes_no_further_once_it_has_ended(llama: LlamaProcess) -> None:
    job = GenerationRequest(ids=[5, 6, 7], limit=60, sampling=GREEDY)
    made = [0, 0]

    def ended(index: int) -> bool:
        return made[index] >= (2 if index == 0 else 40)

    for index, _ in llama.branches(job, [11, 12], ended):
        made[index] += 1
    assert made[0] < 40 <= made[1] <= 42


def test_branches_that_nobody_reads_on_are_ended_and_the_next_run_is_clean(
    llama: LlamaProcess,
) -> None:
    job = GenerationRequest(ids=[5, 6, 7], limit=400, sampling=GREEDY)
    with closing(llama.branches(job, [11, 12, 13], lambda _: False)) as tokens:
        next(tokens)
    short = GenerationRequest(ids=[5], limit=2, sampling=GREEDY)
    assert sum(len(piece.tokens) for piece in llama.run(short, lambda: False)) == 2


def test_a_library_that_lacks_a_function_is_not_driven(
    tiny_model: InstalledModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tiny_model.gguf
    monkeypatch.setitem(llama_library._SIGNATURES, "llama_of_another_year", (None, ()))
    with pytest.raises(CannotDriveError, match="llama_of_another_year"):
        LlamaDecoder(tiny_model.gguf, context_length=512, threads=1, adapters=())


def test_the_server_in_the_binding_says_the_same_where_the_library_cannot_be_driven(
    decoder: LlamaDecoder, tiny_model: InstalledModel, chat: ChatFormat
) -> None:
    assert tiny_model.gguf
    binding = LlamaBinding(tiny_model.gguf, context_length=1024, threads=2, adapters=())
    job = GenerationRequest(ids=chat.encode_text("1 2 3 4 5 6 7 8"), limit=12, sampling=GREEDY)
    made = [token for piece in binding.run(job, lambda: False) for token in piece.tokens]
    ours = [token for piece in decoder.run(job, lambda: False) for token in piece.tokens]
    assert [token.id for token in made] == [token.id for token in ours]
    assert [t.logprob for t in made] == pytest.approx([t.logprob for t in ours], abs=0.3)
