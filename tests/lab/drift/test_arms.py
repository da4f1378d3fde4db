from __future__ import annotations

from pathlib import Path

import pytest

from agent.advice.lessons import lessons_of
from agent.rounds.trial.program_judge import EvaluationError
from lab.drift.arms import (
    DriftRollout,
    run_drift,
    tell_both,
    tell_error,
    tell_facts,
    tell_hints,
    tell_neutral,
)
from lab.drift.memory import foreign_value, hint_finder, keep
from lab.drift.sets import pinned
from lab.drift.tasks import DriftTask, drift_prompt, verify
from learning.evaluation.prompting import Prompt
from learning.evaluation.samples import ResultManifest, SampleFile
from learning.experience.store import ExperienceStore
from learning.records import Sampling, Verdict
from sandbox.box.status import Status
from sandbox.warm.judge import CheckTask
from tests.fakes.generator import FakeGenerator
from tests.fakes.judge import FakeJudge

ERROR = "the function raised AttributeError: 'DataFrame' object has no attribute 'groupby'"
NEW = "import polars as pl\n\ndef f(a):\n    return pl.DataFrame(a).group_by('x')\n"
OLD = NEW.replace("group_by", "groupby")
TASK = DriftTask(
    id="t",
    library="polars",
    change="groupby -> group_by",
    split="experience",
    head="def f(a: list[int]) -> int:",
    ask="Group.",
    check="assert candidate([1]) == 1",
    reference=NEW,
    outdated=OLD,
)


def honest(task: CheckTask) -> Status:
    return Status.PASS if "group_by" in task.source or "polars" not in task.source else Status.ERROR


def file_in(folder: Path) -> SampleFile:
    manifest = ResultManifest(
        suite="drift",
        model="m",
        weights_sha256="",
        adapter=None,
        prompt="drift",
        prompt_sha256="",
        data_sha256="",
        sampling=Sampling(),
        image_id="",
    )
    return SampleFile(folder, manifest)


def learns(prompt: Prompt) -> str:
    told = prompt.messages[0].content
    return f"```python\n{NEW if 'group_by' in told else OLD}```"


async def ask(rollout: DriftRollout) -> list[str]:
    assert rollout.exception == ("AttributeError", "'DataFrame' object has no attribute 'groupby'")
    return ["polars 2: DataFrame.group_by(*by)"]


async def test_a_note_is_told_before_the_first_attempt(tmp_path: Path) -> None:
    judge = FakeJudge(verdict=honest, note=ERROR)
    found = await run_drift(
        *([TASK], FakeGenerator(answer=learns), judge, file_in(tmp_path)),
        notes={TASK.id: "\nwrite group_by\n"},
    )
    assert (found["t", 0].sanitised_verdict, found["t", 0].attempts) == ("pass", 1)


async def test_without_help_there_is_one_attempt(tmp_path: Path) -> None:
    judge = FakeJudge(verdict=honest, note=ERROR)
    found = await run_drift([TASK], FakeGenerator(answer=learns), judge, file_in(tmp_path))
    sample = found["t", 0]
    assert (sample.sanitised_verdict, sample.attempts, sample.stale) == ("error", 1, True)


async def test_a_retry_is_told_the_facts_and_never_sees_the_attempt(tmp_path: Path) -> None:
    generator = FakeGenerator(answer=learns)
    judge = FakeJudge(verdict=honest, note=ERROR)
    found = await run_drift([TASK], generator, judge, file_in(tmp_path), tell=tell_facts(ask))
    sample = found["t", 0]
    assert (sample.passed, sample.attempts, sample.stale) == (True, 2, False)
    second = generator.asked[1][0].messages
    assert len(second) == 1
    assert "DataFrame.group_by(*by)" in second[0].content
    assert "pl.DataFrame(a)" not in second[0].content


async def test_each_retry_is_told_what_all_failures_have_taught(tmp_path: Path) -> None:
    async def numbered(rollout: DriftRollout) -> list[str]:
        return [f"about {rollout.reply.text.split('#')[1].strip('`')}", "always"]

    replies = iter(range(3))
    generator = FakeGenerator(answer=lambda _: f"```python\n{OLD}#{next(replies)}```")
    judge = FakeJudge(verdict=honest, note=ERROR)
    await run_drift([TASK], generator, judge, file_in(tmp_path), tell=tell_facts(numbered), tries=2)
    third = generator.asked[2][0].messages[0].content
    assert [third.count(fact) for fact in ("about 0", "about 1", "always")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("kind", "said"), [("ndarray", "type ndarray"), ("coroutine", "must be a plain function")]
)
def test_the_type_of_a_value_that_could_not_be_taken_is_a_fact(kind: str, said: str) -> None:
    (fact,) = foreign_value(f"gave no value: a value of type {kind} cannot be sent")
    assert said in fact
    assert not list(foreign_value("AttributeError: no attribute 'x'"))


