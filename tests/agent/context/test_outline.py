from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from agent.context.outline import MAX_BYTES, outline

SOURCES = {
    "a.py": "@wrap\nclass A(B):\n    async def f(self, x: int = 1) -> str:\n        return ''\n",
    "a.go": "package a\n\ntype T struct {\n\tX int\n}\n\nfunc (t *T) Foo(a int) error {\n\treturn nil\n}\n",
    "a.rs": "impl S {\n    pub fn new(x: i32) -> Self { S { x } }\n}\n",
    "A.java": "class A {\n  int f(int x) { return 1; }\n}\n",
    "a.c": "static int foo(int a,\n               int b) { return a; }\nstruct P p;\n",
    "a.hpp": "namespace n {\nclass K : public B {\n  int z() { return 1; }\n};\n}\n",
    "a.rb": "module M\n  class C\n    def m(a)\n    end\n  end\nend\n",
    "a.ts": "export class C<T> extends D { private m(x: T): void {} }\n",
    "a.js": "export const f = (a, b) => a + b\nfunction g() {}\n",
}
EXPECTED = {
    "a.py": [(0, "class A(B)"), (1, "async def f(self, x: int = 1) -> str")],
    "a.go": [(0, "T struct"), (0, "func (t *T) Foo(a int) error")],
    "a.rs": [(0, "impl S"), (1, "pub fn new(x: i32) -> Self")],
    "A.java": [(0, "class A"), (1, "int f(int x)")],
    "a.c": [(0, "static int foo(int a, int b)")],
    "a.hpp": [(0, "namespace n"), (1, "class K : public B"), (2, "int z()")],
    "a.rb": [(0, "module M"), (1, "class C"), (2, "def m(a)")],
    "a.ts": [(0, "class C<T> extends D"), (1, "private m(x: T): void")],
    "a.js": [(0, "const f = (a, b)"), (0, "function g()")],
}


@pytest.mark.parametrize("path", SOURCES)
def test_definitions_are_found_in_many_languages(path: str) -> None:
    found = outline(path, SOURCES[path])
    assert found is not None
    assert [(item.depth, item.signature) for item in found.definitions] == EXPECTED[path]


def test_prose_and_huge_files_have_no_outline() -> None:
    assert outline("a.md", "# def f\n") is None
    assert outline("a.py", "x = 1\n" * MAX_BYTES) is None


def test_a_signature_is_one_short_line() -> None:
    found = outline("a.py", f"def f({', '.join(f'a{n}' for n in range(200))}):\n    pass\n")
    assert found is not None
    (definition,) = found.definitions
    assert definition.signature.endswith("[...]")
    assert len(definition.signature) < 200


def test_deeply_nested_code_does_not_exhaust_the_stack() -> None:
    assert outline("a.js", "{" * 20_000) is not None
    assert outline("a.py", "x = " + "(" * 20_000) is not None


@settings(max_examples=50)
@given(st.sampled_from(sorted(SOURCES)), st.text(max_size=200))
def test_any_text_can_be_outlined(path: str, text: str) -> None:
    assert outline(path, text) is not None
