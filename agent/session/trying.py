"""Calls a function that a question is about, in the sandbox, so that the answer is seen and not guessed."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from agent.editing.python_source import definitions
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources, importable
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
_HEAD = re.compile(r"(?m)^(?:def|class) ([A-Za-z_]\w*)")
_ASKS = re.compile(
    r"\b(?:return|give|do|does|happen|raise|print|yield|be|is|evaluate)\w*\b", re.IGNORECASE
)
_VALUE = rf"(?:{'|'.join(_FILLED)}|\[[^\]\n]*\]|\{{[^}}\n]*\}}|'[^'\n]*'|\"[^\"\n]*\"|-?\d+(?:\.\d+)?)(?!\w|\.\d)"
_ARTICLE = r"(?:an? |the )?"
_AND = r"(?: ?, ?(?:and )?| and )"
_FOR = re.compile(
    rf"\b(?:for|with|on|of|if|when|given|is) (?:(?P<name>\w+) (?:is|gets|has) )?{_ARTICLE}"
    rf"(?P<values>{_VALUE}(?:{_AND}{_ARTICLE}{_VALUE})*)",
    re.IGNORECASE,
)
_GOES_ON = re.compile(
    rf" ?(?:,|&|and|or) ?(?:\w+ (?:is|gets|has) )?{_ARTICLE}{_VALUE}| ?=", re.IGNORECASE
)
"""More values in a form that is not read: a call with the first ones alone would not be what is asked."""
_MOST_TIMES = 1_000
_EACH = re.compile(_VALUE, re.IGNORECASE)


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

    The arguments are literals, so nothing but the function itself is called. A call that is written out is
    made as it stands; of values that are told ("for 2 and 3") one comes only where the function requires so many.
    """
    if not _ASKS.search(question):
        return None
    functions = _Functions(sources)
    for match in _CALL.finditer(question):
        module, function = functions.defined(match["name"])
        if module and function and _literals(match["arguments"]):
            return AskedCall(module=module, name=match["name"], arguments=match["arguments"])
    for name in dict.fromkeys(re.findall(r"[A-Za-z_]\w*", question)):
        module, function = functions.defined(name)
        if module and function and (arguments := _told(question, function)):
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


class _Functions:
    """The functions that a project's code defines at its top level; a file is parsed once a name of it is asked for."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._paths: dict[str, list[str]] = {}
        for path in sorted(sources.files):
            if path.endswith(".py") and not is_test_path(path):
                for name in dict.fromkeys(_HEAD.findall(sources.text(path) or "")):
                    self._paths.setdefault(name, []).append(path)

    def defined(self, name: str) -> tuple[str, ast.FunctionDef | None]:
        """The module that defines a function, and it; none if none does, or several."""
        fits = [
            (path, node)
            for path in self._paths.get(name, ())
            if isinstance(
                node := definitions(self._sources.text(path) or "").get(name), ast.FunctionDef
            )
        ]
        if len(fits) != 1:
            return "", None
        path, node = fits[0]
        return importable(path), node


def _told(question: str, function: ast.FunctionDef) -> str:
    """The arguments that a question tells, as many as the function requires, or one that it names; else empty."""
    words = " ".join(question.split())
    said = _FOR.search(words)
    if said is None or _GOES_ON.match(words, said.end()):
        return ""
    values = [_FILLED.get(each.lower(), each) for each in _EACH.findall(said["values"])]
    takes = function.args
    places = [argument.arg for argument in (*takes.posonlyargs, *takes.args)]
    required = places[: len(places) - len(takes.defaults)]
    if None in takes.kw_defaults:  # one that has to be named, and has no default
        return ""
    by_name = [argument.arg for argument in takes.args]
    if len(values) == 1 and said["name"] in by_name and required in ([], [said["name"]]):
        return f"{said['name']}={values[0]}"
    if said["name"] in places or (not places and takes.vararg is None):
        return ""
    fits = len(required) == len(values) or (len(values) == 1 and not required)
    arguments = ", ".join(values)
    return arguments if fits and _literals(arguments) else ""


def _literals(arguments: str) -> bool:
    """True if these are arguments of a call, one at least, and nothing but literals."""
    try:
        call = ast.parse(f"f({arguments})", mode="eval").body
        if not isinstance(call, ast.Call):
            return False
        values = [*call.args, *(item.value for item in call.keywords)]
        return bool(values) and all(
            ast.unparse(each) == "set()" or _is_plain(each) for each in values
        )
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return False


def _is_plain(value: ast.expr) -> bool:
    """True for a literal, or a text or list that is repeated or joined: `'a' * 45`."""
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Mult):
        both = (value.left, value.right)
        counts = [each.value for each in both if isinstance(each, ast.Constant)]
        is_short = all(each <= _MOST_TIMES for each in counts if isinstance(each, int))
        return is_short and all(map(_is_plain, both))
    try:
        ast.literal_eval(value)
    except (ValueError, TypeError):
        return False
    return True
