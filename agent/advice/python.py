"""Asks installed Python libraries, in a box without the project, for the right use of a name or call."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from agent.advice.failure import EnvironmentFact, FailureContext
from agent.advice.python_questions import Question, python_questions
from sandbox.box.contract import Execution, Job, Limits, Sandbox, SourceFile
from sandbox.box.policy import HARNESS_DIR
from sandbox.box.streams import display_safe

_PROGRAM = "introspect.py"
_LIMITS = Limits(timeout_s=20.0, memory_mib=1024, work_mib=32, output_kib=256, output_limit_mib=1)
_NAME_CAP = 80
_TEXT_CAP = 260
_MOST_DESCRIBED = 2


class PythonFacts:
    """Answers for AttributeError, ImportError, NameError, wrong calls and deprecations."""

    def key(self, failure: FailureContext) -> str:
        """The questions as text: a library of one version always gives the same answers."""
        questions = python_questions(failure)
        return json.dumps(questions) if questions else ""

    async def facts(
        self, failure: FailureContext, sandbox: Sandbox
    ) -> Sequence[EnvironmentFact] | None:
        """Signatures and first doc lines of the names that exist.

        Raises:
            SandboxError: If the box cannot be used.
        """
        questions = python_questions(failure)
        if not questions:
            return ()
        nonce = secrets.token_hex(8)
        execution = await sandbox.run(introspection(questions, nonce))
        answers = read_answers(execution, nonce)
        return None if answers is None else [fact for item in answers if (fact := _fact(item))]


def introspection(questions: Sequence[Question], nonce: str) -> Job:
    """The sandbox job that answers questions: our program alone, without the project's files."""
    program = resources.files("agent.advice").joinpath(_PROGRAM).read_bytes()
    return Job(
        argv=["python3", "-I", f"{HARNESS_DIR}/{_PROGRAM}"],
        harness=(SourceFile(path=_PROGRAM, content=program),),
        stdin=json.dumps({"nonce": nonce, "questions": list(questions)}).encode(),
        limits=_LIMITS,
    )


def read_answers(execution: Execution, nonce: str) -> list[Mapping[str, Any]] | None:
    """The answers in a job's output; None if it ended before them."""
    for line in reversed(execution.stdout.text.splitlines()):
        said, _, data = line.partition(" ")
        if said == nonce:
            try:
                answers = json.loads(data)
            except (ValueError, RecursionError):
                return None
            return [item for item in answers if isinstance(item, dict)] if answers else []
    return None


def _fact(answer: Mapping[str, Any]) -> EnvironmentFact | None:
    """One answer as a sentence; a library's words are capped and made safe to show."""
    near = [item for item in _items(answer.get("near")) if item.get("name")]
    library = f"{_text(answer, 'library')} {_text(answer, 'version')}".strip()
    subject, missing = _text(answer, "subject"), _text(answer, "missing")
    sentence = ""
    match answer.get("kind"):
        case "attribute" if near:
            sentence = _about_attribute(
                subject, missing, near, instance=bool(answer.get("instance"))
            )
        case "attribute":
            sentence = f"{subject} has no {missing}, and nothing with a name like it."
        case "module" if near:
            names = ", ".join(_text(item, "name") for item in near)
            sentence = f"There is no module {subject}. Installed are: {names}"
        case "module":
            sentence = f"There is no module {subject}, and none with a name like it is installed."
        case "name" if near:
            statement = _text(near[0], "name")
            sentence = f"{subject} is not defined here. It comes from: {statement}"
        case "call" if near:
            sentence = _about_call(subject, missing, near[0], answer)
        case _:
            return None
    return EnvironmentFact(subject=library, text=f"{library}: {sentence}"[: 3 * _TEXT_CAP])


def _about_attribute(
    subject: str, missing: str, near: Sequence[Mapping[str, Any]], *, instance: bool
) -> str:
    """A sentence that says what to write instead: small models overlook mere statements."""
    first, *others = (_described(item) for item in near[:_MOST_DESCRIBED])
    there = "." if instance else f"{subject}."
    sentence = f"{subject} has no {missing}: do not use it. Use {there}{first}"
    return f"{sentence}. Or {there}{others[0]}" if others else sentence


def _about_call(
    subject: str, keyword: str, real: Mapping[str, Any], answer: Mapping[str, Any]
) -> str:
    call = f"{subject}{str(real.get('signature', ''))[:_TEXT_CAP]}"
    sentence = f"The call is {display_safe(call)}"
    instead = answer.get("parameters")
    if keyword:
        sentence += f". It takes no {keyword}: do not pass it"
        if isinstance(instead, list) and instead:
            sentence += f". Pass {display_safe(str(instead[0]))[:_NAME_CAP]} instead"
    return sentence


def _described(item: Mapping[str, Any]) -> str:
    text = f"{_text(item, 'name')}{item.get('signature', '')!s}"
    doc = str(item.get("doc", ""))
    whole = f"{text} - {doc.rstrip('.')}" if doc else text
    return display_safe(whole)[:_TEXT_CAP].replace("\n", " ")


def _text(item: Mapping[str, Any], key: str) -> str:
    return display_safe(str(item.get(key, ""))).replace("\n", " ")[:_NAME_CAP]


def _items(value: object) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
