"""The one function at the likeliest place, written anew: a reply of a few lines instead of a file.

What the reply gives is put where the old function stands, by the syntax tree. Where it fails because a
name in it does not exist, it is spliced.
"""

from __future__ import annotations

import ast
import asyncio
import textwrap
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from agent.advice.failure import FailureContext, own_modules
from agent.candidates.candidate import CandidateChange
from agent.candidates.imports import after_imports
from agent.candidates.source import Edit, ParsedFile
from agent.candidates.splicing import Failed, SpliceLimits, spliced
from agent.editing.python_source import (
    FunctionNode,
    definitions,
    head_of,
    is_stub,
    signatures,
    source_of,
)
from agent.events import StageStarted
from agent.fixing.attempts import Parts
from agent.fixing.context import estimate_tokens, failure_digest, fenced
from agent.fixing.continuing import failed_with, voice_of
from agent.fixing.targets import locate_test
from agent.localisation.places import FaultPlace
from agent.prompt_files import filled, prompt
from agent.reply.blocks import scan_blocks
from agent.testing.failures import evidence_of
from agent.turn.asking import ask
from agent.turn.beginning import Beginning
from agent.words import stems_of
from learning.evidence.judge import exception_in
from learning.records import Message, Origin, Sampling
from sandbox.verdict.report import TestResult

_MOST_FUNCTIONS = 2
_MOST_SPOKEN_OF = 8
_MOST_LINES = 120
_MARGIN_TOKENS = 80
_MOST_SIGNATURES = 12
_LONGEST_TEST = 3000
MOST_DRAWS = 6
"""Replies for each function, while there is time."""
_TEMPERATURE = 0.8

