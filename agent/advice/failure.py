"""The question and the answer of advice: a failure with its context, and facts about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from agent.fixing.sources import Sources
from agent.testing.failures import evidence_of
from learning.evidence.output import parse_output
from learning.records import Evidence, EvidenceKind, Tier
from sandbox.box.contract import Execution, Sandbox
from sandbox.box.policy import WORK_DIR
from sandbox.verdict.report import TestResult

_OUTPUT_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureContext:
    """One error with the sources and output that explain it."""

    exception: str
    message: str
    texts: tuple[str, ...] = ()
    """Source files of its traceback, the innermost first."""
    project_modules: frozenset[str] = frozenset()
    """Top-level names of the project's own modules: no question is about them."""
    output: str = ""
    """Output of the tool, for compilers that explain errors themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFact:
    """One true sentence about the environment."""

    subject: str
    """The library with its version, or the tool."""
    text: str

    def as_evidence(self) -> Evidence:
        """The fact as part of an experience: a dependency's words, so parsed output at most."""
        return Evidence(
            kind=EvidenceKind.ENVIRONMENT,
            tier=Tier.OUTPUT,
            subject=self.subject,
            message=self.text,
        )


class Filler(Protocol):
    """A source of facts for one language or tool."""

    def key(self, failure: FailureContext) -> str:
        """Cache key of the answer within an image; empty if the answer is not cached."""
        ...

    async def facts(
        self, failure: FailureContext, sandbox: Sandbox
    ) -> Sequence[EnvironmentFact] | None:
        """Facts about a failure; empty if this source has no question about it.

        None if no answer came in time: that is not cached.

        Raises:
            SandboxError: If the box cannot be used.
        """
        ...


def failure_of_test(result: TestResult, sources: Sources) -> FailureContext:
    """The failure of a red test."""
    evidence = evidence_of(result)
    files = [frame.file for frame in reversed(result.frames)]
    files += [result.file, evidence.file, result.id.partition("::")[0]]
    return _failure(evidence, files, sources, output=result.detail)


def failure_of_command(execution: Execution, sources: Sources) -> FailureContext | None:
    """The last error that a command printed; None if nothing in its output is known as one."""
    output = f"{execution.stdout.text}\n{execution.stderr.text}"[-_OUTPUT_CHARACTERS:]
    found = parse_output(output)
    evidence = found[-1] if found else None
    if evidence is None:
        return FailureContext(exception="", message="", output=output) if output.strip() else None
    return _failure(evidence, [item.file for item in reversed(found)], sources, output=output)


def _failure(
    evidence: Evidence, files: Sequence[str], sources: Sources, *, output: str
) -> FailureContext:
    inside = dict.fromkeys(file.removeprefix(f"{WORK_DIR}/").removeprefix("./") for file in files)
    texts = [text for file in inside if file in sources.files and (text := sources.text(file))]
    return FailureContext(
        exception=evidence.exception,
        message=evidence.message,
        texts=tuple(texts),
        project_modules=own_modules(sources),
        output=output,
    )


def own_modules(sources: Sources) -> frozenset[str]:
    """Names by which the project's code can be imported, with or without a `src` folder."""
    names: set[str] = set()
    for path in sources.files:
        if path.endswith(".py"):
            parts = PurePosixPath(path).with_suffix("").parts
            names.add(parts[0])
            names.update(parts[1:2] if parts[0] in ("src", "lib", "python") else ())
    return frozenset(names)
