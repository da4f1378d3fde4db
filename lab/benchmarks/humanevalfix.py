"""HumanEvalFix (OctoPack, arXiv 2308.07124), Python: functions with one human-made fault each.

As in its variant with tests, the model sees the faulty function, without its documentation, and the
tests. Two arms: one reply, and the product's own repair of a small project made of both. Differs from
OctoPack in that the reply is a whole function in a chat, where theirs goes on from the function's head,
and in that it is one greedy reply, where theirs are 20 at temperature 0.2.
"""

from __future__ import annotations

import ast
import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from string import Template

from agent.fixing.options import FixOptions
from agent.prompt_files import Name, prompt
from agent.rounds.trial.program_judge import EvaluationError, Judge
from agent.rounds.trial.regression import humaneval_tasks, judged_pair, program_judge
from agent.settings.schema import SandboxSettings
from lab.benchmarks.repairing import Repaired, Workbench, repair_project
from lab.prompt_files import words
from lab.rows.place import AskedModel, Place
from lab.rows.work import About, Opened, recipe_of
from learning.evaluation.humaneval import Problem
from learning.evaluation.prompting import Prompt
from learning.evaluation.rows import DataError, read_json_lines
from learning.evaluation.run import sample_of
from learning.evaluation.samples import Sample, SampleKey
from learning.evaluation.statistics import Interval, wilson
from learning.evaluation.task import Generated, Task
from learning.records import Message

PUBLISHED: Mapping[str, float] = {
    "StarCoder": 8.7,
    "OctoCoder": 30.4,
    "WizardCoder": 31.8,
    "GPT-4": 47.0,
}
"""Table 2 of arXiv 2308.07124, Python: pass@1 in per cent of one reply, without the documentation."""

_FIELDS = ("task_id", "prompt", "declaration", "buggy_solution", "canonical_solution", "test",
           "entry_point", "bug_type")  # fmt: skip
