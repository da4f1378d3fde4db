"""Held-out uses of an API as tasks: the model writes the function of a verified context, and it is run."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence

from agent.contexts.boxed import run_programs
from agent.contexts.rows import asked
from agent.editing.python_source import imports
from learning.contexts.context import ApiContext
from learning.contexts.parts import shown_pair
from learning.evaluation.prompting import Prompt
from learning.evaluation.sanitise import sanitised_code
from learning.evaluation.task import PASS, Generated, Judged, Task
from learning.records import Message
from sandbox.box.contract import Sandbox, SandboxError

_FUNCTION = re.compile(r"def (\w+)\(")


def use_task(context: ApiContext, sandbox: Sandbox) -> Task:
    """The task to write what a context has: right is what gives the same value, with the library.

    The value must come without a deprecation. The reply need not use the very API of the context.
    """
    found = _FUNCTION.search(context.head)
    function = found[1] if found else ""
    text = asked(context, f"{context.request} {shown_pair(context)}.")

    async def judged(reply: Generated) -> Judged:
        code = sanitised_code(reply.text, function)
        verdict, message = await _verdict(context, code, sandbox)
        return Judged(raw=code, clean=code, raw_verdict=verdict, verdict=verdict, message=message)

    return Task(
        id=context.id,
        prompt=Prompt(messages=(Message(role="user", content=text),)),
        judge=judged,
    )


async def steady(contexts: Sequence[ApiContext], sandbox: Sandbox) -> list[ApiContext]:
    """The contexts that still give their value, library by library: nothing else can be asked for.

    Raises:
        SandboxError: If the box cannot be used.
    """
    by_library: dict[str, list[ApiContext]] = defaultdict(list)
    for each in contexts:
        by_library[each.library].append(each)
    kept: list[ApiContext] = []
    for library, group in by_library.items():
        programs = [(each.code, each.call) for each in group]
        ran = await run_programs(sandbox, programs, modules=[library])
        kept += [c for c, tried in zip(group, ran, strict=True) if tried.value == c.value]
    return kept


async def _verdict(context: ApiContext, code: str, sandbox: Sandbox) -> tuple[str, str]:
    """The verdict on some code, with the reason in one line."""
    program = (code, context.call)
    (tried,) = await run_programs(sandbox, [program], modules=[context.library])
    if not tried.reached:
        raise SandboxError("the box ended before it ran the reply")
    if not tried.ok:
        return "error", tried.failure
    if not any(each.module.partition(".")[0] == context.library for each in imports(code)):
        return "fail", f"{context.library} is not used"
    same = tried.value == context.value
    return (PASS, "") if same else ("fail", f"gave {tried.value[:200]}")
