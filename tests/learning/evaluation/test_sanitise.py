from __future__ import annotations

import ast

import pytest
from hypothesis import given, settings, strategies as st

from learning.evaluation.sanitise import raw_code, sanitised_code
from tests.growth import grows_linearly

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


PROBLEM = 'LIMIT = 9\n\n\ndef add(a, b):\n    """Add."""\n'
BODY = "    return a + b\n"


def works(code: str) -> bool:
    """Whether the code gives a function that adds."""
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - our own
    add = names["add"]
    assert callable(add)
    return bool(add(1, 2) == 3 and add(0, 0) == 0)


@pytest.mark.parametrize(
    "reply",
    [
        BODY,
        f"{BODY}```\nIt adds the numbers up.",
        f"{BODY}```\n\n```python\nprint(add(1, 2))\n```\n",
        f"{BODY}\n# Test\nassert add(1, 2) == 4\n",
        f"{BODY}\nThis isn't hard, is it?\n",
        f"```python\n{FUNCTION}```",
        f"Here it is:\n```python\n{PROBLEM}{BODY}```\nDone.",
        f'{BODY}```\nShorter:\n```python\ndef add(a, b):\n    """Add."""\n```',
        "    total = a + b\n    return total\n\n\ndef add_all(xs):\n    return sum(xs)\n",
    ],
)
def test_what_the_model_wrote_is_judged_and_never_the_stub(reply: str) -> None:
    assert works(PROBLEM + "\n\n" + sanitised_code(reply, "add", before=PROBLEM))


def test_a_completion_that_adds_nothing_comes_back_as_it_stands() -> None:
    reply = "```\nI cannot do that.\n```"
    assert sanitised_code(reply, "add", before=PROBLEM) == "I cannot do that.\n"


@pytest.mark.parametrize(
    "block",
    [
        'def add(a, b):\n    """Doc.\n    ```\n    add(1, 2)\n    ```\n    """\n    return a + b\n',
        "def add(a, b):\n    fence = '''\n```python\n'''\n    return a + b\n",
        "    def add(a, b):\n        return a + b\n",
        "def add(a, b):\r\n    return a + b\r\n",
    ],
)
@pytest.mark.parametrize(
    "frame", ["```python\n{}```\nDone.", "So:\n~~~py\n{}~~~\n", "````\n{}````"]
)
def test_a_block_ends_where_its_code_does(block: str, frame: str) -> None:
    assert works(sanitised_code(frame.format(block), "add"))


NEEDED = {
    "a table that is filled": "T = []\nT.append(0)\n\ndef add(a, b):\n    return a + b + T[0]\n",
    "a table filled by a loop": "T = {}\nfor i in range(9):\n    T[i] = i\n\ndef add(a, b):\n"
    "    return T[a] + T[b]\n",
    "a table filled by a function": "T = {}\n\ndef fill():\n    for i in range(9):\n        T[i] = i\n"
    "\nfill()\n\ndef add(a, b):\n    return T[a] + T[b]\n",
    "an import with a stand-in": "try:\n    import nope as m\nexcept ImportError:\n    m = None\n\n"
    "def add(a, b):\n    return a + b if m is None else 0\n",
    "a definition by a condition": "import sys\nif sys.version_info > (3,):\n    def inner(a, b):\n"
    "        return a + b\nelse:\n    inner = None\n\ndef add(a, b):\n    return inner(a, b)\n",
    "a decorator": "def half(f):\n    return lambda a, b: f(a, b) // 2\n\n@half\ndef add(a, b):\n"
    "    return 2 * (a + b)\n",
    "a wrapped function": "def half(f):\n    return lambda a, b: f(a, b) // 2\n\ndef add(a, b):\n"
    "    return 2 * (a + b)\n\nadd = half(add)\n",
    "a class and its parent": "class A:\n    zero = 0\n\nclass B(A):\n    pass\n\ndef add(a, b):\n"
    "    return a + b + B.zero\n",
    "an attribute set later": "class A:\n    pass\n\nA.zero = 0\n\ndef add(a, b):\n"
    "    return a + b + A.zero\n",
    "a global that a function sets": "def start():\n    global zero\n    zero = 0\n\nstart()\n\n"
    "def add(a, b):\n    return a + b + zero\n",
    "several names at once": "one, zero = 1, 0\n\ndef add(a, b):\n    return a + b + zero\n",
    "a walrus": "print(zero := 0)\n\ndef add(a, b):\n    return a + b + zero\n",
    "a lambda": "add = lambda a, b: a + b\n",
    "a name looked up as text": "def inner(a, b):\n    return a + b\n\ndef add(a, b):\n"
    "    return globals()['inner'](a, b)\n",
    "two statements on a line": "T = [1]; T.pop(); T.append(0)\n\ndef add(a, b):\n"
    "    return a + b + sum(T)\n",
    "a line separator in a text": "S = 'a\u2028b'\n\ndef add(a, b):\n    return a + b + len(S) - 3\n",
    "a later and better try": "def add(a, b):\n    pass\n\ndef add(a, b):\n    return a + b\n",
}


