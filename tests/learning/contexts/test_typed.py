"""The head of a context says what the function returns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from learning.contexts.context import ApiContext
from learning.contexts.typed import with_result_type
from learning.contexts.use import UseOrigin

_CODE = "import numpy as np\n\ndef area(ys: list[int]):\n    return np.trapezoid(ys).item()\n"
_START = _CODE.index("trapezoid")
_CONTEXT = ApiContext(
    api="numpy.numpy.trapz -> trapezoid",
    library="numpy",
    version="2",
    origin=UseOrigin.DOCSTRING,
    request="Integrate.",
    head="def area(ys: list[int]):",
    code=_CODE,
    call="area([4, 5, 6])",
    value="10.0",
    line="np.trapezoid(ys).item()",
    stale=_CODE.replace("trapezoid", "trapz"),
    names=((7, 12), (_START, _START + 9)),
)


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        ("10.0", "float"),
        ("[1, 2]", "list[int]"),
        ("[{'a': 1, 'b': 'x'}]", "list[dict]"),
        ("{'a': [1]}", "dict[str, list[int]]"),
    ],
)
def test_the_value_says_the_type_and_every_place_stays_with_its_name(
    value: str, type_: str
) -> None:
    typed = with_result_type(replace(_CONTEXT, value=value))

    assert typed.head == f"def area(ys: list[int]) -> {type_}:"
    assert f"{typed.head}\n    return" in typed.code
    assert typed.stale == typed.code.replace("trapezoid", "trapz")
    assert [typed.code[a:b] for a, b in typed.names] == ["numpy", "trapezoid"]


@pytest.mark.parametrize(
    "change", [{"value": "DataFrame"}, {"head": "def area(ys: list[int]) -> float:"}]
)
def test_a_value_or_a_head_that_tells_nothing_new_changes_nothing(change: dict[str, str]) -> None:
    context = replace(_CONTEXT, **change)  # type: ignore[arg-type]

    assert with_result_type(context) == context
