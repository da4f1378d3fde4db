"""Measures how many ordinary requests come out right, through the conversation that the app uses.

Run: `.venv/bin/python -P benchmarks/conversation.py [--model NAME] [--adapter DIR] [--only NAME]... [--list NAME] [--seconds N]`.

Each request is put to a fresh copy of one of six small repositories, in mode `auto` with nobody to ask,
as `elagent -p` does. What came of it is checked from outside: hidden tests, mutants that new tests
must notice, the same syntax tree but for docstrings and hints, "no file changed", or the names that an
answer must have. Beside that each row says if the suite is redder than before, and the time.

Every finished request is one line in the output file; a second run with the same file goes on where the
first one ended, and `--seconds` ends a run between two requests.

`--list fresh` takes the requests of `conversation_fresh.py`, `--list a` to `--list e` those of strangers.

Limits: the requests and the checks are our own, on repositories of some forty lines, and a pattern
in an answer says little about the rest of the answer.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console

from agent.approval import ModeApprover
from agent.assistant import Assistant
from agent.errors import EXPECTED
from agent.events import (
    Event,
    FixFinished,
    Notice,
    OutputChunk,
    ReplyFinished,
    TestsFinished,
    TurnFinished,
)
from agent.paths import from_environ
from agent.session.context import Context
from agent.settings.load import load
from agent.turn.checking import newly_red
from benchmarks.conversation_cases import CASES, After, Case
from benchmarks.conversation_fresh import FRESH
from benchmarks.strangers import list_a, list_b, list_c, list_d, list_e
from learning.promotion.adapters import AdapterStore
from learning.promotion.manifest import (
    adapter_prefix,
    is_adapter_name,
    read_manifest,
    write_manifest,
)
from sandbox.verdict.report import TestReport
from tui.show.render import render

ROOT = Path(__file__).resolve().parent.parent
_HIDDEN = "test_hidden_of_benchmark.py"
_QUESTIONS = ("ask", "explain", "run", "!command", "vague")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request and what came of it."""

    name: str
    kind: str
    model: str
    right: bool
    why: str
    """The reason why it is wrong; empty if it is right."""
    seconds: float
    redder: bool
    """True if a test is red that was not red before, hidden ones aside."""
    changed: bool
    said: str


async def run_case(case: Case, model: str, adapter: Path | None) -> Row:
    """Put one request to a copy of its repository, and check what came of it."""
    with tempfile.TemporaryDirectory(prefix="elagent-talk-") as folder:
        root = Path(folder) / "project"
        _lay_out(root, case.files)
        where = Context(
            root=root,
            loaded=load(root, dict(os.environ), {"model.name": model, "session.capture": False}),
            paths=from_environ(os.environ),
            launcher=[sys.executable, "-P", str(ROOT / "elagent.py")],
        )
        if adapter is not None:
            _use(AdapterStore(where.repository.adapters), adapter, Path(folder) / "adapter")
        async with Assistant(where, ModeApprover("auto")) as assistant:
            first = await _tests(assistant)
            started = time.monotonic()
            said, problem = await _answered(assistant, case)
            seconds = time.monotonic() - started
            after = After(files=_read(root), said=said)
            redder = newly_red(first, await _tests(assistant) or _none())
            why = problem or (case.check(case.files, after) if case.check else "")
            why = (
                why or await _hidden(assistant, root, case) or await _mutants(assistant, root, case)
            )
        return Row(
            name=case.name,
            kind=case.kind,
            model=model,
            right=not why,
            why=why[:300],
            seconds=round(seconds, 1),
            redder=bool(redder),
            changed=after.files != dict(case.files),
            said=said[-600:],
        )


def _use(store: AdapterStore, adapter: Path, copy: Path) -> None:
    """Let a copy of this adapter answer in the repository of the store, under a name that any store takes."""
    shutil.copytree(adapter, copy)
    manifest = read_manifest(copy)
    if not is_adapter_name(manifest.name):
        write_manifest(
            copy, replace(manifest, name=f"{adapter_prefix('arm', 1)}-{manifest.digest[:8]}")
        )
    store.activate(store.adopt(copy).name)


def _none() -> TestReport:
    raise RuntimeError("the tests did not run; a benchmark needs Docker")


async def _answered(assistant: Assistant, case: Case) -> tuple[str, str]:
    """The text that a person reads, and the reason if there was no answer."""
    said: list[str] = []
    line = case.request
    work = (
        assistant.run_command(line[1:])
        if line.startswith("!")
        else assistant.turn(line, attached=case.attached)
    )
    try:
        said.extend([_words(event) async for event in work])
    except EXPECTED as err:
        return " ".join(said), str(err)
    return "\n".join(part for part in said if part), ""


