"""Says in the head of a context's function what it returns, where its value tells it."""

from __future__ import annotations

import ast
from dataclasses import replace

from learning.contexts.context import ApiContext
from learning.contexts.snippets import plain_type


def with_result_type(context: ApiContext) -> ApiContext:
    """The context with the type of its value in its head; as it is where the head or the value has none.

    Without it a request leaves open whether data or an object of the library is wanted. The digest of the
    result is another one.
    """
    head = typed_head(context.head, context.value)
    start = context.code.find(f"{context.head}\n")
    if head == context.head or start < 0:
        return context
    moved = len(head) - len(context.head)
    return replace(
        context,
        head=head,
        code=context.code.replace(f"{context.head}\n", f"{head}\n", 1),
        stale=context.stale.replace(f"{context.head}\n", f"{head}\n", 1),
        names=tuple((a + moved, b + moved) if a > start else (a, b) for a, b in context.names),
    )


def typed_head(head: str, value: str) -> str:
    """The first line of a function with the type of a value that it returned; as it is if that tells none."""
    if "->" in head:
        return head
    try:
        name = plain_type(ast.literal_eval(value))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return head
    return f"{head.removesuffix(':')} -> {name}:" if name else head
