"""What is asked and what comes back; how each language answers is in modules of its own."""

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
    """One error, with what is needed to know what it is about."""

    exception: str
    message: str
    texts: tuple[str, ...] = ()
    """The source files on the way to it, the innermost first."""
    project_modules: frozenset[str] = frozenset()
    """First parts of the project's own module names: never asked about."""
    output: str = ""
    """What the tool printed, for tools that say why themselves."""


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
    """Knows how one language or tool can be asked."""

    def key(self, failure: FailureContext) -> str:
        """What the answer depends on besides the image; empty if it is not worth remembering."""
        ...

    async def facts(
        self, failure: FailureContext, sandbox: Sandbox
    ) -> Sequence[EnvironmentFact] | None:
        """What the environment says about a failure; empty if this filler has nothing to ask.

        None when there was a question and no answer came in time: that is not to be remembered.

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
        project_modules=_own_modules(sources),
        output=output,
    )


def _own_modules(sources: Sources) -> frozenset[str]:
    """Names by which the project's code can be imported, with or without a `src` folder."""
    names: set[str] = set()
    for path in sources.files:
        if path.endswith(".py"):
            parts = PurePosixPath(path).with_suffix("").parts
            names.add(parts[0])
            names.update(parts[1:2] if parts[0] in ("src", "lib", "python") else ())
    return frozenset(names)
