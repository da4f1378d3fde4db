"""A verified context of an invented API."""

from __future__ import annotations

from learning.contexts.context import ApiContext
from learning.contexts.use import UseOrigin


def context(
    old: str, new: str, request: str, *, number: int = 0, library: str = "polars"
) -> ApiContext:
    code = f"import {library} as pl\n\ndef compute(values):\n    return pl.Series(values).{new}({number})\n"
    start = code.index(new)
    return ApiContext(
        api=f"{library}.Series.{old} -> {new}",
        library=library,
        version="2",
        origin=UseOrigin.DOCSTRING,
        request=request,
        head="def compute(values):",
        code=code,
        call="compute([1])",
        value="[1]",
        line=f"pl.Series(values).{new}({number})",
        stale=code.replace(new, old),
        error="AttributeError",
        names=((start, start + len(new)),),
    )
