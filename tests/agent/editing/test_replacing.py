from __future__ import annotations

from hypothesis import given, strategies as st

from agent.editing.replacing import Hunk, NotReplaced, Replaced, replace_hunks

TEXT = """\
class Cart:
    def total(self):
        return sum(self.prices)

    def count(self):
        return len(self.prices)
"""


def replaced(text: str, *hunks: tuple[str, str]) -> Replaced:
    result = replace_hunks(text, [Hunk(search=a, replace=b) for a, b in hunks])
    assert isinstance(result, Replaced), result
    return result


def refusal(text: str, search: str, replace: str = "x\n") -> str:
    result = replace_hunks(text, [Hunk(search=search, replace=replace)])
    assert isinstance(result, NotReplaced)
    return result.reason


def test_an_exact_block_is_replaced_and_nothing_else() -> None:
    result = replaced(TEXT, ("        return len(self.prices)\n", "        return 3\n"))
    assert result.text == TEXT.replace("return len(self.prices)", "return 3")
    assert result.notes == ()


def test_several_blocks_are_put_in_one_after_the_other() -> None:
    result = replaced(
        TEXT,
        ("        return sum(self.prices)\n", "        return 1\n"),
        ("        return 1\n\n    def count(self):\n", "        return 2\n\n    def size(self):\n"),
    )
    assert "return 2\n\n    def size(self)" in result.text


def test_a_block_with_another_indent_is_moved_to_that_of_the_file() -> None:
    result = replaced(
        TEXT,
        ("def count(self):\n    return len(self.prices)\n", "def count(self):\n    return 3\n"),
    )
    assert result.text.endswith("    def count(self):\n        return 3\n")
    assert "but for white space" in result.notes[0]


def test_the_only_place_that_is_nearly_the_same_is_taken_and_said() -> None:
    result = replaced(
        TEXT,
        ("    def total(self):\n        return sum(self.price)\n",
         "    def total(self):\n        return 0\n"),
    )  # fmt: skip
    assert "return 0" in result.text
    assert "nearly line 2" in result.notes[0]


def test_a_block_that_occurs_twice_is_refused() -> None:
    assert "occurs 2 times" in refusal("x = 1\ny = 2\nx = 1\n", "x = 1\n")
    assert "but for white space" in refusal(" x = 1\ny = 2\n  x = 1\n", "x = 1\n")


def test_two_places_that_are_nearly_the_same_are_refused() -> None:
    text = "value_one = compute(1)\n\nvalue_two = compute(2)\n"
    assert "several places" in refusal(text, "value_ono = compute(3)\n")


def test_a_block_that_is_not_there_is_refused() -> None:
    assert "does not occur" in refusal(TEXT, "def other():\n    pass\n")


def test_an_empty_search_makes_a_new_file_only() -> None:
    assert replaced("", ("", "x = 1\n")).text == "x = 1\n"
    assert "empty" in refusal(TEXT, "")
    assert "empty" in refusal(TEXT, "\n\n")


lines = st.lists(st.sampled_from(["a", "b", "  a", "c d", "", "x = 1"]), max_size=8)


@given(lines, lines, lines)
def test_it_never_raises_and_an_exact_block_that_occurs_once_is_always_found(
    before: list[str], search: list[str], after: list[str]
) -> None:
    text = "".join(f"{line}\n" for line in [*before, *search, *after])
    block = "".join(f"{line}\n" for line in search)
    result = replace_hunks(text, [Hunk(search=block, replace="NEW\n")])
    places = [
        start
        for start in range(len([*before, *search, *after]) - len(search) + 1)
        if [*before, *search, *after][start : start + len(search)] == search
    ]
    if any(line.strip() for line in search) and len(places) == 1:
        assert isinstance(result, Replaced)
        assert result.text == "".join(f"{line}\n" for line in [*before, "NEW", *after])
