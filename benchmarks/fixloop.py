"""Counts the repairs of the fix loop in thirty broken repositories, with and without help.

Run: `.venv/bin/python -P benchmarks/fixloop.py [--model NAME] [--arm NAME]... [--limit N]`.

Arms: `retries` (three attempts), `facts` (three, and the installed libraries are asked why), `hints`
(as `facts`, and lessons of the repairs of *other* tasks that this run has verified so far are shown);
`templates` and `infill` (small changes alone), `search` (and the one function anew: all that `--fix`
does within a minute), `all` (and whole files: the loop as `--fix` has it).
Arms run one after the other, so that `hints` sees what all others have repaired; what one attempt
solves is read off `retries`, whose first attempts are those of a loop without a second. Tasks of
different kinds take turns, so that the first N say something of all. The last lines compare each arm
with `retries`, task by task.

Every finished task is one line in the output file; a second run with the same file goes on where
the first one ended. "Never worse" is checked from outside: after each task the tests run once more,
and every test that passed before must pass, and no test file may have changed.

Limits: single, local mutations of small packages with good tests are easier than real bugs, and a
hint in this setting comes from a like mutation of another package.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.advice.lessons import RepairLesson, lessons_of
from agent.fixing.options import FixOptions
from agent.model.protocol import Model, ModelError
from agent.model.serving import connect
from agent.paths import Paths, from_environ
from agent.session.capture import Recorder
from agent.settings.schema import ModelSettings, SandboxSettings
from benchmarks.fixloop_tasks import Mutation, build, load_mutations
from lab.benchmarks.repairing import Workbench, repair_project
from learning.evaluation.statistics import sign_test, wilson
from learning.experience.store import ExperienceStore
from sandbox.box.contract import SandboxError

ROOT = Path(__file__).resolve().parent.parent
Build = Callable[[Path, Mutation], None]
"""Makes the broken package of a task in a folder that is empty or not there yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """Amount of help that the model gets."""

    name: str
    attempts: int = 3
    facts: bool = False
    hints: bool = False
    search_s: float = 0.0
    infill: bool = False
    more: bool = False
    """One function is asked for anew before the whole file, and replies are spliced."""