@pytest.mark.parametrize("source", NEEDED.values(), ids=NEEDED)
def test_statements_that_the_function_needs_stay(source: str) -> None:
    assert works(source), "as it stands"
    assert works(sanitised_code(f"```python\n{source}```", "add"))


DROPPED = {
    "an example of the same names": "a, b = input(), input()\nprint(add(a, b))\n",
    "its name taken for a result": "add = add(1, 2)\nprint(add)\n",
    "a table filled by calls of it": "T = {}\nfor i in range(3):\n    T[i] = add(i, input())\n",
    "a main guard": "if __name__ == '__main__':\n    raise SystemExit(3)\n",
    "tests": "import unittest\n\nclass TestAdd(unittest.TestCase):\n    def test(self):\n"
    "        assert add(1, 2) == 4\n\nunittest.main()\n",
}


@pytest.mark.parametrize("source", DROPPED.values(), ids=DROPPED)
def test_examples_are_left_out(source: str) -> None:
    code = sanitised_code(f"```python\n{FUNCTION}\n{source}```", "add")
    assert works(code)
    assert "input" not in code
    assert "SystemExit" not in code
    assert "unittest.main" not in code


def test_a_helper_in_another_block_is_found() -> None:
    helper = "from math import floor\n\ndef inner(a, b):\n    return floor(a + b)\n"
    function = "def add(a, b):\n    return inner(a, b)\n"
    reply = f"A helper:\n```python\n{helper}```\nand then:\n```python\n{function}```"
    assert works(sanitised_code(reply, "add"))


def test_a_stub_gives_way_to_the_whole_function() -> None:
    head = "The head:\n```python\ndef add(a, b):\n    ...\n```\n"
    assert works(sanitised_code(f"{head}Whole:\n```python\n{FUNCTION}```", "add"))


def test_a_draft_in_a_thought_is_no_answer() -> None:
    draft = "```python\ndef add(a, b):\n    return a - b\n```"
    assert works(sanitised_code(f"<think>{draft}</think>\n```python\n{FUNCTION}```", "add"))


def test_settings_of_a_library_stay() -> None:
    source = f"import sys\nsys.setrecursionlimit(10_000)\n{FUNCTION}"
    assert "setrecursionlimit(10_000)" in sanitised_code(source, "add")


@pytest.mark.parametrize("reply", ["", "```", "I cannot do that.", "```python\n```", "\x00"])
def test_what_is_no_code_comes_back_as_it_stands(reply: str) -> None:
    assert isinstance(sanitised_code(reply, "add"), str)


@settings(deadline=None)
@given(st.text(alphabet="`python\n def add(a):retun+()[]{}#'\"\\x", max_size=300))
def test_no_reply_breaks_it_and_what_is_found_parses(reply: str) -> None:
    code = sanitised_code(reply, "add")
    if "def add" in code and code != raw_code(reply):
        ast.parse(code)


@pytest.mark.parametrize("piece", ["x = (\n", "```python\n", "```\n", "a = 1\n"])
def test_long_garbage_takes_linear_time(piece: str) -> None:
    before = "def add(a, b):\n    pass\n"
    assert grows_linearly(lambda text: sanitised_code(text, "add"), piece, 180_000)
    assert grows_linearly(lambda text: sanitised_code(text, "add", before=before), piece, 180_000)
    assert grows_linearly(lambda text: sanitised_code(text + FUNCTION, "add"), piece, 180_000)
