"""Finds what a model gets wrong of a library without any failure: it is asked for what is documented.

The first sentence of an API's documentation is the request, its example the data. The model's code is run in
the box; where it ends with the error of an API that is not there, the documented API is what was wanted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from agent.contexts.boxed import Tried, harvest, run_programs
from agent.contexts.drafts import Draft, anchors_from, plain_form
from agent.contexts.failures import ApiFailure
from agent.prompt_files import filled
from learning.evaluation.prompting import Prompt
from learning.evaluation.rows import RowFile
from learning.evaluation.sanitise import sanitised_code
from learning.evaluation.task import Generator
from learning.records import Message, Sampling
from sandbox.box.contract import Sandbox

_MOST_PIECES = 3_000
_SAMPLING = Sampling(max_tokens=160)
_BATCH = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class SurveyAnswer:
    """One documented API, the request that was made of it, and what came of the model's code."""

    api: str
    request: str
    code: str
    ok: bool
    same: bool
    """True if it gave what the documented example gives."""
    exception: str = ""
    error: str = ""
    documented: str = ""
    """The documented use, as a function that ran."""

    @property
    def failure(self) -> ApiFailure | None:
        """The failure, with the documented code as its repair; None if the code ran."""
        if self.ok or not self.exception:
            return None
        return ApiFailure(
            exception=self.exception,
            message=self.error,
            code=self.code,
            request=self.request,
            repaired=(self.documented,),
            wanted=self.api.rpartition(".")[2],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryQuestion:
    """A documented API that can be asked for."""

    draft: Draft
    value: str

    @property
    def prompt(self) -> Prompt:
        """The request, as a chat."""
        draft = self.draft
        library = draft.api.partition(".")[0]
        text = filled(
            "library_function", library=library, head=draft.snippet.head, ask=draft.request
        )
        return Prompt(messages=(Message(role="user", content=f"{text}\n"),))


async def questions_about(
    sandbox: Sandbox, library: str, *, most: int
) -> tuple[str, list[LibraryQuestion]]:
    """The library's version, and the documented APIs that can be asked for, the most used ones first.

    Raises:
        SandboxError: If the box cannot be used.
    """
    version, pieces = await harvest(sandbox, library, [], most=_MOST_PIECES)
    ranked = sorted(pieces, key=_popularity(pieces), reverse=True)
    drafts = [d for d in islice(anchors_from(library, ranked, frozenset()), 2 * most) if d.request]
    ran = await _values(sandbox, library, drafts)
    plain = [plain_form(draft, tried) or draft for draft, tried in ran]
    found = [
        LibraryQuestion(draft=draft, value=tried.value)
        for draft, tried in await _values(sandbox, library, plain)
    ]
    return version, found[:most]


def _popularity(pieces: Sequence[Mapping[str, Any]]) -> Callable[[Mapping[str, Any]], int]:
    """Count, for a documented piece, the examples of the library that use it."""
    used: Counter[str] = Counter()
    for piece in pieces:
        code = " ".join(str(source) for source, _ in piece["code"])
        used.update({part.partition("(")[0] for part in code.split(".") if "(" in part})
    return lambda piece: used[str(piece["name"]).rpartition(".")[2]]


async def _values(
    sandbox: Sandbox, library: str, drafts: Sequence[Draft]
) -> list[tuple[Draft, Tried]]:
    programs = [(draft.snippet.source, draft.snippet.call) for draft in drafts]
    results = await run_programs(sandbox, programs, modules=[library])
    return [
        (draft, tried)
        for draft, tried in zip(drafts, results, strict=True)
        if tried.ok and not tried.is_none
    ]


class Survey:
    """Asks a model for documented APIs, and keeps what came of it, so that it can go on later."""

    def __init__(self, sandbox: Sandbox, generator: Generator, *, model: str, path: Path) -> None:
        """`path` is the file of one release; `model` names the model with its adapter."""
        self._sandbox = sandbox
        self._generator = generator
        self._model = model
        self._file = _answers(path)

    async def ask(
        self,
        library: str,
        questions: Sequence[LibraryQuestion],
        *,
        on_asked: Callable[[SurveyAnswer], None],
    ) -> list[SurveyAnswer]:
        """Ask the questions; return their answers, those of earlier surveys included.

        A question whose code the box did not reach has no answer, and is asked again next time.

        Raises:
            ModelError: If the model does not answer.
            SandboxError: If the box cannot be used.
        """
        known = await asyncio.to_thread(self._file.read)
        for batch in _batches([q for q in questions if self._key(q) not in known]):
            codes = [await self._code(question) for question in batch]
            programs = [(c, q.draft.snippet.call) for c, q in zip(codes, batch, strict=True)]
            results = await run_programs(self._sandbox, programs, modules=[library])
            for question, code, tried in zip(batch, codes, results, strict=True):
                if not tried.reached:
                    continue
                asked = _asked(question, code, tried)
                known[self._key(question)] = asked
                await asyncio.to_thread(self._file.append, {self._key(question): asked})
                on_asked(asked)
        keys = [self._key(question) for question in questions]
        return [known[key] for key in keys if key in known]

    def _key(self, question: LibraryQuestion) -> str:
        said = json.dumps([self._model, question.prompt.messages[0].content, question.draft.api])
        return hashlib.sha256(said.encode()).hexdigest()[:16]

    async def _code(self, question: LibraryQuestion) -> str:
        reply = await self._generator.generate(question.prompt, _SAMPLING)
        return sanitised_code(reply.text, question.draft.snippet.function)


def _answers(path: Path) -> RowFile[str, SurveyAnswer]:
    return RowFile(
        path=path,
        encode=lambda key, asked: {"key": key, "asked": asdict(asked)},
        decode=lambda record: (str(record["key"]), SurveyAnswer(**record["asked"])),
    )


def asked_file(folder: Path, library: str, version: str) -> Path:
    """The file of the answers about one release, in the folder of contexts."""
    return folder / "asked" / f"{library}-{version or 'unknown'}.jsonl"


def surveyed_failures(folder: Path) -> list[ApiFailure]:
    """The failures of all surveys whose answers are in a folder of contexts, of any model."""
    paths = sorted((folder / "asked").glob("*.jsonl"))
    answers = (answer for path in paths for answer in _answers(path).read().values())
    return [failure for answer in answers if (failure := answer.failure) is not None]


def _batches(questions: Sequence[LibraryQuestion]) -> Iterator[Sequence[LibraryQuestion]]:
    for start in range(0, len(questions), _BATCH):
        yield questions[start : start + _BATCH]


def _asked(question: LibraryQuestion, code: str, tried: Tried) -> SurveyAnswer:
    return SurveyAnswer(
        api=question.draft.api,
        request=question.draft.request,
        code=code,
        ok=tried.ok,
        same=tried.ok and tried.value == question.value,
        exception=tried.exception,
        error=tried.error,
        documented=question.draft.snippet.source,
    )
