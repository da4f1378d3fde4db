"""The arm `splice` cuts failed replies, then makes the retry of `both`, and counts what both cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.advice.existing import ExistingNames
from agent.advice.failure import FailureContext
from lab.drift.arms import run_drift, tell_error
from lab.drift.memory import RememberedReplies
from lab.drift.splicing import DriftSplicer
from lab.drift.tasks import drift_prompt
from learning.evaluation.prompting import Prompt
from learning.evaluation.samples import SampleFile, SamplesError
from sandbox.box.status import Status
from sandbox.warm.judge import CheckTask
from tests.fakes.generator import FakeGenerator
from tests.fakes.judge import FakeJudge
from tests.lab.drift.test_arms import ERROR, NEW, OLD, TASK, file_in, honest


async def names(failure: FailureContext) -> ExistingNames:
    assert failure.exception == "AttributeError"
    return ExistingNames(successors=("group_by",), names=("group_by", "head"))


def goes_on(prompt: Prompt) -> str:
    """The outdated reply, or what comes behind a beginning."""
    if not prompt.begun:
        return f"```python\n{OLD}```"
    return prompt.begun + "('x')\n```"


async def test_a_reply_with_an_absent_name_passes_after_a_cut_without_a_retry(
    tmp_path: Path,
) -> None:
    generator = FakeGenerator(answer=goes_on)
    judge = FakeJudge(verdict=honest, note=ERROR)
    splice = DriftSplicer(generator, generator, names)
    found = await run_drift(
        [TASK], generator, judge, file_in(tmp_path), tell=tell_error, splice=splice
    )
    sample = found["t", 0]
    assert (sample.passed, sample.attempts, sample.told) == (
        True,
        2,
        "\nspliced groupby: .group_by",
    )
    assert sample.completion_tokens == 10
    assert [bool(prompt.begun) for prompt, _ in generator.asked] == [False, True]


async def test_where_a_cut_does_not_help_the_retry_is_told_and_spliced_too(tmp_path: Path) -> None:
    task = replace(TASK, reference=f"{NEW}# the reference\n")

    def only_the_reference(checked: CheckTask) -> Status:
        return Status.PASS if "# the reference" in checked.source else Status.ERROR

    generator = FakeGenerator(answer=goes_on)
    found = await run_drift(
        [task],
        generator,
        FakeJudge(verdict=only_the_reference, note=ERROR),
        file_in(tmp_path),
        tell=tell_error,
        splice=DriftSplicer(generator, generator, names),
    )
    sample = found["t", 0]
    assert not sample.passed
    assert sample.attempts == 4
    assert sample.told.count("spliced groupby") == 2
    assert "A previous attempt failed" in sample.told


async def test_first_replies_of_earlier_results_are_not_made_again(tmp_path: Path) -> None:
    made = FakeGenerator(answer=goes_on)
    judge = FakeJudge(verdict=honest, note=ERROR)
    earlier = file_in(tmp_path / "earlier")
    await run_drift([TASK], made, judge, earlier)

    silent = FakeGenerator(answer=lambda _: "")
    replies = RememberedReplies(silent, tmp_path / "replies.jsonl")
    assert replies.take_over(tmp_path / "earlier", [TASK], earlier.manifest) == 1
    reply = await replies.generate(drift_prompt(TASK), earlier.manifest.sampling)
    assert (reply.text, reply.completion_tokens, silent.asked) == (f"```python\n{OLD}```", 5, [])


async def test_results_of_another_model_give_no_first_replies(tmp_path: Path) -> None:
    earlier = SampleFile(tmp_path / "earlier", file_in(tmp_path / "earlier").manifest)
    replies = RememberedReplies(FakeGenerator(answer=goes_on), tmp_path / "replies.jsonl")
    other = replace(earlier.manifest, weights_sha256="f")
    with pytest.raises(SamplesError, match="its weights_sha256 is"):
        replies.take_over(earlier.folder, [TASK], other)


async def test_replies_that_were_told_something_or_are_about_other_texts_are_refused(
    tmp_path: Path,
) -> None:
    earlier = file_in(tmp_path / "earlier")
    await run_drift(
        [TASK], FakeGenerator(answer=goes_on), FakeJudge(verdict=honest, note=ERROR), earlier
    )
    replies = RememberedReplies(FakeGenerator(answer=goes_on), tmp_path / "replies.jsonl")
    other = replace(earlier.manifest, data_sha256="f")
    with pytest.raises(SamplesError, match="other texts"):
        replies.take_over(earlier.folder, [TASK], other)
    first = earlier.manifest.data_sha256
    assert replies.take_over(earlier.folder, [TASK], other, sets=[first]) == 1
    told = SampleFile(tmp_path / "told", replace(earlier.manifest, arm="told-x3"))
    with pytest.raises(SamplesError, match="told something"):
        replies.take_over(told.folder, [TASK], earlier.manifest)
