"""Measures how often a model's first reply to a request for an edit can be used as it is.

Run: `.venv/bin/python -P benchmarks/formats.py OUT [--model NAME] [--requests N] [--seed N]`.

Each function of `examples/` gives four requests: a docstring (where it has none), type hints, a test, a check of an argument. They are
put to the conversation of the app, in a fresh copy of their project, in mode `auto` with nobody to ask; N of them are drawn
by seed. A row says if the first reply led to a file that was written, and else the reason that the model was told.
What the edit is worth is not judged here: `benchmarks/conversation.py` does that.

Every finished request is one line of OUT; a second run with the same file goes on where the first one ended.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import os
import random
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.approval import ModeApprover
from agent.assistant import Assistant
from agent.errors import EXPECTED
from agent.events import EditApplied, Event, ReplyFinished, ReplyUnusable, TurnFinished
from agent.paths import from_environ
from agent.session.context import Context
from agent.settings.load import load
from learning.evaluation.rows import RowFile
from learning.evaluation.statistics import wilson

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
WORDS = {
    "docstring": "add a docstring to {name} in {path}",
    "hints": "add type hints to {name} in {path}",
    "test": "write a test for {name} in {path}",
    "check": "let {name} in {path} raise a ValueError that says what is wrong if {argument} is None",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request for an edit of one example project."""

    project: str
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The first reply to a request, and what became of it."""

    usable: bool
    why: str
    """The reason why no file was written after the first reply; empty if one was."""
    reply: str


def all_requests() -> Iterator[Request]:
    """The requests about every function of the example projects, in the order of their files."""
    projects = [*sorted(path for path in (EXAMPLES / "fixloop").iterdir() if path.is_dir())]
    for project in [*projects, EXAMPLES / "warehouse"]:
        for path in sorted(project.rglob("*.py")):
            if not path.name.startswith("test_"):
                yield from _about(project, path)


def _about(project: Path, path: Path) -> Iterator[Request]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef) or node.name.startswith("__"):
            continue
        arguments = [each.arg for each in node.args.args if each.arg != "self"]
        for kind, words in WORDS.items():
            has_one = kind == "docstring" and ast.get_docstring(node) is not None
            if not has_one and (arguments or kind != "check"):
                text = words.format(
                    name=node.name,
                    path=path.relative_to(project).as_posix(),
                    argument=arguments[0] if arguments else "",
                )
                where = project.relative_to(EXAMPLES).as_posix()
                yield Request(project=where, kind=kind, text=text)


async def asked(request: Request, model: str) -> Row:
    """Put a request to a copy of its project, until the first reply was used or refused."""
    reply, why = "", "the turn ended without an edit"
    async with _assistant(request, model) as assistant:
        try:
            async with aclosing(assistant.turn(request.text)) as turn:
                async for event in turn:
                    reply = reply or (event.text if isinstance(event, ReplyFinished) else "")
                    if (end := _end(event)) is not None:
                        why = end
                        break
        except EXPECTED as err:
            why = str(err)
    return Row(usable=not why, why=why[:300], reply=reply)


def _end(event: Event) -> str | None:
    """The reason why the first reply could not be used; empty if it was; None while that is open."""
    match event:
        case EditApplied():
            return ""
        case ReplyUnusable(reason=reason) | TurnFinished(reason=reason):
            return reason
        case _:
            return None


@asynccontextmanager
async def _assistant(request: Request, model: str) -> AsyncIterator[Assistant]:
    with tempfile.TemporaryDirectory(prefix="elagent-formats-") as folder:
        root = Path(folder) / "project"
        shutil.copytree(
            EXAMPLES / request.project,
            root,
            ignore=shutil.ignore_patterns("__pycache__", ".*"),
        )
        where = Context(
            root=root,
            loaded=load(root, dict(os.environ), {"model.name": model, "session.capture": False}),
            paths=from_environ(os.environ),
            launcher=[sys.executable, "-P", str(ROOT / "elagent.py")],
        )
        async with Assistant(where, ModeApprover("auto")) as assistant:
            yield assistant


def summary(rows: Mapping[Request, Row]) -> str:
    """The share of usable first replies, in all and by kind, and the reasons of the others."""
    usable = sum(row.usable for row in rows.values())
    share = wilson(usable, len(rows))
    lines = [f"{usable} of {len(rows)} usable ({100 * share.low:.0f}-{100 * share.high:.0f} %)"]
    for kind in WORDS:
        of_kind = [row.usable for request, row in rows.items() if request.kind == kind]
        lines.append(f"  {kind}: {sum(of_kind)} of {len(of_kind)}")
    reasons = Counter(row.why for row in rows.values() if not row.usable)
    return "\n".join([*lines, *(f"  {count} x {why}" for why, count in reasons.most_common())])


async def main() -> None:
    """Ask what is not asked yet, and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    drawn = list(all_requests())
    random.Random(given.seed).shuffle(drawn)  # noqa: S311 - a draw of requests, no secret
    file = RowFile(path=given.out, encode=_encoded, decode=_decoded, mark={"model": given.model})
    for request in drawn[: given.requests]:
        if request not in file.read():
            row = await asked(request, given.model)
            file.append({request: row})
            print(f"{'usable' if row.usable else 'NOT'}  {request.text}: {row.why}", flush=True)
    print(summary(file.read()))


def _encoded(request: Request, row: Row) -> Mapping[str, object]:
    return {**asdict(request), **asdict(row)}


def _decoded(record: Mapping[str, Any]) -> tuple[Request, Row]:
    request = Request(project=record["project"], kind=record["kind"], text=record["text"])
    return request, Row(usable=record["usable"], why=record["why"], reply=record["reply"])


if __name__ == "__main__":
    asyncio.run(main())