TryOne = Callable[[CandidateChange, int], Awaitable[str | None]]
"""Tries a change that cost so many tokens; None if it passes, else the first lines of its failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OldFunction:
    """A function or method of the project that may be at fault."""

    path: str
    name: str
    """Qualified: `Order.net`."""
    node: FunctionNode
    source: str
    score: float = 0.0
    """That of its likeliest place."""


class FunctionAnew:
    """Asks for the functions at the likeliest places, one after the other."""

    def __init__(self, parts: Parts, facts: Sequence[str], *, said: str = "") -> None:
        """`facts` are sentences of the environment about the failure; `said` is what a person says of it."""
        self._parts = parts
        self._facts = facts
        self._said = said

    async def repaired(
        self,
        places: Sequence[FaultPlace],
        result: TestResult,
        try_one: TryOne,
        left_s: Callable[[], float],
        *,
        draws: int = MOST_DRAWS,
    ) -> None:
        """Try replies until one passes, or until no time is left; at most `draws` for each function.

        Raises:
            ModelError: If the model does not answer.
            SandboxError: If the sandbox gives no answer.
        """
        functions = self._functions(places)
        for draw, old in ((draw, old) for draw in range(draws) for old in functions):
            if left_s() <= 0:
                return
            if draw and 2 * old.score < functions[0].score:
                continue
            try:
                async with asyncio.timeout(left_s()):
                    if await self._passes(old, result, try_one, draw):
                        return
            except TimeoutError:
                return

    def _functions(self, places: Sequence[FaultPlace]) -> tuple[OldFunction, ...]:
        """The likeliest functions; of more of them those that the person speaks of, where somebody does."""
        text = self._parts.sources.text
        if not self._said:
            return likely_functions(places, text)
        likely = likely_functions(places, text, most=_MOST_SPOKEN_OF)
        said = stems_of(self._said)
        spoken = sorted(likely, key=lambda each: not said & stems_of(each.name))
        return tuple(replace(each, score=1.0) for each in spoken[:_MOST_FUNCTIONS])

    async def _passes(
        self, old: OldFunction, result: TestResult, try_one: TryOne, draw: int
    ) -> bool:
        """True if a reply passes: the likeliest one at the first draw, sampled ones afterwards."""
        parts = self._parts
        again = f", try {draw + 1}" if draw else ""
        parts.emit(StageStarted(f"{parts.model.name} writes {old.name} anew{again}"))
        messages = self._messages(old, result)
        most = 2 * estimate_tokens(old.source) + _MARGIN_TOKENS
        temperature = _TEMPERATURE if draw else 0.0
        sampling = Sampling(temperature=temperature, seed=draw, max_tokens=most)
        head = head_of(parts.sources.text(old.path) or "", old.node) if draw else ""
        begun = Beginning(text=f"```python\n{head}\n") if head else None
        reply = await ask(parts.model, messages, sampling=sampling, emit=parts.emit, begun=begun)
        text = reply.action.text
        candidate = self._candidate(old, text, Origin.FUNCTION)
        if candidate is None:
            return False
        message = await try_one(candidate, reply.completion_tokens)
        if message is None:
            return True
        voice = None if draw else voice_of(parts.model, messages, sampling, parts.emit)
        failed = self._failed(message, candidate)
        if voice is None or failed is None:
            return False

        async def judged(text: str) -> Failed | None:
            change = self._candidate(old, text, Origin.SPLICE)
            if change is None:
                return Failed(message="", there=failed.there)
            said = await try_one(change, 0)
            return None if said is None else self._failed(said, change)

        made = await spliced(
            text, failed, voice=voice, judge=judged, limits=SpliceLimits(tokens=most)
        )
        return made.passed

    def _failed(self, message: str, candidate: CandidateChange) -> Failed | None:
        if self._parts.names is None:
            return None
        exception, said = exception_in(message)
        failure = FailureContext(
            exception=exception,
            message=said or message,
            texts=(candidate.after,),
            project_modules=own_modules(self._parts.sources),
            output=message,
        )
        return failed_with(message, failure, self._parts.names)

    def _messages(self, old: OldFunction, result: TestResult) -> tuple[Message, ...]:
        sources = self._parts.sources
        test = locate_test(result, sources).source[:_LONGEST_TEST]
        others = [
            line
            for line in signatures(sources.text(old.path) or "")
            if line.partition("(")[0] != old.name
        ]
        shown = "; ".join(others[:_MOST_SIGNATURES])
        context = [
            failure_digest(result, evidence_of(result), sources),
            f"The test:\n{fenced(test, 'python')}" if test else "",
            "\n".join(self._facts),
            filled("function_said", said=self._said) if self._said else "",
            f"{old.path} also has: {shown}" if shown else "",
        ]
        user = filled(
            "function_user",
            failure="\n\n".join(filter(None, context)),
            path=old.path,
            function=old.name,
            source=fenced(textwrap.dedent(old.source), "python"),
        )
        return (
            Message(role="system", content=prompt("function_system")),
            Message(role="user", content=user),
        )

    def _candidate(self, old: OldFunction, reply: str, origin: Origin) -> CandidateChange | None:
        source = self._parts.sources.text(old.path) or ""
        after = with_function(source, old, reply)
        if after is None or after == source:
            return None
        return CandidateChange(
            path=old.path,
            line=old.node.lineno,
            after=after,
            origin=origin,
            kind=f"{old.name} anew",
            changed_characters=len(old.source),
            cost=3,
        )


def likely_functions(
    places: Sequence[FaultPlace],
    text: Callable[[str], str | None],
    *,
    most: int = _MOST_FUNCTIONS,
) -> tuple[OldFunction, ...]:
    """The functions around the likeliest places, each once; those that are too long are left out."""
    found: dict[tuple[str, str], OldFunction] = {}
    for place in places:
        source = text(place.path) or ""
        around = [
            (name, node)
            for name, node in definitions(source).items()
            if not isinstance(node, ast.ClassDef)
            and node.lineno <= place.line <= (node.end_lineno or 0)
            and (node.end_lineno or 0) - node.lineno < _MOST_LINES
        ]
        for name, node in around[-1:]:
            old = OldFunction(
                path=place.path,
                name=name,
                node=node,
                source=source_of(source, node),
                score=place.score,
            )
            found.setdefault((place.path, name), old)
        if len(found) == most:
            break
    return tuple(found.values())


def with_function(source: str, old: OldFunction, reply: str) -> str | None:
    """The file with a function as a reply gives it; None where the reply is not that one function.

    Imports before the definition are taken over. A method may stand in its class; decorators that the
    reply leaves out stay.
    """
    file = ParsedFile.of(source)
    blocks = scan_blocks(reply).blocks
    given = ParsedFile.of(textwrap.dedent(blocks[0].content)) if len(blocks) == 1 else None
    if file is None or given is None:
        return None
    imports, new = _definition(given.tree.body, old.name)
    if new is None or is_stub(new):
        return None
    text = textwrap.dedent(source_of(given.text, new)).rstrip("\n")
    first = old.node.lineno
    if new.decorator_list and old.node.decorator_list:
        first = min(item.lineno for item in old.node.decorator_list)
    indented = textwrap.indent(text, " " * old.node.col_offset)
    start, end = file.line_start(first), file.span(old.node)[1]
    after = ParsedFile.of(file.edited(Edit(start=start, end=end, text=indented, kind="function")))
    if after is None:
        return None
    have = {ast.unparse(node) for node in after.tree.body}
    lines = [line for node in imports if (line := ast.unparse(node)) not in have]
    at = after_imports(after)
    missing = "".join(f"{line}\n" for line in lines)
    return after.edited(Edit(start=at, end=at, text=missing, kind="imports"))


def _definition(body: Sequence[ast.stmt], name: str) -> tuple[list[ast.stmt], FunctionNode | None]:
    """The imports of a reply, and its function of that name, alone or in a class."""
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    inside = [item for node in body if isinstance(node, ast.ClassDef) for item in node.body]
    plain = name.rpartition(".")[2]
    fits = [
        node
        for node in [*body, *inside]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == plain
    ]
    return [*imports], fits[0] if len(fits) == 1 else None
