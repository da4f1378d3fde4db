"""Builds the model's prompt: a digest of the failure, the test, the file.

Raw output is in it only of a test command, of which nothing else is known: its last lines, fenced.

Prompts are fresh for every attempt and do not quote earlier attempts: a small model that sees its
own wrong answer repeats it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from agent.editing.python_source import definitions, imports, signatures, source_lines
from agent.fixing.command_targets import is_of_command, output_tail
from agent.fixing.sources import Sources
from agent.fixing.targets import FailingTest
from agent.prompt_files import filled
from learning.records import Evidence, Message
from sandbox.verdict.report import TestResult

Count = Callable[[str], int]

_BYTES_PER_TOKEN = 3
_MESSAGE_CAP = 300
_FRAMES_SHOWN = 3
_TEST_LINES = 40
OPTIONAL_TOKENS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class FixPrompt:
    """The messages of one attempt, and what did not go into them."""

    messages: tuple[Message, ...]
    left_out: tuple[str, ...] = ()
    """A sentence for each thing that was left out for its size."""


def estimate_tokens(text: str) -> int:
    """An upper estimate of the tokens in code or English, without a tokenizer."""
    return len(text.encode("utf-8", "replace")) // _BYTES_PER_TOKEN + 1


def build_fix_messages(
    *,
    path: str,
    source: str,
    result: TestResult,
    evidence: Evidence,
    test: FailingTest,
    sources: Sources,
    facts: Sequence[str] = (),
    hints: str = "",
    note: str = "",
    think: bool = False,
    count: Count = estimate_tokens,
    optional_tokens: int = OPTIONAL_TOKENS,
) -> FixPrompt:
    """System and user message for one attempt to repair `path`, whose text is `source`.

    `facts` are true statements about the environment, `hints` lessons of earlier repairs; `note`
    says what an earlier attempt still got wrong. With `think` the model is asked for the reason
    before the file. The file is always whole; a long test is shortened visibly; signatures of imported
    modules are added while they fit into `optional_tokens`.
    """
    left_out: list[str] = []
    shown_test = _shortened(test, left_out)
    neighbours = _neighbours(path, source, sources)
    if neighbours and count("\n".join(neighbours)) > optional_tokens:
        left_out.append(f"signatures of what {path} imports were left out of the prompt")
        neighbours = ()
    context = [
        failure_digest(result, evidence, sources),
        shown_test and f"The test:\n{fenced(shown_test, 'python')}",
        "\n".join([*facts, *neighbours]),
        hints,
        note,
    ]
    user = filled(
        "fix_think_user" if think else "fix_user",
        failure="\n\n".join(part for part in context if part),
        path=path,
        source=_shown_file(path, source),
    )
    messages = (
        Message(
            role="system",
            content=filled(
                "fix_think_system" if think else "fix_system",
                language="Python code" if path.endswith(".py") else "code",
            ),
        ),
        Message(role="user", content=user),
    )
    return FixPrompt(messages=messages, left_out=tuple(left_out))


def failure_digest(result: TestResult, evidence: Evidence, sources: Sources) -> str:
    """The failure in a few lines: the test, the exception, both values, the frames."""
    lines = [f"Failing test: {result.id}"]
    lines.append(one_line(evidence, result.message))
    if evidence.expected or evidence.got:
        lines.append(f"Expected: {_capped(evidence.expected)}")
        lines.append(f"Got: {_capped(evidence.got)}")
    for frame in tuple(result.frames)[-_FRAMES_SHOWN:]:
        code = source_lines(sources.text(frame.file) or "")[frame.line - 1 : frame.line]
        where = f"{frame.file}:{frame.line} in {frame.function}"
        lines.append(f"At {where}: {code[0].strip()}" if code else f"At {where}")
    if is_of_command(result) and (tail := output_tail(result)):
        lines.append(f"The end of its output:\n{fenced(tail, '')}")
    return "\n".join(lines)


def one_line(evidence: Evidence, message: str = "") -> str:
    """The failure in one line: exception and message."""
    text = next(iter((evidence.message or message).strip().splitlines()), "")
    name = evidence.exception
    if name and not text.startswith(name):
        text = f"{name}: {text}" if text else name
    return _capped(text) or "It failed without a message."


def fenced(text: str, language: str) -> str:
    """A fenced block whose fence is longer than any inside."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    mark = "`" * (longest + 1)
    return f"{mark}{language}\n{text.rstrip()}\n{mark}"


def _shown_file(path: str, source: str) -> str:
    if not source:
        return "(It is empty or does not exist yet.)"
    return fenced(source, "python" if path.endswith(".py") else "")


def _capped(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MESSAGE_CAP else f"{text[:_MESSAGE_CAP]} [...]"


def _shortened(test: FailingTest, left_out: list[str]) -> str:
    lines = test.source.splitlines()
    if len(lines) <= _TEST_LINES:
        return test.source
    more = len(lines) - _TEST_LINES
    left_out.append(f"{more} lines of {test.path}::{test.name} were left out of the prompt")
    return "\n".join([*lines[:_TEST_LINES], f"# [{more} more lines of the test are not shown]"])


def _neighbours(path: str, source: str, sources: Sources) -> tuple[str, ...]:
    """Signatures of the project's functions and classes that the file imports by name."""
    lines: list[str] = []
    for item in imports(source):
        origin = sources.imported_file(item, importer=path) if item.name else None
        if origin is None or item.name not in definitions(sources.text(origin) or ""):
            continue
        own = re.compile(rf"(?:class )?{re.escape(item.name)}(?:[.(]|$)")
        found = [line for line in signatures(sources.text(origin) or "") if own.match(line)]
        lines += [f"In {origin}: {line}" for line in found]
    return tuple(dict.fromkeys(lines))
