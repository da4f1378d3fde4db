from __future__ import annotations

import pytest
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


@pytest.mark.parametrize(
    ("line", "search"),
    [
        ("RETRY_TIMEOUT_A = 30", "RETRY_TIMEOUT_B = 30"),
        ("if not user.is_admin:", "if user.is_admin:"),
        ("total += price", "total -= price"),
        ("total += price", "total = +price"),
        ("return a - -b", "return a--b"),
        ("url = 'https://eu.x.org'", "url = 'https://us.x.org'"),
        ("name = 'a  b'", "name = 'a b'"),
        ("x = 10", "x = 1 0"),
        ("x = 1.0", "x = 1"),
        ("x = 0x10", "x = 10"),
        ("path = r'a\\n'", "path = 'a\\n'"),
        ("data = b'x'", "data = 'x'"),
        ("x is not y", "x is y"),
        ("ab = 1", "a b = 1"),
        ("f(x, y)", "f(x y)"),
        ("x = 'it\\'s'", "x = 'its'"),
        ("x = 1  # y = 2", "x = 1; y = 2"),
        ("# x = 1", "x = 1"),
        ("x = '#1'", "x = '#2'"),
    ],
)
@pytest.mark.parametrize("path", ["conf.py", "conf.js", "conf.sh", "conf"])
def test_a_place_that_says_something_else_is_another_place(
    line: str, search: str, path: str
) -> None:
    text = f"first = 1\n{line}\nlast = 2\n"
    found = replace_hunks(text, [Hunk(search=f"{search}\n", replace="x\n")], path=path)
    assert isinstance(found, NotReplaced)
    assert "does not occur" in found.reason


@pytest.mark.parametrize(
    ("line", "search", "path"),
    [
        ("x = f( 'a',b )", 'x = f("a", b)', "conf.py"),
        ("x=-1", "x = -1", "conf.py"),
        ("x = 1  # why", "x = 1", "conf.py"),
        ("x = 1  # one reason", "x = 1  # another reason", "conf.py"),
        ("let x = f('a' ,b);  // why", 'let x = f("a", b);', "conf.ts"),
        ("  int x=1;", "int x = 1;", "conf.c"),
        ("\techo one", "echo one", "conf.sh"),
        ("key: one   ", "key: one", "conf.yaml"),
    ],
)
def test_white_space_quotes_and_comments_may_differ_and_it_is_said(
    line: str, search: str, path: str
) -> None:
    found = replace_hunks(
        f"first = 1\n{line}\nlast = 2\n", [Hunk(search=f"{search}\n", replace="x\n")], path=path
    )
    assert isinstance(found, Replaced)
    assert found.text.split() == ["first", "=", "1", "x", "last", "=", "2"]
    assert "line 2 but for white space, quotes or comments" in found.notes[0]


@pytest.mark.parametrize(
    ("text", "search", "path"),
    [
        ("a:\n  b: 1\n", "b: 1\n", "conf.yaml"),
        ("all:\n\techo\n", "    echo\n", "Makefile"),
        ("echo '$x'\n", 'echo "$x"\n', "run.sh"),
        ("char c = 'a';\n", 'char c = "a";\n', "run.c"),
        ("x = `a  b`\n", "x = `a b`\n", "run.js"),
        ("x = /a  b/\n", "x = /a b/\n", "run.js"),
        ("return /a  b/\n", "return /a b/\n", "run.js"),
        ("<p>a // b</p>\n", "<p>a // c</p>\n", "run.tsx"),
        ("see https://x/a\n", "see https://x/b\n", "run.tsx"),
        ("a { b: url(//x/a.png) }\n", "a { b: url(//x/b.png) }\n", "run.css"),
        ("#define A (1)\n", "#define A(1)\n", "run.h"),
        ('"""\n  a  b\n"""\n', '"""\n  a b\n"""\n', "run.py"),
        ("- a\n  - b\n", "- b\n", "run.md"),
        ('x = f"""\n  a  {b}  c\n"""\n', 'x = f"""\n  a {b}  c\n"""\n', "run.py"),
    ],
)
def test_white_space_and_quotes_that_mean_something_may_not_differ(
    text: str, search: str, path: str
) -> None:
    found = replace_hunks(text, [Hunk(search=search, replace="x\n")], path=path)
    assert isinstance(found, NotReplaced)


@pytest.mark.parametrize("path", ["a.py", "a.js"])
def test_a_block_of_comments_alone_is_found_only_as_it_stands(path: str) -> None:
    mark = "#" if path == "a.py" else "//"
    text = f"{mark} one\ny = 1\n"
    hunk = Hunk(search=f"{mark} other\n\n", replace="x\n")
    assert isinstance(replace_hunks(text, [hunk], path=path), NotReplaced)
    assert replace_hunks(text, [Hunk(search=f"{mark} one\n", replace="")], path=path) == Replaced(
        text="y = 1\n"
    )


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.js", "a = `\n  x  y\n`;\n"),
        ("A.java", 'a = """\n  x  y\n  """;\n'),
        ("a.go", "a := `\nx  y`\n"),
        ("a.rs", 'a = r#"\n  x  y\n"#;\n'),
        ("a.cpp", 'a = R"(\n  x  y\n)";\n'),
    ],
)
def test_white_space_within_a_text_over_several_lines_may_not_differ(path: str, text: str) -> None:
    hunk = Hunk(search="  x y\n", replace="z\n")
    assert isinstance(replace_hunks(text, [hunk], path=path), NotReplaced)


def test_a_file_without_a_last_line_end_keeps_none_and_one_with_blank_lines_keeps_them() -> None:
    assert replaced("a\nb", ("a\n", "c\n")).text == "c\nb"
    assert replaced("a\nb", ("b\n", "c\n")).text == "a\nc"
    assert replaced("\n\na\nb\n\n\n", ("a\n", "c\n")).text == "\n\nc\nb\n\n\n"


def test_a_block_that_occurs_twice_is_refused() -> None:
    assert "occurs 2 times" in refusal("x = 1\ny = 2\nx = 1\n", "x = 1\n")
    assert "but for white space" in refusal(" x = 1\ny = 2\n  x = 1\n", "x = 1\n")


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
