from __future__ import annotations

import ast
import time

import pytest
from hypothesis import given, settings, strategies as st

from learning.evaluation.sanitise import raw_code, sanitised_code

FUNCTION = "def add(a, b):\n    return a + b\n"


def test_the_first_block_is_taken_as_it_stands() -> None:
    reply = f"Here:\n```python\n{FUNCTION}print(add(1, 2))\n```\nand\n```\nother\n```"
    assert raw_code(reply) == f"{FUNCTION}print(add(1, 2))\n"


def test_a_block_that_was_never_closed_is_still_a_block() -> None:
    assert raw_code(f"```python\n{FUNCTION}") == FUNCTION


def test_a_reply_without_blocks_is_code_as_a_whole() -> None:
    assert raw_code(FUNCTION) == FUNCTION


def test_only_what_the_function_needs_is_kept() -> None:
    reply = (
        "Sure!\n```python\nimport math\n\nLIMIT = 3\nunused = 4\n\n"
        "def helper(x):\n    return min(x, LIMIT)\n\n"
        "@staticmethod\ndef add(a, b):\n    return helper(a) + b\n\n"
        "def other():\n    return 1\n\nprint(add(1, 2))\nassert add(1, 1) == 2\n"
        "if __name__ == '__main__':\n    import sys\n    sys.exit(0)\n```\nDone."
    )
    code = sanitised_code(reply, "add")
    assert "@staticmethod" in code
    assert "LIMIT = 3" in code
    assert "import math" in code
    for gone in ("unused", "other", "print", "assert", "sys.exit"):
        assert gone not in code


def test_the_block_that_defines_the_function_wins() -> None:
    reply = f"First\n```python\nx = 1\n```\nthen\n```python\n{FUNCTION}```"
    assert "def add" in sanitised_code(reply, "add")


def test_text_around_code_without_fences_is_cut_off() -> None:
    reply = f"Here is the function you asked for:\n\n{FUNCTION}\nThis function adds two numbers."
    assert sanitised_code(reply, "add").strip() == FUNCTION.strip()


def test_a_reply_cut_in_the_middle_keeps_its_whole_functions() -> None:
    reply = f"```python\n{FUNCTION}\ndef more(a):\n    return [a,"
    assert sanitised_code(reply, "add").strip() == FUNCTION.strip()


def test_a_raw_completion_is_read_together_with_its_problem() -> None:
    problem = 'def add(a, b):\n    """Add."""\n'
    code = sanitised_code("    return a + b\n\nprint(add(1, 2)", "add", before=problem)
    assert code.strip() == 'def add(a, b):\n    """Add."""\n    return a + b'


@pytest.mark.parametrize("reply", ["", "```", "I cannot do that.", "```python\n```", "\x00"])
def test_what_is_no_code_comes_back_as_it_stands(reply: str) -> None:
    assert isinstance(sanitised_code(reply, "add"), str)


@settings(deadline=None)
@given(st.text(alphabet="`python\n def add(a):retun+()[]{}#'\"\\x", max_size=300))
def test_no_reply_breaks_it_and_what_is_found_parses(reply: str) -> None:
    code = sanitised_code(reply, "add")
    if "def add" in code and code != raw_code(reply):
        ast.parse(code)


def test_it_takes_linear_time_on_long_garbage() -> None:
    started = time.perf_counter()
    sanitised_code("x = (\n" * 30_000, "add")
    sanitised_code("```python\n" * 20_000, "add")
    assert time.perf_counter() - started < 5