ARMS = (
    Arm(name="retries"),
    Arm(name="templates", attempts=0, facts=True, search_s=60.0),
    Arm(name="infill", attempts=0, facts=True, search_s=60.0, infill=True),
    Arm(name="search", attempts=0, facts=True, search_s=60.0, infill=True, more=True),
    Arm(name="all", facts=True, search_s=60.0, infill=True, more=True),
    Arm(name="facts", facts=True),
    Arm(name="hints", facts=True, hints=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task in one arm."""

    task: str
    kind: str
    arm: str
    model: str
    solved: bool
    at_once: bool
    """Whether no failing test took more than one attempt."""
    never_worse: bool
    attempts: int
    candidates: int
    """Small changes that were tried."""
    prompt_tokens: int
    completion_tokens: int
    seconds: float
    repair_s: float
    """Seconds after the first run of the tests."""
    reason: str
    """Why the loop ended, or what kept the task from being judged."""


async def run_task(
    mutation: Mutation,
    arm: Arm,
    model: Model,
    *,
    build: Build,
    paths: Paths,
    store: ExperienceStore,
    sandbox: SandboxSettings,
) -> Row:
    """Break a package, let the loop repair it, and judge what is left from outside.

    Raises:
        SandboxError: If the sandbox gives no answer.
        ModelError: If the model gives none.
    """
    bench = Workbench(
        model=model,
        paths=paths,
        sandbox=sandbox,
        options=FixOptions(
            max_attempts=arm.attempts,
            search_s=arm.search_s,
            infill=arm.infill,
            function=arm.more,
        ),
        facts=arm.facts,
        splice=arm.more,
    )
    done = await repair_project(
        lambda root: build(root, mutation),
        bench,
        recorder=Recorder(store, repository=mutation.package, session=mutation.id),
        lessons=(lambda: _other_lessons(store, mutation)) if arm.hints else None,
    )
    return Row(
        task=mutation.id,
        kind=mutation.kind,
        arm=arm.name,
        model=model.name,
        solved=done.all_green,
        at_once=done.all_green and done.at_once,
        never_worse=done.never_worse,
        attempts=done.attempts,
        candidates=done.changes,
        prompt_tokens=done.prompt_tokens,
        completion_tokens=done.completion_tokens,
        seconds=done.seconds,
        repair_s=done.repair_s,
        reason=done.reason,
    )


def _other_lessons(store: ExperienceStore, mutation: Mutation) -> tuple[RepairLesson, ...]:
    """Return what was learned from other tasks: the answer to this one is not among them."""
    return lessons_of(item for item in store.list() if item.session != mutation.id)


def read_rows(out: Path) -> list[dict[str, object]]:
    """Return the rows that an earlier run has written; a line that was cut off is left out."""
    rows = []
    for line in out.read_text("utf-8").splitlines() if out.exists() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def summary(rows: Sequence[Mapping[str, object]], arm: str) -> str:
    """A line on an arm: solved, never worse, what it took; and one that compares it with `retries`."""
    own = {str(row["task"]): row for row in rows if row["arm"] == arm}
    if not own:
        return f"{arm:<8} no task finished"
    count = len(own)
    solved, at_once = (sum(bool(row[key]) for row in own.values()) for key in ("solved", "at_once"))
    worse = sum(not row["never_worse"] for row in own.values())
    seconds, prompt, reply = (
        sum(float(str(row[key])) for row in own.values()) / count
        for key in ("seconds", "prompt_tokens", "completion_tokens")
    )
    spread = wilson(solved, count)
    line = (
        f"{arm:<8} solved {solved} of {count} ({100 * spread.low:.0f}-{100 * spread.high:.0f} %),"
        f" {at_once} at one attempt, worse {worse}, {seconds:.0f} s and {prompt:.0f} + {reply:.0f}"
        " tokens a task"
    )
    plain = {str(row["task"]): bool(row["solved"]) for row in rows if row["arm"] == ARMS[0].name}
    both = plain.keys() & own.keys()
    if arm == ARMS[0].name or not both:
        return line
    wins = sum(bool(own[task]["solved"]) and not plain[task] for task in both)
    losses = sum(plain[task] and not own[task]["solved"] for task in both)
    p = sign_test(wins, losses, alternative="two-sided")
    versus = (
        f"beside {ARMS[0].name}: {wins} wins, {losses} losses on {len(both)} tasks, p = {p:.3f}"
    )
    return f"{line}\n{'':<8} {versus}"


def in_turn(mutations: Sequence[Mutation]) -> list[Mutation]:
    """One of each kind, then the next of each."""
    kinds: dict[str, list[Mutation]] = {}
    for item in mutations:
        kinds.setdefault(item.kind, []).append(item)
    rounds = itertools.zip_longest(*kinds.values())
    return [item for each in rounds for item in each if item is not None]


async def measure(options: argparse.Namespace, every: Sequence[Mutation], build: Build) -> None:
    """Run what is missing of these tasks in the output file, then print a line for each arm."""
    paths = from_environ(os.environ)
    out: Path = options.out
    arms = [arm for arm in ARMS if not options.arm or arm.name in options.arm]
    wanted = [item for item in every if not options.task or item.id in options.task]
    tasks = wanted[: options.limit]
    finished = {(r["task"], r["arm"]) for r in read_rows(out) if r["model"] == options.model}
    todo = [(arm, task) for arm in arms for task in tasks if (task.id, arm.name) not in finished]
    with ExperienceStore.open(out.with_suffix(".sqlite3")) as store:
        async with connect(
            options.model,
            paths=paths,
            settings=ModelSettings(name=options.model, base_url=options.base_url),
            launcher=[sys.executable, "-P", str(ROOT / "elagent.py")],
            environ=os.environ,
        ) as model:
            for arm, task in todo:
                try:
                    row = await run_task(
                        task,
                        arm,
                        model,
                        build=build,
                        paths=paths,
                        store=store,
                        sandbox=SandboxSettings(image=options.image),
                    )
                except (SandboxError, ModelError) as err:
                    print(f"{arm.name:<8} {task.id:<20} not judged: {err}", flush=True)
                    continue
                with out.open("a", encoding="utf-8") as stream:
                    stream.write(json.dumps({**asdict(row), "model": options.model}) + "\n")
                print(f"{arm.name:<8} {task.id:<20} {_outcome(row)}", flush=True)
    rows = [row for row in read_rows(out) if row["model"] == options.model]
    for arm in arms:
        print(summary(rows, arm.name))


def _outcome(row: Row) -> str:
    word = "solved" if row.solved else "not solved"
    took = f"in {row.seconds:.0f} s, {row.repair_s:.0f} s after the first run"
    return f"{word}{'' if row.never_worse else ', WORSE'} {took} ({row.reason})"


def options_parser(said: str, out: str) -> argparse.ArgumentParser:
    """Return the options of a benchmark of repairs; `said` is its help, `out` its default file."""
    parser = argparse.ArgumentParser(description=said)
    parser.add_argument("--model", default=os.environ.get("ELAGENT_MODEL", "qwen2.5-coder-1.5b"))
    parser.add_argument("--base-url", help="use this OpenAI-compatible server instead")
    parser.add_argument("--arm", action="append", choices=[arm.name for arm in ARMS])
    parser.add_argument("--task", action="append", help="only the task with this id")
    parser.add_argument("--limit", type=int, help="only so many tasks, from the first")
    parser.add_argument("--image", default="auto", help="as the setting sandbox.image")
    parser.add_argument("--out", type=Path, default=Path(out))
    return parser


def main() -> None:
    """Measure and print."""
    options = options_parser(__doc__ or "", "fixloop.jsonl").parse_args()
    asyncio.run(measure(options, in_turn(load_mutations()), build))


if __name__ == "__main__":
    main()
