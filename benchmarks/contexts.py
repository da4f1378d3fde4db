"""Builds contexts of the APIs that failed in recorded drift runs, and the rows of every arm.

    python -P -m benchmarks.contexts OUT docs/runs/drift-base docs/runs/drift-both-three-retries-experience
    python -P -m benchmarks.contexts OUT --survey polars --survey pandas --most 100 docs/runs/drift-base

With `--survey` the default model is asked, too, for what a library documents: no drift task is read for it.
With `--old-code` the outdated solutions of the experience half count as failures of the project's own code.
OUT gets `contexts/`, one file for each release, and `rows/`: `own.jsonl`, `anchors.jsonl`, `look-alikes.jsonl`, `passes.jsonl`,
`other-apis.jsonl`, `shuffled.jsonl`, `replies.jsonl` (the first replies that runs named by `--replies` hold), in the
form of a training job's examples; `benchmarks/api_arms.py` trains on them. Only tasks of the experience half are read. A run that was interrupted goes on with what is kept.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from agent.contexts.building import ContextBuilder
from agent.contexts.explaining import Explained, Unexplained
from agent.contexts.failures import ApiFailure
from agent.contexts.rows import equal_share, pair_rows, shuffled
from agent.contexts.survey import questions_about
from agent.events import Event, Notice
from agent.paths import make_private
from agent.rounds.libraries import LibrarySurvey
from agent.session.context import Context as Session
from benchmarks.own_replies import reply_row
from lab.drift.sets import drift_image, load_tasks, outdated_errors, pinned
from lab.drift.tasks import DriftTask, drift_prompt
from lab.rows.evaluated_model import open_subject
from learning.contexts.change import ApiChange
from learning.contexts.context import ApiContext
from learning.contexts.use import ApiUse, UseOrigin
from learning.evidence.judge import exception_in
from learning.training.job import Example, ExampleKind, api_example, write_rows
from sandbox.box.contract import Sandbox
from sandbox.box.docker_box import DockerSandbox
from tui.wiring import context as session_at

MODEL = "qwen2.5-coder-1.5b"
AN_API = 12
OLD = "old-code:"
"""Begins the name of a failure that no model's code had."""
ANCHORS = 140
"""Documented calls of a release: one half are anchors, the other half teaches the control."""
LOOK_ALIKES = 32
"""Uses of a release in which a name that is gone elsewhere is still right."""
TASKS = Path("lab/data/drift")


