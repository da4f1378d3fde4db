from __future__ import annotations

from pathlib import Path

from lab.drift.memory import RememberedReplies
from learning.evaluation.prompting import Prompt
from learning.records import Message, Sampling
from tests.fakes.generator import FakeGenerator

GREEDY = Sampling(temperature=0.0)


def asking(text: str) -> Prompt:
    return Prompt(messages=(Message(role="user", content=text),))


async def test_a_greedy_reply_is_made_once_and_outlives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    first = FakeGenerator(answer=lambda _: "one")
    made = await RememberedReplies(first, path).generate(asking("a"), GREEDY)

    second = FakeGenerator(answer=lambda _: "another")
    again = RememberedReplies(second, path)

    assert await again.generate(asking("a"), Sampling(temperature=0.0, seed=7)) == made
    assert not second.asked
    assert (await again.generate(asking("b"), GREEDY)).text == "another"


async def test_a_longer_reply_and_a_sampled_one_are_made_anew(tmp_path: Path) -> None:
    generator = FakeGenerator(answer=lambda _: "text")
    replies = RememberedReplies(generator, tmp_path / "replies.jsonl")
    await replies.generate(asking("a"), GREEDY)
    await replies.generate(asking("a"), Sampling(temperature=0.0, max_tokens=9))
    for _ in range(2):
        await replies.generate(asking("a"), Sampling(temperature=0.8))
    assert len(generator.asked) == 4


async def test_a_line_that_was_cut_off_costs_only_that_reply(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    generator = FakeGenerator(answer=lambda _: "text")
    replies = RememberedReplies(generator, path)
    await replies.generate(asking("a"), GREEDY)
    await replies.generate(asking("b"), GREEDY)
    path.write_bytes(path.read_bytes()[:-5])

    again = RememberedReplies(generator, path)
    await again.generate(asking("a"), GREEDY)
    assert len(generator.asked) == 2
    await again.generate(asking("b"), GREEDY)
    assert len(generator.asked) == 3
