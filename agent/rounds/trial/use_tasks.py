"""Held-out uses of an API as tasks: the model writes the function of a verified context, and it is judged."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from agent.contexts.rows import asked
from agent.editing.python_source import imports, parse_python
from agent.rounds.trial.program_judge import EvaluationError, Judge, ProgramJudge, program_limits
from agent.rounds.trial.regression import judged_pair
from learning.contexts.context import ApiContext
from learning.contexts.parts import shown_pair
from learning.evaluation.prompting import Prompt
from learning.evaluation.sanitise import raw_code, sanitised_code
from learning.evaluation.task import Generated, Judged, Task
from learning.records import Message
from sandbox.box.contract import Limits
from sandbox.warm.judge import CheckTask

USE_LIMITS = Limits(timeout_s=600.0, memory_mib=2048, cpus=2.0, pids=256, work_mib=64)
"""Limits of the boxes that judge uses: a library of data frames needs memory."""
_PROGRAM_MIB = 1536
_PROGRAM_S = 30.0
_FUNCTION = re.compile(r"def (\w+)\(")
_NOT_USED = "assert False, 'the library is not used'"


def use_task(context: ApiContext, judge: Judge) -> Task:
    """The task to write what a context has.

    A reply that uses the API is right if it runs on the data of the context and gives a value of the same
    kind: examples hide options that no request tells. Any other is right if it gives the same value, with
    the library.
    """
    exact = ProgramJudge(judge, context.id, _check(context, _same_value(context)))
    runs = ProgramJudge(judge, context.id, _check(context, _same_kind(context)))
    text = asked(context, f"{context.request} {shown_pair(context)}.")

    async def judged(reply: Generated) -> Judged:
        raw, clean = raw_code(reply.text), sanitised_code(reply.text, _function(context))
        programs = runs if uses(clean, context) else exact
        results = await programs.verdicts(*(_with_library(context, code) for code in (raw, clean)))
        return judged_pair(raw, clean, *results)

    return Task(
        id=context.id,
        prompt=Prompt(messages=(Message(role="user", content=text),)),
        judge=judged,
        check_reference=exact.check_reference,
    )


async def usable(tasks: Sequence[Task]) -> list[Task]:
    """The tasks whose own solution is right here and today; nothing else can be asked for.

    Raises:
        SandboxError: If the box cannot be used.
    """
    right = {task.id for task in tasks if await _is_right(task)}
    # On a busy machine one may have run out of time: those that failed are asked once more.
    right |= {task.id for task in tasks if task.id not in right and await _is_right(task)}
    return [task for task in tasks if task.id in right]


async def _is_right(task: Task) -> bool:
    try:
        await task.check_reference()
    except EvaluationError:
        return False
    return True


def uses(code: str, context: ApiContext) -> bool:
    """True if some code has the API of a context in the same role: as a name of the library, a keyword or a text.

    The built-in function `map` is no use of the method of this name.
    """
    names = {context.code[start:end].strip("'\"") for start, end in context.names}
    wanted = {each for each in _roles(context.code) if each[1] in names}
    return not wanted.isdisjoint(_roles(code))


def _roles(code: str) -> set[tuple[str, str]]:
    """The names in some code, each with its role."""
    tree = parse_python(code)
    found: set[tuple[str, str]] = set()
    for node in ast.walk(tree) if tree is not None else ():
        match node:
            case ast.Attribute(attr=name) | ast.alias(name=name):
                found.add(("name", name))
            case ast.keyword(arg=str(name)):
                found.add(("keyword", name))
            case ast.Constant(value=str(text)):
                found.add(("text", text))
    return found


def _check(context: ApiContext, check: str) -> CheckTask:
    return CheckTask(
        source=context.code,
        entry_point=_function(context),
        check=check,
        limits=program_limits(_PROGRAM_S, memory_mib=_PROGRAM_MIB),
    )


def _same_value(context: ApiContext) -> str:
    return f"assert {_call(context)} == {context.value}\n"


def _same_kind(context: ApiContext) -> str:
    kind = type(ast.literal_eval(context.value))
    kinds = "(int, float)" if kind in (int, float) else kind.__name__
    return f"assert isinstance({_call(context)}, {kinds})\n"


def _call(context: ApiContext) -> str:
    call = ast.parse(context.call, mode="eval").body
    assert isinstance(call, ast.Call)  # noqa: S101 - contexts are calls of their function
    call.func = ast.Name("candidate")
    return ast.unparse(call)


def _with_library(context: ApiContext, code: str) -> str:
    """The code, which fails if it does without the library."""
    used = {each.module.partition(".")[0] for each in imports(code)}
    return code if context.library in used else f"{_NOT_USED}\n{code}"


def _function(context: ApiContext) -> str:
    found = _FUNCTION.search(context.head)
    return found[1] if found else ""
