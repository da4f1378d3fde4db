from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from lab.benchmarks.gsm8k import final_number, load_word_problems, word_tasks
from learning.evaluation.rows import DataError
from learning.evaluation.run import answer_all
from learning.evaluation.samples import ResultManifest, SampleFile
from learning.records import Sampling
from tests.fakes.generator import FakeGenerator


@pytest.mark.parametrize(
    ("reply", "number"),
    [
        ("She has 3 apples and 4 pears.\n#### 7", Fraction(7)),
        ("The answer is $1,234.50.", Fraction(2469, 2)),
        ("so \\boxed{12}. Check: 3 + 9", Fraction(12)),
        ("#### 5\nNo, wait.\n#### 6 dollars", Fraction(6)),
        ("It sank by 3: #### -3", Fraction(-3)),
        ("Nothing.", None),
        ("", None),
    ],
)
def test_the_last_marked_number_is_the_answer(reply: str, number: Fraction | None) -> None:
    assert final_number(reply) == number


@settings(deadline=None)
@given(st.text(alphabet="0123456789.,$-# \n\\boxed{}", max_size=400))
def test_no_reply_breaks_it(reply: str) -> None:
    final_number(reply)


async def test_replies_are_compared_as_numbers_and_taken_up_again(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text(
        "\n".join(
            json.dumps({"question": q, "answer": f"so\n#### {a}"})
            for q, a in (("one", "1,000"), ("two", "2"))
        )
    )
    tasks = word_tasks(load_word_problems(data))
    manifest = ResultManifest(
        suite="gsm8k",
        model="m",
        weights_sha256="",
        adapter=None,
        prompt="p",
        prompt_sha256="",
        data_sha256="",
        sampling=Sampling(),
        image_id="",
    )
    file = SampleFile(tmp_path / "out", manifest)
    generator = FakeGenerator(answer=lambda _: "It is 1000.0")
    found = await answer_all(tasks, generator, file)
    assert [sample.passed for sample in found.values()] == [True, False]
    await answer_all(tasks, generator, file)
    assert len(generator.asked) == 2


def test_a_problem_without_a_number_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text('{"question": "q", "answer": "none"}\n')
    with pytest.raises(DataError, match="line 1"):
        load_word_problems(data)