async def test_retries_are_sampled_with_the_facts_and_end_with_the_first_pass(
    tmp_path: Path,
) -> None:
    replies = iter([OLD, OLD, NEW, NEW])
    generator = FakeGenerator(answer=lambda _: f"```python\n{next(replies)}```")
    judge = FakeJudge(verdict=honest, note=ERROR)
    kept: list[DriftRollout] = []
    found = await run_drift(
        [TASK],
        generator,
        judge,
        file_in(tmp_path),
        tell=tell_facts(ask),
        tries=4,
        on_rollouts=lambda _task, rollouts: kept.extend(rollouts),
    )
    assert (found["t", 0].passed, found["t", 0].attempts) == (True, 3)
    assert [sampling.temperature for _, sampling in generator.asked] == [0.0, 0.8, 0.8]
    assert len({sampling.seed for _, sampling in generator.asked}) == 3
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        keep(
            store,
            TASK,
            kept,
            model="m",
            adapter=None,
            sampling=Sampling(),
            session="s",
            now=1.0,
        )
        fix, told, bare = store.list()
    assert (fix.fixes, fix.before) == (bare.id, bare.after)
    assert "group_by(*by)" in told.messages[0].content
    assert "group_by(*by)" not in bare.messages[0].content, "learned where the facts are shown"


async def test_the_raw_error_arm_tells_the_error_line(tmp_path: Path) -> None:
    generator = FakeGenerator(answer=lambda _: f"```python\n{OLD}```")
    judge = FakeJudge(verdict=honest, note=ERROR)
    found = await run_drift([TASK], generator, judge, file_in(tmp_path), tell=tell_error)
    assert found["t", 0].attempts == 2
    retry = generator.asked[1][0]
    assert retry.messages[0].content.startswith(drift_prompt(TASK).messages[0].content)
    assert "has no attribute 'groupby'" in retry.messages[0].content


async def test_an_arm_tells_the_error_and_the_facts_as_the_fix_loop_does(tmp_path: Path) -> None:
    async def ask(_rollout: DriftRollout) -> list[str]:
        return ["polars has group_by(*by)."]

    generator = FakeGenerator(answer=lambda _: f"```python\n{OLD}```")
    judge = FakeJudge(verdict=honest, note=ERROR)
    tell = tell_both(tell_error, tell_facts(ask))
    await run_drift([TASK], generator, judge, file_in(tmp_path), tell=tell)
    note = generator.asked[1][0].messages[0].content
    assert note.index("has no attribute 'groupby'") < note.index("polars has group_by(*by).")


async def test_a_neutral_retry_learns_nothing_but_that_it_is_one(tmp_path: Path) -> None:
    generator = FakeGenerator(answer=lambda _: f"```python\n{OLD}```")
    judge = FakeJudge(verdict=honest, note=ERROR)
    found = await run_drift([TASK], generator, judge, file_in(tmp_path), tell=tell_neutral)
    first, second = (prompt.messages[0].content for prompt, _ in generator.asked)
    assert found["t", 0].attempts == 2
    assert second.removeprefix(first) == "\nA previous attempt was made. Try again.\n"
    assert generator.asked[0][1].seed != generator.asked[1][1].seed


async def test_what_is_done_is_not_tried_again(tmp_path: Path) -> None:
    judge = FakeJudge(verdict=honest, note=ERROR)
    await run_drift([TASK], FakeGenerator(answer=learns), judge, file_in(tmp_path))
    again = FakeGenerator(answer=learns)
    await run_drift([TASK], again, judge, file_in(tmp_path))
    assert again.asked == []


async def test_a_solution_without_the_library_does_not_count(tmp_path: Path) -> None:
    judge = FakeJudge(verdict=honest)
    generator = FakeGenerator(answer=lambda _: "```python\ndef f(a):\n    return 1\n```")
    found = await run_drift([TASK], generator, judge, file_in(tmp_path))
    assert found["t", 0].sanitised_verdict == "fail"
    assert "does not use the library" in found["t", 0].message


async def test_a_task_is_sound_when_only_its_reference_passes() -> None:
    judge = FakeJudge(verdict=honest, note=ERROR)
    (item,) = await verify(judge, [TASK])
    assert item.sound
    (item,) = await verify(FakeJudge(verdict=lambda _: Status.PASS), [TASK])
    assert not item.sound


async def test_repairs_are_kept_and_come_back_as_hints(tmp_path: Path) -> None:
    judge = FakeJudge(verdict=honest, note=ERROR)
    with ExperienceStore.open(tmp_path / "x.sqlite3") as store:
        await run_drift(
            [TASK],
            FakeGenerator(answer=learns),
            judge,
            file_in(tmp_path / "a"),
            tell=tell_facts(ask),
            on_rollouts=lambda task, rollouts: keep(
                store,
                task,
                rollouts,
                model="m",
                adapter=None,
                sampling=Sampling(),
                session="s",
                now=1.0,
            ),
        )
        fixed, failed = store.list()
        assert (failed.verdict, fixed.verdict) == (Verdict.FAIL, Verdict.PASS)
        assert fixed.fixes == failed.id
        assert failed.evidence[0].exception == "AttributeError"
        lessons = lessons_of(store.list())
    generator = FakeGenerator(answer=learns)
    found = await run_drift(
        [TASK], generator, judge, file_in(tmp_path / "b"), tell=tell_hints(hint_finder(lessons))
    )
    assert found["t", 0].passed
    assert "+    return pl.DataFrame(a).group_by('x')" in generator.asked[1][0].messages[0].content


def test_every_library_must_be_pinned(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# why\npolars==2.1.0  # so\nnumpy>=2\n")
    with pytest.raises(EvaluationError, match="numpy>=2"):
        pinned(tmp_path)
    (tmp_path / "requirements.txt").write_text("polars==2.1.0\n")
    assert pinned(tmp_path) == ("polars==2.1.0",)
