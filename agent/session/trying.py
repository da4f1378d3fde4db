"""Calls a function that a question is about, in the sandbox, so that the answer is seen and not guessed."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from agent.editing.python_source import definitions
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources, module_parts
from agent.testing.project import ProjectTests

_FILLED = {
    "empty list": "[]",
    "empty string": "''",
    "empty text": "''",
    "empty dict": "{}",
    "empty dictionary": "{}",
    "empty tuple": "()",
    "empty set": "set()",
    "none": "None",
    "zero": "0",
    "true": "True",
    "false": "False",
    "negative number": "-1",
}
_CALL = re.compile(
    r"(?<![\w.])(?P<name>[A-Za-z_]\w*)\((?P<arguments>[^()\n]*(?:\([^()\n]*\)[^()\n]*)*)\)"
)
_ASKS = re.compile(
    r"\b(?:return|give|do|does|happen|raise|print|yield|be|is|evaluate)\w*\b", re.IGNORECASE
)
_FOR = re.compile(
    r"\b(?:for|with|on|of|if|when|given|is)\s+(?:\w+\s+(?:is|gets|has)\s+)?(?:an?\s+|the\s+)?"
    rf"(?P<value>{'|'.join(_FILLED)}|\[[^\]\n]*\]|\{{[^}}\n]*\}}|'[^'\n]*'|\"[^\"\n]*\"|-?\d+(?:\.\d+)?)(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedCall:
    """A call that a question is about."""

    module: str
    name: str
    arguments: str

    @property
    def text(self) -> str:
        return f"{self.name}({self.arguments})"


def asked_call(question: str, sources: Sources) -> AskedCall | None:
    """The call whose outcome a question asks for; None if it names no such call.

    The arguments are literals, so nothing but the function itself is called.
    """
    if not _ASKS.search(question):
        return None
    for name, arguments in _candidates(question):
        module = _module_of(name, sources)
        if module and _are_literals(arguments):
            return AskedCall(module=module, name=name, arguments=arguments)
    return None


async def seen_outcome(call: AskedCall, project: ProjectTests) -> str:
    """One sentence on what a call gives, from the sandbox; empty if it could not be made.

    Raises:
        SandboxError: If the sandbox gives no answer.
    """
    code = (
        f"from {call.module} import {call.name}\n"
        f"try:\n    print('EL', 'returns', repr({call.text})[:200])\n"
        "except Exception as err:\n    print('EL', 'raises', f'{type(err).__name__}: {err}'[:200])\n"
    )
    execution = await project.run_command(["python", "-c", code])
    lines = [line for line in execution.stdout.text.splitlines() if line.startswith("EL ")]
    return f"{call.text} was run just now: it {lines[-1].removeprefix('EL ')}." if lines else ""


def _candidates(question: str) -> list[tuple[str, str]]:
    found = [
        (match["name"], match["arguments"])
        for match in _CALL.finditer(question)
        if match["arguments"].strip()
    ]
    if value := _FOR.search(question):
        filled = _FILLED.get(value["value"].lower(), value["value"])
        found += [(name, filled) for name in re.findall(r"[A-Za-z_]\w*", question)]
    return found


def _module_of(name: str, sources: Sources) -> str:
    """The module that defines a function at its top level; empty if none does, or several."""
    fits = [
        path
        for path in sorted(sources.files)
        if path.endswith(".py")
        and not is_test_path(path)
        and isinstance(definitions(sources.text(path) or "").get(name), ast.FunctionDef)
    ]
    parts = module_parts(fits[0]) if len(fits) == 1 else ()
    return ".".join(parts) if all(part.isidentifier() for part in parts) else ""


def _are_literals(arguments: str) -> bool:
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
        values = (
            [*call.args, *(item.value for item in call.keywords)]
            if isinstance(call, ast.Call)
            else []
        )
        for value in values:
            ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return arguments == "set()"
    return bool(values)