def _words(event: Event) -> str:
    match event:
        case ReplyFinished(text=text) | Notice(text=text) | OutputChunk(text=text):
            return text
        case TestsFinished():
            return _drawn(event)
        case TurnFinished(reason=reason) | FixFinished(reason=reason):
            return reason
        case _:
            return ""


def _drawn(event: TestsFinished) -> str:
    """A run of the tests as it is drawn: its counts, and the names of what is red."""
    console = Console(width=120, no_color=True, record=True, file=io.StringIO())
    console.print(render(event))
    return console.export_text()


async def _tests(assistant: Assistant) -> TestReport | None:
    report = None
    async for event in assistant.test():
        report = event.report if isinstance(event, TestsFinished) else report
    assistant.conversation.take_overheard()
    return report


async def _passes(assistant: Assistant, command: str) -> bool:
    code: int | None = 1
    async for event in assistant.run_command(command):
        code = event.exit_code if isinstance(event, TurnFinished) else code
    return code == 0


async def _hidden(assistant: Assistant, root: Path, case: Case) -> str:
    if not case.hidden:
        return ""
    (root / _HIDDEN).write_text(case.hidden)
    passed = await _passes(assistant, f"python -m pytest -q {_HIDDEN}")
    return "" if passed else "the hidden test fails"


async def _mutants(assistant: Assistant, root: Path, case: Case) -> str:
    for path, text, other in case.mutants:
        if not await _passes(assistant, "python -m pytest -q"):
            return "the new tests fail on the code as it is"
        whole = (root / path).read_text()
        (root / path).write_text(whole.replace(text, other))
        if await _passes(assistant, "python -m pytest -q"):
            return f"no test notices {other} for {text}"
        (root / path).write_text(whole)
    return ""


def _lay_out(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git = ["git", "-c", "user.name=b", "-c", "user.email=b@example.org"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "one"]):
        subprocess.run([*git, *words], cwd=root, check=True)


def _read(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): path.read_text()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".git" not in path.relative_to(root).parts
    }


def summary(rows: Sequence[Row]) -> str:
    """The shares, and a line for each request that went wrong."""
    if not rows:
        return "no rows"
    seconds = sorted(row.seconds for row in rows)
    asked = [row for row in rows if row.kind.startswith(_QUESTIONS)]
    lines = [
        f"{sum(row.right for row in rows)} of {len(rows)} right; half within {seconds[len(seconds) // 2]:.0f} s,"
        f" the slowest {seconds[-1]:.0f} s; {sum(row.redder for row in rows)} left a suite redder;"
        f" {sum(row.changed for row in asked)} of {len(asked)} questions changed a file"
    ]
    lines += [f"  wrong: {row.name} ({row.kind}): {row.why}" for row in rows if not row.right]
    return "\n".join(lines)


_LISTS: Mapping[str, Sequence[Case]] = {
    "own": CASES,
    "fresh": FRESH,
    "a": list_a.STRANGER,
    "b": list_b.STRANGER,
    "c": list_c.STRANGER,
    "d": list_d.STRANGER,
    "e": list_e.STRANGER,
}


async def main() -> None:
    parser = argparse.ArgumentParser(description="Ordinary requests, and what comes of them.")
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--adapter", type=Path, help="the folder of an adapter, to be in use")
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--list", choices=_LISTS, default="own", help="the list of requests")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "conversation.jsonl")
    given = parser.parse_args()
    rows = (
        [Row(**json.loads(line)) for line in given.out.read_text().splitlines()]
        if given.out.exists()
        else []
    )
    known = {(row.name, row.model) for row in rows}
    ends = time.monotonic() + given.seconds
    for case in _LISTS[given.list]:
        if (case.name, given.model) in known or (given.only and case.name not in given.only):
            continue
        if time.monotonic() > ends:
            break
        row = await run_case(case, given.model, given.adapter)
        rows.append(row)
        with given.out.open("a", encoding="utf-8") as stream:
            stream.write(f"{json.dumps(asdict(row), ensure_ascii=False)}\n")
        print(
            f"{'right' if row.right else 'WRONG'} {row.seconds:6.1f} s  {row.name}: {row.why}",
            flush=True,
        )
    print(summary([row for row in rows if row.model == given.model]))


if __name__ == "__main__":
    asyncio.run(main())
