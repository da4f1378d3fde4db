"""HumanEvalFix as a small project and as one reply: what is shown, and who says that it is repaired."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from agent.fixing.options import FixOptions
from agent.paths import Paths
from agent.settings.schema import SandboxSettings
from lab.benchmarks.humanevalfix import (
    BrokenFunction,
    as_pytest_file,
    figures_of,
    load_broken,
    repair_maker,
    reply_prompt,
    reply_tasks,
    write_project,
)
from lab.benchmarks.repairing import Workbench
from learning.evaluation.rows import DataError
from learning.evaluation.run import answer_all, complete
from learning.evaluation.samples import ResultManifest, Sample, SampleFile
from learning.records import Sampling
from sandbox.box.status import Status
from sandbox.warm.judge import CheckTask
from tests.fakes.generator import FakeGenerator
from tests.fakes.judge import FakeJudge
from tests.fakes.model import ScriptedModel

RECORD = {
    "task_id": "Python/0",
    "prompt": 'def half(n):\n    """ Half of an even number.\n    """\n',
    "declaration": "def half(n):\n",
    "buggy_solution": "    return n // 3\n",
    "canonical_solution": "    return n // 2\n",
    "test": (
        "\n\ndef check(half):\n    numbers = [2, 4]\n    assert half(0) == 0\n"
        "    for n in numbers:\n        assert half(n) * 2 == n\n    assert half(6) == 3\n\ncheck(half)"
    ),
    "entry_point": "half",
    "bug_type": "value misuse",
}


def broken(
    folder: Path, changed: Mapping[str, str] = MappingProxyType({}), *, documented: bool = False
) -> BrokenFunction:
    data = folder / "data.jsonl"
    data.write_text(json.dumps({**RECORD, **changed}))
    (function,) = load_broken(data, documented=documented)
    return function


def file_in(folder: Path) -> SampleFile:
    manifest = ResultManifest(
        suite="humanevalfix",
        model="m",
        weights_sha256="",
        adapter=None,
        prompt="tests",
        prompt_sha256="",
        data_sha256="",
        sampling=Sampling(),
        image_id="",
    )
    return SampleFile(folder, manifest)


def honest(task: CheckTask) -> Status:
    return Status.PASS if "n // 2" in task.source else Status.FAIL


def test_each_assertion_is_a_test_with_what_stands_before_it(tmp_path: Path) -> None:
    assert as_pytest_file(broken(tmp_path)) == (
        "from solution import half\n\n\n"
        "def test_half_1():\n    numbers = [2, 4]\n    assert half(0) == 0\n\n\n"
        "def test_half_2():\n    numbers = [2, 4]\n"
        "    for n in numbers:\n        assert half(n) * 2 == n\n\n\n"
        "def test_half_3():\n    numbers = [2, 4]\n    assert half(6) == 3\n"
    )


def test_a_parameter_of_another_name_and_helpers_are_kept(tmp_path: Path) -> None:
    function = broken(
        tmp_path,
        {
            "declaration": "def twice(n):\n    return 2 * n\n\n\ndef half(n):\n",
            "test": "def check(candidate):\n    assert candidate(twice(2)) == 2",
        },
    )
    text = as_pytest_file(function)
    assert text.startswith("from solution import twice, half\n")
    assert "    candidate = half\n    assert candidate(twice(2)) == 2" in text


@pytest.mark.parametrize("documented", [False, True])
def test_the_documentation_is_shown_only_on_demand(tmp_path: Path, documented: bool) -> None:
    function = broken(tmp_path, documented=documented)
    write_project(function, tmp_path)
    (message,) = reply_prompt(function).messages
    for text in (message.content, (tmp_path / "solution.py").read_text()):
        assert ("Half of an even number" in text) is documented
        assert "n // 3" in text
    assert "assert half(6) == 3" in message.content
    assert "n // 2" not in message.content


@pytest.mark.parametrize(
    ("field", "text", "problem"),
    [
        ("test", "def check(half):\n    half(1)\n", "asserts nothing"),
        ("test", "assert half(2) == 1", "no function check"),
        ("buggy_solution", "    return (\n", "cannot be made a project"),
    ],
)
def test_a_line_that_is_no_task_is_named(
    tmp_path: Path, field: str, text: str, problem: str
) -> None:
    with pytest.raises(DataError, match=f"line 1 .*{problem}"):
        broken(tmp_path, {field: text})


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text(json.dumps({k: v for k, v in RECORD.items() if k != "buggy_solution"}))
    with pytest.raises(DataError, match="line 1: buggy_solution is missing"):
        load_broken(data)


async def test_one_reply_is_judged_by_the_whole_script(tmp_path: Path) -> None:
    function, judge = broken(tmp_path), FakeJudge(verdict=honest)
    generator = FakeGenerator(answer=lambda _: "```python\ndef half(n):\n    return n // 2\n```")
    found = await answer_all(reply_tasks([function], judge), generator, file_in(tmp_path / "out"))
    assert [sample.passed for sample in found.values()] == [True]
    assert all(task.check == function.problem.test for task in judge.judged)


@pytest.mark.docker
async def test_the_loop_repairs_the_project_and_the_script_has_the_last_word(
    tmp_path: Path,
) -> None:
    function, file = broken(tmp_path), file_in(tmp_path / "out")
    bench = Workbench(
        model=ScriptedModel(script=[]),
        paths=Paths(tmp_path / "home"),
        sandbox=SandboxSettings(image="lite"),
        options=FixOptions(max_attempts=0, infill=False),
        budget_s=120.0,
        facts=False,
    )
    judge = FakeJudge(verdict=honest)
    make = repair_maker([function], judge, bench)
    sample = (await complete(file.rows, [(function.id, 0)], make))[function.id, 0]
    assert (sample.passed, sample.origin, sample.attempts) == (True, "template", 0)
    assert sample.changes > 0
    assert "n // 2" in judge.judged[-1].source
    judged = len(judge.judged)
    await complete(file.rows, [(function.id, 0)], make)
    assert len(judge.judged) == judged  # a finished row is not made again


def test_figures_count_origins_and_kinds_apart() -> None:
    passed = Sample(
        task_id="a",
        index=0,
        reply="",
        raw="",
        sanitised="",
        raw_verdict="pass",
        sanitised_verdict="pass",
        completion_tokens=10,
        origin="infill",
        changes=4,
        loop_s=3.0,
    )
    failed = replace(
        passed, task_id="b", sanitised_verdict="fail", origin="template", changes=8, loop_s=9.0
    )
    found = figures_of([passed, failed], {"a": "value misuse", "b": "excess logic"})
    assert (found.solved, found.tasks, found.median_s, found.most_s) == (1, 2, 6.0, 9.0)
    assert (found.tokens, found.changes) == (10, 6)
    assert found.origins == {"infill": 1}
    assert found.kinds == {"excess logic": (0, 1), "value misuse": (1, 1)}
    assert found.interval.low < 0.5 < found.interval.high
