"""Facts that an error or a compiler states itself: nothing is run.

Libraries that dropped something often name its successor; compilers add notes and suggestions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from agent.advice.failure import EnvironmentFact, FailureContext
from sandbox.box.contract import Sandbox
from sandbox.box.streams import display_safe

_ADVICE_CAP = 400
_ADVICE_SUBJECT = "the error"
_ADVICE = re.compile(
    r"\b(?:instead|did you mean|please use|use [`'\"\w.]+ |replaced (?:with|by)|renamed to"
    r"|no longer supported|has been (?:removed|renamed|replaced))",
    re.IGNORECASE,
)
_MOST_FACTS = 4
_MOST_LINES = 4_000
_TEXT_CAP = 260
_GCC = re.compile(r"[^\s:]{1,300}:\d{1,9}:(?:\d{1,9}:)? (note|error|warning): (.{1,600})")
_SUGGESTS = re.compile(r"did you mean|suggested|declared here|expected .{1,200} but", re.IGNORECASE)
_RUST = re.compile(r"\s{0,20}= (?:help|note): (.{1,600})|(?:help|note): (.{1,600})")
_TYPESCRIPT = re.compile(r".{0,400}\berror TS\d{1,6}: (.{1,600}Did you mean.{1,300})")


class AdviceInErrors:
    """Turns the advice in an error's message into a fact."""

    def key(self, failure: FailureContext) -> str:
        """Empty: the answer is not cached."""
        return ""

    async def facts(
        self, failure: FailureContext, sandbox: Sandbox
    ) -> Sequence[EnvironmentFact] | None:
        """The message if it gives advice; a failed assertion is the project's own text."""
        if failure.exception in ("", "AssertionError") or not _ADVICE.search(failure.message):
            return ()
        said = " ".join(display_safe(failure.message).split())[:_ADVICE_CAP]
        return (
            EnvironmentFact(
                subject=_ADVICE_SUBJECT, text=f"{failure.exception} says what to do: {said}"
            ),
        )


class CompilerNotes:
    """Turns compilers' notes in the output into facts."""

    def key(self, failure: FailureContext) -> str:
        """Empty: the answer is not cached."""
        return ""

    async def facts(
        self, failure: FailureContext, sandbox: Sandbox
    ) -> Sequence[EnvironmentFact] | None:
        """Notes of gcc, clang, rustc and tsc that name what is there instead."""
        lines = failure.output.splitlines()[-_MOST_LINES:]
        return list(dict.fromkeys(_notes(lines)))[:_MOST_FACTS]


def _notes(lines: Sequence[str]) -> Iterator[EnvironmentFact]:
    for line in lines:
        if (match := _GCC.fullmatch(line)) and _SUGGESTS.search(match[2]):
            yield _fact("compiler", match[2])
        elif match := _RUST.fullmatch(line):
            yield _fact("rustc", match[1] or match[2])
        elif match := _TYPESCRIPT.fullmatch(line):
            yield _fact("tsc", match[1])


def _fact(tool: str, text: str) -> EnvironmentFact:
    return EnvironmentFact(subject=tool, text=f"{tool}: {display_safe(text)[:_TEXT_CAP]}")
