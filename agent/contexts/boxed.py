"""Runs the programs of `agent/contexts/inside` in a box, and reads what they answer."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from sandbox.box.contract import Execution, Job, Limits, Sandbox, SourceFile
from sandbox.box.policy import HARNESS_DIR

_LIMITS = Limits(
    timeout_s=600.0,
    memory_mib=4096,
    cpus=2.0,
    pids=256,
    work_mib=64,
    output_kib=32768,
    output_limit_mib=64,
)
_PROGRAM_S = 10.0
_VERSION = re.compile(r"[\w.+!-]{0,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One program that was run."""

    ok: bool
    value: str = ""
    printed: str = ""
    exception: str = ""
    error: str = ""
    is_none: bool = False
    type: str = ""
    conversions: tuple[str, ...] = ()
    reached: bool = True
    """False if the box ended before this program."""

    @property
    def failure(self) -> str:
        """Exception and message in one line."""
        return f"{self.exception}: {self.error}" if self.exception else self.error


async def ask_successors(
    sandbox: Sandbox, questions: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Answers of the installed libraries, in the order of the questions.

    Raises:
        SandboxError: If the box cannot be used.
    """
    files = (
        _file("agent.contexts.inside", "successors.py"),
        _file("agent.contexts.inside", "library_words.py"),
        _file("agent.advice", "introspect.py"),
    )
    answers = await _asked(sandbox, files, {"questions": list(questions)})
    found = answers[0] if answers and isinstance(answers[0], list) else []
    return [item if isinstance(item, dict) else {} for item in found] or [{} for _ in questions]


async def harvest(
    sandbox: Sandbox, library: str, names: Sequence[str], *, most: int
) -> tuple[str, list[Mapping[str, Any]]]:
    """The library's version, and code that comes with it and has one of the names.

    A name may be several identifiers with spaces between; the code then has all of them.

    A version that is no plain one is empty: it becomes part of a file's name.

    Raises:
        SandboxError: If the box cannot be used.
    """
    orders = {"library": library, "names": list(names), "most": most}
    answers = await _asked(sandbox, (_file("agent.contexts.inside", "harvest.py"),), orders)
    if not answers or not isinstance(answers[0], dict):
        return "", []
    pieces = answers[0].get("pieces")
    found: list[Mapping[str, Any]] = []
    if isinstance(pieces, list):
        found = [each for each in pieces if isinstance(each, dict)]
    version = str(answers[0].get("version", ""))
    return version if _VERSION.fullmatch(version) else "", found


async def version_of(sandbox: Sandbox, library: str) -> str:
    """The installed version of a library; empty if it has none that can be part of a file's name.

    Raises:
        SandboxError: If the box cannot be used.
    """
    version, _ = await harvest(sandbox, library, ["\0"], most=1)
    return version


async def modules_of(sandbox: Sandbox, names: Sequence[str]) -> dict[str, list[str]]:
    """Top-level modules of installed packages, by the name that was asked for.

    Raises:
        SandboxError: If the box cannot be used.
    """
    files = (_file("agent.contexts.inside", "modules.py"),)
    answers = await _asked(sandbox, files, {"names": list(names)})
    found = answers[0] if answers and isinstance(answers[0], dict) else {}
    return {
        str(name): [m for m in modules if isinstance(m, str) and m.isidentifier()]
        for name, modules in found.items()
        if isinstance(modules, list)
    }


async def run_programs(
    sandbox: Sandbox, programs: Sequence[tuple[str, str]], *, modules: Sequence[str]
) -> list[Tried]:
    """Run sources, each with a call whose value is told, in one box; in the order of the programs.

    Raises:
        SandboxError: If the box cannot be used.
    """
    orders = {
        "modules": list(modules),
        "seconds": _PROGRAM_S,
        "programs": [{"source": source, "call": call} for source, call in programs],
    }
    answers = await _asked(sandbox, (_file("agent.contexts.inside", "run_programs.py"),), orders)
    results = [Tried(ok=False, error="not run", reached=False)] * len(programs)
    for record in answers:
        index = record.get("index") if isinstance(record, dict) else None
        if isinstance(index, int) and 0 <= index < len(results):
            results[index] = _tried(record)
    return results


def _file(package: str, name: str) -> SourceFile:
    return SourceFile(path=name, content=resources.files(package).joinpath(name).read_bytes())


async def _asked(
    sandbox: Sandbox, files: Sequence[SourceFile], orders: Mapping[str, Any]
) -> list[Any]:
    nonce = secrets.token_hex(16)
    job = Job(
        argv=["python3", "-I", f"{HARNESS_DIR}/{files[0].path}"],
        harness=tuple(files),
        stdin=json.dumps({"nonce": nonce, **orders}).encode(),
        limits=_LIMITS,
        label="contexts",
    )
    return _answers(await sandbox.run(job), nonce)


def _answers(execution: Execution, nonce: str) -> list[Any]:
    found: list[Any] = []
    for line in execution.stdout.text.splitlines():
        said, _, data = line.partition(" ")
        if said == nonce:
            try:
                found.append(json.loads(data))
            except (ValueError, RecursionError):
                continue
    return found


def _tried(record: Mapping[str, Any]) -> Tried:
    names = record.get("conversions")
    return Tried(
        ok=record.get("ok") is True,
        value=str(record.get("value", "")),
        printed=str(record.get("printed", "")),
        exception=str(record.get("exception", "")),
        error=str(record.get("error", "")),
        is_none=record.get("none") is True,
        type=str(record.get("type", "")),
        conversions=tuple(map(str, names)) if isinstance(names, list) else (),
    )
