"""Asks all sources of facts about a failure, and caches the answers on disk by image.

An image holds one version of each library, so its answers do not change.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from agent.advice.existing import ExistingNames, NamesThere
from agent.advice.failure import EnvironmentFact, FailureContext, Filler
from agent.advice.messages import AdviceInErrors, CompilerNotes
from agent.advice.python import PythonFacts
from agent.editing.source_files import SourceFileError, write_atomically
from sandbox.box.contract import Sandbox, SandboxError

_MOST_FACTS = 4
WORDING = 3
"""Version of the wording of facts: cached facts in another wording are asked for again."""
_MOST_CACHED = 500
FILLERS: tuple[Filler, ...] = (PythonFacts(), AdviceInErrors(), CompilerNotes())


class Environment:
    """Asks for facts about a failure in a sandbox."""

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        image: str,
        cache: Path,
        fillers: Sequence[Filler] = FILLERS,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._sandbox = sandbox
        self._image = image
        self._cache = cache
        self._fillers = fillers
        self._say = say
        kept = cache.with_name(f"{cache.stem}-names.json")
        self._names = NamesThere(sandbox, image=image, cache=kept, say=say)

    async def names(self, failure: FailureContext) -> ExistingNames:
        """The names that exist where a failure says that one does not; see `NamesThere.about`."""
        return await self._names.about(failure)

    async def facts(self, failure: FailureContext) -> tuple[EnvironmentFact, ...]:
        """Facts about a failure; empty if there are none.

        A sandbox without an answer costs the facts, never the job: only a notice is emitted.
        """
        found = [fact for filler in self._fillers for fact in await self._ask(filler, failure)]
        return tuple(dict.fromkeys(found))[:_MOST_FACTS]

    async def _ask(self, filler: Filler, failure: FailureContext) -> Sequence[EnvironmentFact]:
        asked = filler.key(failure)
        about = f"{WORDING}\n{self._image}\n{asked}"
        key = hashlib.sha256(about.encode()).hexdigest()[:16] if asked else ""
        known = await asyncio.to_thread(self._read) if key else {}
        if key in known:
            return [EnvironmentFact(subject=subject, text=text) for subject, text in known[key]]
        try:
            facts = await filler.facts(failure, self._sandbox)
        except SandboxError as err:
            self._say(f"the installed libraries could not be asked: {err}")
            return ()
        if key and facts is not None:
            await asyncio.to_thread(
                self._write, {**known, key: [(fact.subject, fact.text) for fact in facts]}
            )
        return facts or ()

    def _read(self) -> dict[str, list[tuple[str, str]]]:
        try:
            data = json.loads(self._cache.read_text("utf-8"))
            return {
                str(key): [(str(subject), str(text)) for subject, text in facts]
                for key, facts in data.items()
            }
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            return {}  # a cache that cannot be read is asked again

    def _write(self, known: dict[str, list[tuple[str, str]]]) -> None:
        newest = dict(list(known.items())[-_MOST_CACHED:])
        try:
            write_atomically(self._cache, json.dumps(newest).encode())
        except (OSError, SourceFileError) as err:
            self._say(f"the answers of the libraries were not saved: {err}")
