"""What an error itself says should be done: libraries that dropped something often name its successor."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agent.advice.failure import EnvironmentFact, FailureContext
from sandbox.box.contract import Sandbox
from sandbox.box.streams import display_safe

_CAP = 400
_SUBJECT = "the error"
_ADVICE = re.compile(
    r"\b(?:instead|did you mean|please use|use [`'\"\w.]+ |replaced (?:with|by)|renamed to"
    r"|no longer supported|has been (?:removed|renamed|replaced))",
    re.IGNORECASE,
)


class AdviceInErrors:
    """Repeats the advice in a message as a fact; asks nobody."""

    def key(self, failure: FailureContext) -> str:
        """Never remembered: it costs nothing."""
        return ""

    async def facts(
        self, failure: FailureContext, sandbox: Sandbox
    ) -> Sequence[EnvironmentFact] | None:
        """The message, if it says what to do; a failed assertion is the project's own word."""
        if failure.exception in ("", "AssertionError") or not _ADVICE.search(failure.message):
            return ()
        said = " ".join(display_safe(failure.message).split())[:_CAP]
        return (
            EnvironmentFact(subject=_SUBJECT, text=f"{failure.exception} says what to do: {said}"),
        )
