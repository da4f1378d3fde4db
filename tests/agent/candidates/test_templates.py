"""Small edits of a syntax tree: the right one is among them, and no other byte of the file changes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from agent.candidates.candidate import CandidateChange
from agent.candidates.templates import named_candidates, template_candidates
from agent.localisation.places import FaultPlace
from learning.records import Origin

ROOT = Path(__file__).resolve().parents[3]
MOVES = {
    "statements exchanged",
    "moved behind its block",
    "moved before its block",
    "moved into the block before it",
}
OWN = sorted((ROOT / "agent").rglob("*.py"))


def changed(source: str, line: int, *messages: str, **others: str) -> tuple[CandidateChange, ...]:
    files = {"a.py": source, **{f"{name}.py": text for name, text in others.items()}}
    place = FaultPlace(path="a.py", line=line, end_line=line, score=1.0)
    named = named_candidates([place], list(files), files.get, messages=messages)
    usual, rare = (template_candidates([place], files.get, rare=kind) for kind in (False, True))
    return (*named, *usual, *rare)


@pytest.mark.parametrize(
    ("broken", "line", "right"),
    [
        ("def f(a, b):\n    return a < b\n", 2, "def f(a, b):\n    return a <= b\n"),
        ("def f(a, b):\n    return a - b\n", 2, "def f(a, b):\n    return a + b\n"),
        ("def f(a, b):\n    return b / a\n", 2, "def f(a, b):\n    return a / b\n"),
        ("def f(a):\n    a = a + 1\n", 2, "def f(a):\n    a = a + 1\n    return a\n"),
        ("def f(a):\n    sorted(a)\n", 2, "def f(a):\n    return sorted(a)\n"),
        ("def f(a):\n    if a:\n        pass\n", 2, "def f(a):\n    if not a:\n        pass\n"),
        ("def f(a):\n    x, y = a\n    return (x,)\n", 3, None),
        ("def f(x, y, z):\n    return x, y\n", 2, "def f(x, y, z):\n    return x, y, z\n"),
        ("def f(a):\n    return a[:3]\n", 2, "def f(a):\n    return a[:4]\n"),
        ("def f(a):\n    return len(a)\n", 2, "def f(a):\n    return len(a) - 1\n"),
        ("def f(a):\n    return a.lower()\n", 2, "def f(a):\n    return a.upper()\n"),
        ("def f(a):\n    return a\n", 2, "def f(a):\n    return a.lower()\n"),
        ("def f(a, b):\n    return a - b\n", 2, "def f(a, b):\n    return abs(a - b)\n"),
        ("def f(a):\n    return [x for x in a]\n", 2, "def f(a):\n    return [str(x) for x in a]\n"),
        ("def f(a):\n    return a.lower()\n", 2, "def f(a):\n    return a\n"),
        ("def f(a):\n    return ', '.join(a)\n", 2, "def f(a):\n    return ', '.join(a[:-1])\n"),
        ("def f(n):\n    n = n * 2\n    return n\n", 3, "def f(n):\n    n = n * 2\n    n -= 1\n    return n\n"),
        ("def f(n):\n    if n:\n        n = 2\n", 3, "def f(n):\n    if n:\n        n = 2\n        n += 1\n"),
        ("def f(xs):\n    for x in xs:\n        g(x)\n", 3, "def f(xs):\n    for x in xs:\n        g(x)\n        break\n"),
        ("def f(a):\n    b = g(a)\n    if b:\n        return b\n", 3, "def f(a):\n    b = g(a)\n    b = g(a)\n    if b:\n        return b\n"),
        ("def f(a):\n    b = 'no'\n    return a in ('yes',)\n", 3, "def f(a):\n    b = 'no'\n    return a in ('yes', 'no',)\n"),
        ("def f(a):\n    return abs(a)\n", 2, "def f(a):\n    return a\n"),
        ("def f(d, i, j):\n    return d[i - 1, j]\n", 2, "def f(d, i, j):\n    return d[i - 1, j - 1]\n"),
        ("def f(a, n):\n    return f(a, a)\n", 2, "def f(a, n):\n    return f(a, a - n)\n"),
        ("def f(a, x, y):\n    a.append(x)\n    g()\n", 3, "def f(a, x, y):\n    a.append(x)\n    a.append(y)\n    g()\n"),
        ("def f(a, b):\n    return g(b, a)\n", 2, "def f(a, b):\n    return g(a, b)\n"),
        ("def f(a, b, c):\n    g(b, c, a)\n", 2, "def f(a, b, c):\n    g(a, b, c)\n"),
        ("def f(s):\n    a, b = s.split('=')\n", 2, "def f(s):\n    a, b = s.split('=', 1)\n"),
        ("def g(x):\n    return x\n\n\ndef f(a):\n    return C(x.y for x in a).m(3)\n", 6,
         "def g(x):\n    return x\n\n\ndef f(a):\n    return C(g(x.y) for x in a).m(3)\n"),
        ("MOVES = {\n    A: {B, C},\n}\n", 2, None),
        ("M = {A: {B, C}, B: {D}}\n", 1, "M = {A: {B}, B: {D}}\n"),
        ("async def f(a):\n    return g(a)\n", 2, "async def f(a):\n    return await g(a)\n"),
        ("def f(a):\n    while a:\n        break\n", 3, "def f(a):\n    while a:\n        continue\n"),
        ("def f(a, b):\n    return a and b\n", 2, "def f(a, b):\n    return a or b\n"),
        ("def f(s):\n    return r.sub(r'\\3', s)\n", 2, "def f(s):\n    return r.sub(r'\\4', s)\n"),
        ("def f(s, n):\n    return '{:<%d}' % n\n", 2, "def f(s, n):\n    return '{:>%d}' % n\n"),
        ("def f(s):\n    return f'{s:<8}'\n", 2, "def f(s):\n    return f'{s:>8}'\n"),
        ("def f(s):\n    return m(rb'^\\w+$', s)\n", 2, "def f(s):\n    return m(rb'^\\d+$', s)\n"),
        ("def f(s):\n    return m('[a]+', s)\n", 2, "def f(s):\n    return m('^[a]+', s)\n"),
        ("def f(s):\n    return m('(.+) x', s)\n", 2, "def f(s):\n    return m('(.+?) x', s)\n"),
        ("def f(t):\n    return t.strftime('%m')\n", 2, "def f(t):\n    return t.strftime('%M')\n"),
        ("def f(n):\n    return '+' + str(n)\n", 2, "def f(n):\n    return '-' + str(n)\n"),
        ("def f(a, b):\n    b = a\n    return b\n", 2, "def f(a, b):\n    a = b\n    return b\n"),
        ("def f(a, b):\n    b = 1\n    return a\n", 2, "def f(a, b):\n    a = 1\n    return a\n"),
        ("def f(a):\n    b = a\n    a = 1\n    return b\n", 2, "def f(a):\n    a = 1\n    b = a\n    return b\n"),
        ("def f(a):\n    for x in a:\n        b = x\n        g(b)\n", 4, "def f(a):\n    for x in a:\n        b = x\n    g(b)\n"),
        ("def f(a):\n    if a:\n        a = g(a)\n        h(a)\n", 3, "def f(a):\n    a = g(a)\n    if a:\n        h(a)\n"),
        ("def f(a):\n    for x in a:\n        g(x)\n    h(x)\n", 4, "def f(a):\n    for x in a:\n        g(x)\n        h(x)\n"),
        ("def f(n):\n    n -= 1\n    return True\n", 3, "def f(n):\n    n -= 1\n    return not n\n"),
        ("def f(n):\n    while True:\n        n -= 1\n", 2, "def f(n):\n    while n:\n        n -= 1\n"),
        ("def f(a):\n    return len(a) == 0\n", 2, "def f(a):\n    return len(a) <= 1\n"),
        ("def f(a):\n    return a in (3, 5)\n", 2, "def f(a):\n    return a in (3, 5, 7)\n"),
        ("def f(a):\n    return []\n", 2, "def f(a):\n    return [[]]\n"),
        ("def f(a):\n    m = 0\n    m = a\n    return m\n", 3, "def f(a):\n    m = 0\n    m = max(m, a)\n    return m\n"),
        ("def f(a):\n    c = []\n    for x in a:\n        d.append(x)\n    return d\n", 5, "def f(a):\n    c = []\n    for x in a:\n        d.append(x)\n    d.append(c)\n    return d\n"),
        ("class C:\n    def f(self, a):\n        self.s = 1\n        return a + g(a)\n", 4, "class C:\n    def f(self, a):\n        self.s = 1\n        return a + self.s + g(a)\n"),
        ("def f(h, m):\n    return h * 60 + m\n", 2, "def f(h, m):\n    return h * 60 + m * 60\n"),
        ("def f(h, m):\n    if m > 59:\n        m = 0\n    return h + m\n", 4, "def f(h, m):\n    if m > 59:\n        m = 0\n    return h * 59 + m\n"),
        ("def f(a, b):\n    if a < 0:\n        return 0\n", 2, "def f(a, b):\n    if a < 0 or not b:\n        return 0\n"),
        ("def f(a):\n    x = '=' * 2\n    return g(a)\n", 3, "def f(a):\n    x = '=' * 2\n    return g(a).rstrip('=')\n"),
        ("def f(a):\n    b = a.split(',')\n    return a\n", 3, "def f(a):\n    b = a.split(',')\n    return a.split(',')\n"),
        ("LIMIT = 9\n", 1, "LIMIT = 10\n"),
        ("FLAG = True\n", 1, "FLAG = False\n"),
        ('def f(a, mark=";"):\n    pass\n', 1, 'def f(a, mark=","):\n    pass\n'),
    ],
)  # fmt: skip
def test_the_repair_is_among_the_changes(broken: str, line: int, right: str | None) -> None:
    texts = [candidate.after for candidate in changed(broken, line)]
    assert right is None or right in texts
    assert all(text != broken for text in texts)


def test_no_key_of_a_dict_becomes_another_one_of_it() -> None:
    source = "M = {S.a: {S.b}, S.b: {S.c}, S.c: set()}\n"
    texts = {change.after for change in changed(source, 1)}
    assert "M = {S.a: {S.c}, S.b: {S.c}, S.c: set()}\n" in texts
    assert not any(text.count("S.a: ") == 2 or text.count("S.b: ") == 2 for text in texts)


@pytest.mark.parametrize(
    "source",
    [
        "def g(x):\n    return x\n\n\nB = g(1)\n\n\ndef f(a):\n    return h(a)\n",  # used already
        "def g(x, y):\n    return x\n\n\ndef f(a):\n    return h(a)\n",  # wants two
    ],
)
def test_only_an_idle_function_of_one_argument_is_put_around_a_value(source: str) -> None:
    line = source.count("\n")
    usual = template_candidates(
        [FaultPlace(path="a.py", line=line, end_line=line, score=1.0)], {"a.py": source}.get
    )
    assert not [change for change in usual if "g(a)" in change.after or "g(h(a))" in change.after]


@pytest.mark.parametrize("number", ["9" * 332, "0x" + "f" * 5000, "1e400", "1e308"])
@pytest.mark.parametrize("line", ["a * {}", "len(a) == {}", "(1, {})", "[{}, 1]", "{}"])
def test_a_huge_number_is_neither_varied_nor_put_elsewhere(number: str, line: str) -> None:
    source = f"def f(a):\n    return {line.format(number)}\n\n\ndef g(a):\n    return a + 3\n"
    assert changed(source, 2)
    assert all(c.after.count(number) == 1 for c in changed(source, 6))


def test_a_missing_import_comes_first_as_the_project_writes_it() -> None:
    source = '"""Doc."""\n\nfrom __future__ import annotations\n\n\ndef f():\n    return dt.now()\n'
    message = "NameError: name 'dt' is not defined"
    first = changed(source, 7, message, b="from datetime import datetime as dt\n")[0]
    assert first.kind == "from datetime import datetime as dt"
    assert first.after.startswith(
        '"""Doc."""\n\nfrom __future__ import annotations\nfrom datetime import datetime as dt\n'
    )


def test_a_name_that_another_module_defines_is_imported_from_there() -> None:
    message = "NameError: name 'fill' is not defined"
    kinds = [
        c.kind for c in changed("def f():\n    fill()\n", 2, message, b="def fill():\n    1\n")
    ]
    assert kinds[:2] == ["from b import fill", "from .b import fill"]


def test_who_takes_something_out_comes_after_who_changes_it() -> None:
    costs = {c.kind: c.cost for c in changed("def f(a, b):\n    return a - b\n", 2)}
    assert costs["- to +"] < costs["right side left out"]


PAIR = "def f(a, b):\n    return a < 30\n\n\ndef g(a, b):\n    return a > b\n"


def test_usual_kinds_at_a_later_place_come_before_unusual_ones_at_the_first() -> None:
    places = [
        FaultPlace(path="a.py", line=line, end_line=line, score=score)
        for line, score in ((2, 0.9), (6, 0.8))
    ]
    kinds = [(c.line, c.kind) for c in template_candidates(places, {"a.py": PAIR}.get)]
    assert kinds.index((2, "< to <=")) < kinds.index((6, "> to >="))
    assert kinds.index((6, "> to >=")) < kinds.index((2, "30 to 64"))


def test_what_was_tried_in_vain_takes_turns_with_all_others() -> None:
    place = FaultPlace(path="a.py", line=2, end_line=2, score=1.0)
    every = template_candidates([place], {"a.py": PAIR}.get)
    later = {hash((c.path, c.after)) for c in every[:3]}
    anew = template_candidates([place], {"a.py": PAIR}.get, later=later)
    first = (every[3], every[0], every[4], every[1], every[5], every[2])
    assert anew == (*first, *every[6:])
    fewer = template_candidates([place], {"a.py": PAIR}.get, later=later, most=2)
    assert fewer == first[:2]


def test_a_long_text_gives_few_changes_of_single_characters() -> None:
    texts = ["[a-z]+" * 15, "one + two - three < four"]
    for text in texts:
        kinds = [c.kind for c in changed(f"def f(a):\n    return g({text!r})\n", 2)]
        assert sum(kind.startswith("'") for kind in kinds) <= 40


def test_no_text_gets_an_escape_that_python_does_not_know() -> None:
    plain = changed("def f(a):\n    return a in {'[...]', '[a-z]+.'}\n", 2)
    assert not any("\\." in c.after for c in plain)
    raw = changed("def f(a):\n    return re.match(r'[a-z]+.', a)\n", 2)
    assert any("r'[a-z]+\\.'" in c.after for c in raw)


@pytest.mark.parametrize(
    "source",
    [
        "def f(a):\n    if a:\n        x = 1\n        # why\n        y = 2\n    return x\n",
        "def f(a):\n    for b in a:\n        x = b\n    # why\n    y = 2\n    return y\n",
    ],
)
def test_no_statement_moves_over_a_comment_that_would_be_lost(source: str) -> None:
    for line in range(2, 7):
        for candidate in changed(source, line):
            assert candidate.kind not in MOVES or "# why" in candidate.after, candidate.kind


@pytest.mark.parametrize("source", ["def f(:\n", "x = 1\fy = 2\n", "x = 1\ry = 2\r", ""])
def test_a_file_that_cannot_be_cut_into_spans_gives_no_change(source: str) -> None:
    assert changed(source, 1) == ()


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(OWN), st.integers(0, 10_000))
def test_every_change_of_real_code_is_python_and_leaves_all_other_lines_alone(
    path: Path, seed: int
) -> None:
    source = path.read_text("utf-8")
    statements = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
    statement = statements[seed % len(statements)]
    last = statement.end_lineno or statement.lineno
    head = source.splitlines()[: statement.lineno - 1]
    tail = source.splitlines()[last:]
    for candidate in changed(source, statement.lineno):
        ast.parse(candidate.after)
        lines = candidate.after.splitlines()
        if candidate.kind in MOVES:
            assert sorted(map(str.strip, lines)) == sorted(map(str.strip, source.splitlines()))
            continue
        assert lines[: len(head)] == head
        assert lines[len(lines) - len(tail) :] == tail
        assert candidate.origin is Origin.TEMPLATE
