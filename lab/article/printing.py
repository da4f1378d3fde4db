"""Prints the values that a model's function returns for the inputs of its tests, without judging them.

The calls are taken from the assertions without the expected values.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Protocol

from agent.rounds.trial.program_judge import program_limits
from sandbox.box.streams import display_safe
from sandbox.warm.values import Program, ProgramResult

_MOST_CALLS = 8
_MARK = "<<pair>>"
_LINE_CHARACTERS = 200
_TIMEOUT_S = 5.0
_PROBE = """

def _elagent_probe(text, call):
    try:
        said = f"{text} -> {call()!r}"
    except Exception as error:
        said = f"{text} raised {type(error).__name__}: {error}"
    print("MARK" + " ".join(said.split()))

"""


class Programs(Protocol):
    """Runs untrusted programs; `sandbox.warm.pool.WarmSandbox` does."""

    async def run_program(self, program: Program) -> ProgramResult: ...


def calls_in(check: str, *, name: str = "candidate") -> tuple[str, ...]:
    """The arguments of the calls in a check that are plain values, in order, each once."""
    try:
        tree = ast.parse(check)
    except (SyntaxError, ValueError, RecursionError):
        return ()
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name
    ]
    calls.sort(key=lambda node: (node.lineno, node.col_offset))
    found = (", ".join(map(ast.unparse, _arguments(node))) for node in calls if _is_plain(node))
    return tuple(dict.fromkeys(found))[:_MOST_CALLS]


def printing_program(source: str, entry_point: str, calls: Sequence[str]) -> str:
    """The source, followed by code that prints the value of each call."""
    lines = [
        f"_elagent_probe({f'{entry_point}({c})'!r}, lambda: {entry_point}({c}))" for c in calls
    ]
    return source + _PROBE.replace("MARK", _MARK) + "\n".join(lines) + "\n"


async def printed_pairs(
    programs: Programs, source: str, entry_point: str, check: str
) -> tuple[str, float]:
    """Lines `f(1) -> 2`, or "" if the program printed none, and the seconds that it took."""
    calls = calls_in(check)
    if not calls:
        return "", 0.0
    program = Program(
        source=printing_program(source, entry_point, calls), limits=program_limits(_TIMEOUT_S)
    )
    result = await programs.run_program(program)
    said = [
        display_safe(line.removeprefix(_MARK))[:_LINE_CHARACTERS]
        for line in result.stdout.text.splitlines()
        if line.startswith(_MARK)
    ]
    return "\n".join(said), result.duration_s


def _arguments(call: ast.Call) -> list[ast.AST]:
    return [*call.args, *call.keywords]


def _is_plain(call: ast.Call) -> bool:
    try:
        for value in (*call.args, *(keyword.value for keyword in call.keywords)):
            ast.literal_eval(value)
    except (ValueError, TypeError, MemoryError, RecursionError):
        return False
    return True