def recorded_failures(runs: Sequence[Path], tasks: Sequence[DriftTask]) -> list[ApiFailure]:
    """Failures of the experience half in the order of the runs; a pass in any run is a repair."""
    own = {task.id: task for task in tasks if task.split == "experience"}
    rows = [
        json.loads(line)
        for run in runs
        for line in (run / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    passed = {
        row["task_id"]: row["sanitised"] for row in rows if row["sanitised_verdict"] == "pass"
    }
    failures = []
    for row in rows:
        task = own.get(row["task_id"])
        if task is None or row["sanitised_verdict"] == "pass":
            continue
        exception, message = exception_in(row["message"])
        failures.append(
            ApiFailure(
                exception=exception,
                message=message,
                code=row["sanitised"],
                request=task.ask,
                repaired=(passed[task.id],) if task.id in passed else (),
                experiences=(task.id,),
            )
        )
    return failures


def outdated_failures(tasks: Sequence[DriftTask], errors: Mapping[str, str]) -> list[ApiFailure]:
    """Failures of a project's own code of older releases: the outdated solutions of the experience half.

    The solution that works counts as the project's own repair. No model is asked.
    """
    failures = []
    for task in tasks:
        if task.split == "experience":
            exception, message = exception_in(errors[task.id])
            failures.append(
                ApiFailure(
                    exception=exception,
                    message=message,
                    code=task.outdated,
                    request=task.ask,
                    repaired=(task.reference,),
                    experiences=(f"{OLD}{task.id}",),
                )
            )
    return failures


def also_needed(
    found: Sequence[Explained], runs: Sequence[Path], tasks: Sequence[DriftTask]
) -> list[Explained]:
    """The changes that the model's own failures show, and those of old code whose successor it never wrote."""
    own = {task.id for task in tasks if task.split == "experience"}
    trees: dict[str, list[ast.AST]] = {}
    for run in runs:
        for line in (run / "samples.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["task_id"] in own and row["attempts"] == 1:
                with suppress(SyntaxError):
                    library = row["task_id"].partition("-")[0]
                    trees.setdefault(library, []).append(ast.parse(row["sanitised"]))
    seen: set[tuple[str, str]] = set()
    kept = []
    for each in found:
        change = each.change
        name = (change.library, change.last)
        of_model = any(not failure.experiences[0].startswith(OLD) for failure in each.failures)
        written = any(_writes(tree, change.last) for tree in trees.get(change.library, ()))
        if of_model or (name not in seen and not written):
            kept.append(each)
            seen.add(name)
    return kept


def _writes(tree: ast.AST, name: str) -> bool:
    return any(
        name
        in (getattr(node, "attr", None), getattr(node, "arg", None), getattr(node, "name", None))
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute | ast.keyword | ast.alias)
    )


def own_passes(runs: Sequence[Path], tasks: Sequence[DriftTask]) -> list[Example]:
    """The model's own first replies of the experience half that passed, at their own prompts."""
    own = {task.id: task for task in tasks if task.split == "experience"}
    replies: dict[str, str] = {}
    for run in runs:
        for line in (run / "samples.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if (
                row["task_id"] in own
                and row["sanitised_verdict"] == "pass"
                and row["attempts"] == 1
            ):
                replies.setdefault(row["task_id"], row["reply"])
    use = ApiUse(api="", library="", version="", origin=UseOrigin.OWN)
    return [
        api_example(
            *(ExampleKind.OWN_PASS, use),
            messages=drift_prompt(own[task]).messages,
            chosen=reply,
            model=MODEL,
        )
        for task, reply in replies.items()
    ]


def own_replies(
    runs: Sequence[Path], tasks: Sequence[DriftTask], changes: Sequence[ApiChange]
) -> list[Example]:
    """All first replies to the experience half, right or wrong, at their own prompts: one of each task in turn."""
    own = {task.id: task for task in tasks if task.split == "experience"}
    replies: dict[str, dict[str, str]] = {}
    for run in runs:
        for file in (*run.glob("samples.jsonl"), *run.glob("attempts-*.jsonl")):
            for line in file.read_text(encoding="utf-8").splitlines():
                row = json.loads(line)
                if row["task_id"] in own and row.get("attempts", 1) == 1:
                    text, said = (
                        row.get("reply", row.get("text")),
                        row.get("message", row.get("said")),
                    )
                    replies.setdefault(row["task_id"], {}).setdefault(text, said)
    turns = zip_longest(
        *([(task, *each) for each in group.items()] for task, group in replies.items())
    )
    return [
        reply_row(drift_prompt(own[task]).messages, text, changes, said=said, model=MODEL)
        for task, text, said in (each for turn in turns for each in turn if each is not None)
    ]


def mixed(contexts: Sequence[ApiContext]) -> list[ApiContext]:
    """The contexts of all libraries in turn."""
    libraries = {
        each.library: [c for c in contexts if c.library == each.library] for each in contexts
    }
    return [each for turn in zip_longest(*libraries.values()) for each in turn if each is not None]


def as_lesson(row: Example) -> Example:
    """A documented call that did not change, to be learned as uses of changed APIs are.

    It has no stale twin to be preferred to; the places of its name are those behind the docstring.
    """
    assert row.use is not None  # noqa: S101 - rows of contexts have one
    name, body = row.use.api.rpartition(".")[2], row.chosen.rfind('"""')
    found = re.compile(rf"\b{re.escape(name)}\b").finditer(row.chosen, max(0, body))
    places = tuple(each.span() for each in found)
    return replace(row, kind=ExampleKind.API_PAIR, use=replace(row.use, names=places))


def show(
    found: Sequence[Explained],
    unexplained: Sequence[Unexplained],
    made: dict[str, list[ApiContext]],
) -> None:
    """Print one line for each API: contexts by origin, and the grounds of its successor."""
    for each in found:
        contexts = made[each.change.api]
        origins = Counter(context.origin.value for context in contexts)
        kinds = ", ".join(f"{count} {origin}" for origin, count in sorted(origins.items()))
        print(f"| {each.change.api} | {each.change.grounds.value} | {len(contexts)} | {kinds} |")
    for other in unexplained:
        print(f"| {other.missing} | no successor known | 0 | |")


async def build(
    session: Session,
    out: Path,
    runs: Sequence[Path],
    *,
    replies: Sequence[Path],
    libraries_asked: Sequence[str],
    most: int,
    old_code: bool,
) -> None:
    """Build everything."""
    tasks = load_tasks(TASKS)
    libraries = sorted({task.library for task in tasks})
    image = drift_image(
        pinned(TASKS),
        settings=session.settings.sandbox,
        cache=session.paths.sandbox / "wheels",
        say=print,
    )
    locks = make_private(session.paths.sandbox)
    async with DockerSandbox(image.id, session="contexts", lock_dir=locks) as box:
        builder = ContextBuilder(box, folder=out / "contexts", say=print)
        failures = recorded_failures(runs, tasks)
        if old_code:
            failures += outdated_failures(tasks, outdated_errors(TASKS))
        found, unexplained = await builder.explain(failures, libraries)
        found = also_needed(found, runs, tasks)
        found += await surveyed(session, box, out / "contexts", libraries_asked, most)
        found = list({each.change.api: each for each in reversed(found)}.values())[::-1]
        changes = [each.change for each in found]
        made = await builder.build(changes)
        show(found, unexplained, made)
        without = frozenset(w for c in changes for w in (*c.words, c.old, c.new))
        others: list[ApiContext] = []
        alike: list[ApiContext] = []
        for library, version in sorted({(c.library, c.version) for c in changes}):
            alike += await builder.look_alikes(library, version, changes, most=LOOK_ALIKES)
            others += await builder.anchors(library, version, without=without, most=ANCHORS)
    own = equal_share([c for group in made.values() for c in group], an_api=AN_API)
    pairs = pair_rows(own, model=MODEL)
    anchors, control = mixed(others[::2]), mixed(others[1::2])
    rows = out / "rows"
    rows.mkdir(parents=True, exist_ok=True)
    for name, examples in (
        ("own", pairs),
        ("shuffled", shuffled(pairs)),
        ("anchors", pair_rows(anchors, model=MODEL, noted=0.0)),
        ("look-alikes", pair_rows(mixed(alike), model=MODEL, noted=0.0)),
        ("other-apis", [as_lesson(row) for row in pair_rows(control, model=MODEL, noted=0.0)]),
        ("passes", own_passes(runs, tasks)),
        ("replies", own_replies(replies, tasks, changes)),
    ):
        write_rows(rows / f"{name}.jsonl", examples)
        print(f"{name}: {len(examples)} rows")


async def surveyed(
    session: Session, box: Sandbox, folder: Path, libraries: Sequence[str], most: int
) -> list[Explained]:
    """Asks the default model about libraries, and keeps what it gets wrong."""
    found: list[Explained] = []
    settings = session.settings.model
    opened = open_subject(
        settings, paths=session.paths, launcher=session.launcher, environ=session.environ, say=print
    )
    async with opened as model:
        survey = LibrarySurvey(box, model.generator, model=model.name, folder=folder, emit=_printed)
        for library in libraries:
            version, questions = await questions_about(box, library, most=most)
            found += await survey.learn(library, version, questions)
    return found


def _printed(event: Event) -> None:
    if isinstance(event, Notice):
        print(event.text, flush=True)


def main() -> None:
    """See the module's own words."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("out", type=Path)
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--survey", action="append", default=[], metavar="LIBRARY")
    parser.add_argument("--replies", action="append", type=Path, default=[], metavar="RUN")
    parser.add_argument(
        "--old-code", action="store_true", help="learn what the outdated solutions fail by, too"
    )
    parser.add_argument("--most", type=int, default=100)
    given = parser.parse_args()
    asyncio.run(
        build(
            *(session_at(Path.cwd()), given.out, given.runs),
            replies=given.replies,
            libraries_asked=given.survey,
            most=given.most,
            old_code=given.old_code,
        )
    )


if __name__ == "__main__":
    main()