_MODULE, _TESTS = "solution.py", "test_solution.py"
_LOOP_PROMPTS: tuple[Name, ...] = (
    "infill",
    "function_system",
    "function_user",
    "fix_system",
    "fix_user",
    "fix_think_system",
    "fix_think_user",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenFunction:
    """One function with a fault, and its tests."""

    problem: Problem
    """The function as it should be, with the judge's script."""
    source: str
    """The faulty module."""
    bug_type: str

    @property
    def id(self) -> str:
        return self.problem.task_id


def load_broken(path: Path, *, documented: bool = False) -> tuple[BrokenFunction, ...]:
    """Read OctoPack's file, gzipped or not; if `documented`, the functions keep their docstrings.

    Raises:
        DataError: If a line lacks a field, its function is no Python, or its test has no `check`.
    """
    found = []
    for number, record in enumerate(read_json_lines(path), 1):
        missing = [name for name in _FIELDS if not isinstance(record.get(name), str)]
        if missing:
            raise DataError(f"{path}, line {number}: {', '.join(missing)} is missing.")
        text = {name: str(record[name]) for name in _FIELDS}
        head = text["prompt"] if documented else text["declaration"]
        problem = Problem(**{name: text[name] for name in Problem.__dataclass_fields__})
        broken = BrokenFunction(
            problem=problem,
            source=f"{head}{text['buggy_solution']}",
            bug_type=text["bug_type"],
        )
        try:
            as_pytest_file(broken)
        except (SyntaxError, ValueError) as err:
            raise DataError(f"{path}, line {number} cannot be made a project: {err}.") from err
        found.append(broken)
    return tuple(found)


def as_pytest_file(broken: BrokenFunction) -> str:
    """The tests as a file for pytest: one test for each assertion of the script, or loop around some.

    What stands between them is put before each that follows. So some tests are green and some red,
    which is what tells the lines at fault from others. The verdict is the whole script's, not theirs.

    Raises:
        ValueError: If the script has no function `check` with one parameter and an assertion.
        SyntaxError: If the script or the module is no Python.
    """
    script, name = broken.problem.test, broken.problem.entry_point
    check = next(
        (n for n in ast.parse(script).body if isinstance(n, ast.FunctionDef) and n.name == "check"),
        None,
    )
    if check is None or len(check.args.args) != 1:
        raise ValueError("its test has no function check with one parameter")
    called = check.args.args[0].arg
    renamed = [f"{called} = {name}"] if called != name else []
    tests = list(_tests(script, check, renamed))
    if not tests:
        raise ValueError("its test asserts nothing")
    body = "\n\n\n".join(
        f"def test_{name}_{number}():\n" + "".join(f"    {part}\n" for part in parts).rstrip("\n")
        for number, parts in enumerate(tests, 1)
    )
    return f"from {Path(_MODULE).stem} import {', '.join(_imported(broken, body))}\n\n\n{body}\n"


def _tests(script: str, check: ast.FunctionDef, before: list[str]) -> Iterator[list[str]]:
    """The statements of each test, as they stand in the script."""
    setting = list(before)
    for statement in check.body:
        text = ast.get_source_segment(script, statement) or ""
        if any(isinstance(node, ast.Assert) for node in ast.walk(statement)):
            yield [*setting, text]
        else:
            setting.append(text)


def _imported(broken: BrokenFunction, tests: str) -> list[str]:
    """The names of the module that the tests use."""
    used = {node.id for node in ast.walk(ast.parse(tests)) if isinstance(node, ast.Name)}
    own = [
        node.name
        for node in ast.parse(broken.source).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
    ]
    return [name for name in own if name in used or name == broken.problem.entry_point]


def write_project(broken: BrokenFunction, root: Path) -> None:
    """Write the faulty module and its tests into a folder."""
    (root / _MODULE).write_text(broken.source, "utf-8")
    (root / _TESTS).write_text(as_pytest_file(broken), "utf-8")


def prompts_digest(*, loop: bool) -> str:
    """Digest of every word that is added to a function: of one reply, or of the loop."""
    parts = [prompt(name) for name in _LOOP_PROMPTS] if loop else [words("humanevalfix")]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def reply_tasks(functions: Sequence[BrokenFunction], judge: Judge) -> list[Task]:
    """The functions as tasks for one reply, judged as those of HumanEval are."""
    tasks = humaneval_tasks([broken.problem for broken in functions], judge, "chat")
    pairs = zip(tasks, functions, strict=True)
    return [replace(task, prompt=reply_prompt(broken)) for task, broken in pairs]


def reply_prompt(broken: BrokenFunction) -> Prompt:
    """The faulty function and its tests, and the request to mend it."""
    text = Template(words("humanevalfix")).substitute(
        function=broken.source.strip(),
        tests=broken.problem.test.strip(),
        name=broken.problem.entry_point,
    )
    return Prompt(messages=(Message(role="user", content=text),))


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairWork:
    """Functions repaired by the loop within its limits, each then judged by its script.

    Nothing is recorded, so nothing is learned from these tasks.
    """

    about: About
    model: AskedModel
    functions: Sequence[BrokenFunction]
    sandbox: SandboxSettings
    options: FixOptions
    budget_s: float

    @asynccontextmanager
    async def open(self, place: Place) -> AsyncIterator[Opened[SampleKey, Sample]]:
        """See `Work.open`."""
        image = await asyncio.to_thread(place.base_image, self.sandbox)
        async with (
            place.asking(self.model, served=True) as model,
            place.judging(image.id) as judge,
        ):
            if model.asked is None:
                raise EvaluationError("the loop needs a model behind a server")
            bench = Workbench(
                model=model.asked,
                paths=place.paths,
                sandbox=self.sandbox,
                options=self.options,
                budget_s=self.budget_s,
            )
            yield Opened(
                manifest=self.about.manifest(model, image_id=image.id),
                make=repair_maker(self.functions, judge, bench),
                recipe=recipe_of(image),
            )


def repair_maker(
    functions: Sequence[BrokenFunction], judge: Judge, bench: Workbench
) -> Callable[[SampleKey], Awaitable[Sample]]:
    """A function that makes one row: a function repaired, and judged by its script.

    It raises EvaluationError if the verdict cannot be had, SandboxError and ModelError if the sandbox or
    the model gives no answer.
    """
    by_id = {broken.id: broken for broken in functions}

    async def make(key: SampleKey) -> Sample:
        broken = by_id[key[0]]
        programs = program_judge(broken.problem, judge)
        await programs.check_reference()
        done = await repair_project(lambda root: write_project(broken, root), bench)
        source = done.files.get(_MODULE, "")
        [result] = await programs.verdicts(source)
        judged = judged_pair(source, source, result, result)
        return _with_costs(sample_of(key, Generated(text="", finish=done.reason), judged), done)

    return make


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairFigures:
    """The number of functions that were repaired, the time, and the cost."""

    solved: int
    tasks: int
    interval: Interval
    """Wilson's, of the share of solved ones."""
    median_s: float
    """Time of the whole loop, or of one reply, over all functions."""
    most_s: float
    tokens: float
    """Tokens made for a function, in the mean."""
    changes: float
    """Small changes that were tried for a function, in the mean."""
    origins: Mapping[str, int]
    """Solved ones by the origin of the edits that stayed."""
    kinds: Mapping[str, tuple[int, int]]
    """Solved ones and all, by the kind of fault."""


def figures_of(samples: Sequence[Sample], kinds: Mapping[str, str]) -> RepairFigures:
    """The figures of some samples, complete or not; `kinds` has the kind of fault of each task."""
    passed = [sample for sample in samples if sample.passed]
    seconds = [sample.loop_s or sample.generation_s for sample in samples] or [0.0]
    count = max(1, len(samples))
    of_kind = Counter(kinds[sample.task_id] for sample in samples)
    solved_of_kind = Counter(kinds[sample.task_id] for sample in passed)
    return RepairFigures(
        solved=len(passed),
        tasks=len(samples),
        interval=wilson(len(passed), len(samples)),
        median_s=median(seconds),
        most_s=max(seconds),
        tokens=sum(sample.completion_tokens for sample in samples) / count,
        changes=sum(sample.changes for sample in samples) / count,
        origins=dict(Counter(sample.origin for sample in passed if sample.origin).most_common()),
        kinds={kind: (solved_of_kind[kind], of_kind[kind]) for kind in sorted(of_kind)},
    )


def _with_costs(sample: Sample, done: Repaired) -> Sample:
    return replace(
        sample,
        prompt_tokens=done.prompt_tokens,
        completion_tokens=done.completion_tokens,
        attempts=done.attempts,
        origin=done.origin,
        changes=done.changes,
        loop_s=done.seconds,
    )
