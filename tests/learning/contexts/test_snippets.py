"""Functions made of examples, and other forms of them."""

from __future__ import annotations

import ast
from itertools import islice

from learning.contexts.snippets import Snippet, snippets_of
from learning.contexts.variations import converted, variations

EXAMPLE = [
    "import math",
    "from numpy.testing import assert_equal, assert_allclose",
    "values = [1, 2, 3]",
    "values = [4, 5]",
    "noise = math.pi",
    "assert_equal(values, [4, 5])",
    "frame = Frame({'a': values, 'b': [7, 8]})",
    "frame.add(1)",
    "frame.show()",
    "frame.cum_sum('a')",
    "assert frame.cum_sum('b') == 3",
    "for each in frame: each.cum_sum()",
]


def uses(tree: ast.AST) -> bool:
    return any(isinstance(n, ast.Attribute) and n.attr == "cum_sum" for n in ast.walk(tree))


def found() -> list[Snippet]:
    return list(snippets_of(EXAMPLE, uses, function="compute"))


def test_a_function_has_the_lines_that_its_result_needs_and_takes_the_data() -> None:
    first, second = found()
    assert first.source == (
        "def compute(values: list[int]):\n"
        "    frame = Frame({'a': values, 'b': [7, 8]})\n"
        "    frame.add(1)\n"
        "    return frame.cum_sum('a')\n"
    )
    assert (first.call, first.head) == ("compute([4, 5])", "def compute(values: list[int]):")
    assert second.result == "frame.cum_sum('b')"


def test_a_loop_is_no_result_and_text_that_is_no_python_is_passed_over() -> None:
    assert len(found()) == 2
    assert list(snippets_of(["(", *EXAMPLE[-1:]], uses, function="compute")) == []


def test_imports_keep_only_the_names_that_are_needed() -> None:
    lines = ["from lib import Frame, other", "Frame([3]).cum_sum()"]
    (only,) = snippets_of(lines, uses, function="compute")
    assert only.source.startswith("from lib import Frame\n\ndef compute(")


def test_variations_change_names_texts_and_numbers_and_never_the_api() -> None:
    snippet = found()[0]
    forms = list(islice(variations(snippet, seed=0, fixed=frozenset()), 8))
    assert forms == list(islice(variations(snippet, seed=0, fixed=frozenset()), 8))
    assert len({form.source for form in forms}) == 8
    for form in forms:
        assert ".cum_sum(" in form.source
        assert form.call.startswith(f"{form.function}(")
        column = form.source.split("cum_sum('")[1].split("'")[0]
        assert f"{{'{column}': " in form.source, "the same text wherever it stands"


def test_a_text_that_is_only_an_argument_says_what_is_to_be_done_and_stays() -> None:
    lines = ["Frame([3]).cum_sum(how='down')"]
    (only,) = snippets_of(lines, uses, function="compute")
    assert "how='down'" in next(variations(only, seed=1, fixed=frozenset())).source


def test_a_result_is_converted_to_plain_python() -> None:
    lines = ["Frame([3]).cum_sum() + 1"]
    (only,) = snippets_of(lines, uses, function="compute")
    assert converted(only, "tolist").source.endswith(
        "return (Frame(values).cum_sum() + 1).tolist()\n"
    )
    assert converted(found()[0], "tolist").source.endswith("frame.cum_sum('a').tolist()\n")
