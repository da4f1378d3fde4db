"""One definition of a file in another language: where it goes, and that every other byte stays."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings, strategies as st

from agent.context.outline import broken_line
from agent.editing.grafting import is_part_of, place_definitions
from agent.editing.units import ParsedSource

JAVASCRIPT = """\
#!/usr/bin/env node
import { readFile } from 'fs';

const LIMIT = 10;

/** The mean. */
export function mean(values) {
  return values.reduce((a, b) => a + b, 0) / values.length;   // never empty
}

export const scale = (values, by) => values.map((v) => v * by);


export class Stack {
    items = [];

    // puts one on top
    push(item) {
        this.items.push(item);
    }

    get size() {
        return this.items.length;
    }

    static of(...items) { return Object.assign(new Stack(), { items }); }
}

console.log(mean([1, 2]))  // ä
"""
TYPESCRIPT = """\
export interface Point { x: number; y: number }

export type Pair = [number, number];

export function norm(p: Point): number {
  return Math.hypot(p.x, p.y);
}

export class Shop {
  private prices: Map<string, number> = new Map();

  @logged
  price(name: string): number {
    return this.prices.get(name)!;
  }

  set(name: string, price: number): void {
    this.prices.set(name, price);
  }
}
"""
GO = """\
package stack

import (
\t"errors"
)

// ErrEmpty says that there is nothing.
var ErrEmpty = errors.New("empty")

// Stack holds numbers.
type Stack struct {
\titems []int
}

// Push puts one on top.
func (s *Stack) Push(item int) {
\ts.items = append(s.items, item)
}

func (s *Stack) Len() int { return len(s.items) }

func Sum(numbers []int) int {
\ttotal := 0
\tfor _, n := range numbers {
\t\ttotal += n
\t}
\treturn total
}
"""
RUST = """\
use std::collections::HashMap;

/// A shop.
#[derive(Debug)]
pub struct Shop {
    prices: HashMap<String, f64>,
}

impl Shop {
    pub fn new() -> Self {
        Shop { prices: HashMap::new() }
    }

    /// The price of one.
    #[inline]
    pub fn price(&self, name: &str) -> f64 {
        self.prices[name]
    }
}

pub fn total(prices: &[f64]) -> f64 {
    prices.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adds() {
        assert_eq!(total(&[1.0, 2.0]), 3.0);
    }
}
"""
JAVA = """\
package shop;

import java.util.List;

/** Sums. */
public class Sums extends Base {
    private final int limit = 10;

    @Override
    public int sum(List<Integer> numbers) {
        return numbers.stream().mapToInt(n -> n).sum();
    }

    public int sum(int a, int b) {
        return a + b;
    }

    int twice(int a) { return 2 * a; }
}
"""
C = """\
#include <stddef.h>
#define LIMIT 10

struct point { int x; int y; };

static int clamp(int value);

/* The sum. */
int sum(const int *values, size_t count) {
    int total = 0;
    for (size_t i = 0; i < count; i++) total += values[i];
    return total;
}

static int clamp(int value)
{
    return value > LIMIT ? LIMIT : value;
}
"""
CPP = """\
#ifndef SHOP_HPP
#define SHOP_HPP
#include <string>

namespace shop {

template <class T>
T larger(T a, T b) { return a > b ? a : b; }

class Basket : public Base {
public:
    int count() const { return count_; }
    void add(int n);
private:
    int count_ = 0;
};

void Basket::add(int n) {
    count_ += n;
}

}
#endif
"""
RUBY = """\
require 'set'

module Shop
  # Holds prices.
  class Basket < Base
    attr_reader :prices

    def initialize(prices)
      @prices = prices
    end

    # The sum.
    def total
      prices.sum
    end

    def empty? = prices.empty?

    private

    def secret
      1
    end
  end
end
"""
SOURCES = {
    "a.js": JAVASCRIPT, "a.ts": TYPESCRIPT, "a.go": GO, "a.rs": RUST, "A.java": JAVA, "a.c": C,
    "a.hpp": CPP, "a.rb": RUBY,
}  # fmt: skip
CHANGES = [
    ("a.js", "function mean(values) {\n  return 0;\n}\n", "function mean(values) {\n  return values.reduce((a, b) => a + b, 0) / values.length;   // never empty\n}", "function mean(values) {\n  return 0;\n}"),
    ("a.js", "const scale = (values, by) => [];\n", "const scale = (values, by) => values.map((v) => v * by);", "const scale = (values, by) => [];"),
    ("a.js", "push(item) {\n  return this.items.push(item);\n}\n", "push(item) {\n        this.items.push(item);\n    }", "push(item) {\n      return this.items.push(item);\n    }"),
    ("a.js", "class Stack {\n  get size() {\n    return 3;\n  }\n}\n", "        return this.items.length;\n    }", "      return 3;\n    }"),
    ("a.ts", "price(name: string): number {\n  return 0;\n}\n", "    return this.prices.get(name)!;", "    return 0;"),
    ("a.ts", "export type Pair = [number, string];\n", "[number, number]", "[number, string]"),
    ("a.go", "package stack\n\nfunc (s *Stack) Len() int { return 3 }\n", "{ return len(s.items) }", "{ return 3 }"),
    ("a.go", "// Push is new.\nfunc (s *Stack) Push(item int) {\n\tpanic(item)\n}\n", "// Push puts one on top.\nfunc (s *Stack) Push(item int) {\n\ts.items = append(s.items, item)\n", "// Push is new.\nfunc (s *Stack) Push(item int) {\n\tpanic(item)\n"),
    ("a.go", "type Stack struct {\n\titems []int\n\tmost int\n}\n", "\titems []int\n", "\titems []int\n\tmost int\n"),
    ("a.rs", "pub fn price(&self, name: &str) -> f64 {\n    0.0\n}\n", "        self.prices[name]\n", "        0.0\n"),
    ("a.rs", "impl Shop {\n    pub fn new() -> Self {\n        todo!()\n    }\n}\n", "        Shop { prices: HashMap::new() }\n", "        todo!()\n"),
    ("A.java", "public int sum(int a, int b) {\n    return a - b;\n}\n", "return a + b;", "return a - b;"),
    ("A.java", "public class Sums extends Base {\n    public int sum(List<Integer> numbers) {\n        return 1;\n    }\n}\n", "return numbers.stream().mapToInt(n -> n).sum();", "return 1;"),
    ("a.c", "static int clamp(int value)\n{\n    return value;\n}\n", "return value > LIMIT ? LIMIT : value;", "return value;"),
    ("a.c", "struct point { int x; int y; int z; };\n", "int y; }", "int y; int z; }"),
    ("a.hpp", "void Basket::add(int n) {\n    count_ -= n;\n}\n", "+= n", "-= n"),
    ("a.hpp", "int count() const { return 3; }\n", "return count_;", "return 3;"),
    ("a.rb", "def total\n  prices.sum.round\nend\n", "prices.sum\n", "prices.sum.round\n"),
    ("a.rb", "class Basket < Base\n  # The sum.\n  def total\n    0\n  end\nend\n", "prices.sum\n", "0\n"),
]  # fmt: skip


@pytest.mark.parametrize("path", SOURCES)
def test_every_definition_given_back_alone_leaves_every_byte_as_it_was(path: str) -> None:
    text = SOURCES[path]
    source = ParsedSource.of(path, text)
    assert source is not None
    every = list(source.every())
    assert len(every) >= 3
    for holders, unit in every:
        if holders and path == "a.hpp":
            continue  # a method without its class is told by its head alone
        start = source.data.rfind(b"\n", 0, unit.start) + 1
        block = source.data[start : unit.end].decode()
        of_class = holders[-1].name if holders else ""
        placed = place_definitions(path, text, f"{block}\n", of_class=of_class)
        assert placed is not None, block
        assert placed.text == text, block
        assert placed.added == ()


@pytest.mark.parametrize(("path", "block", "old", "new"), CHANGES)
def test_a_changed_definition_takes_its_place_and_nothing_else_changes(
    path: str, block: str, old: str, new: str
) -> None:
    text = SOURCES[path]
    assert text.count(old) == 1
    assert is_part_of(path, block, text)
    placed = place_definitions(path, text, block)
    assert placed is not None
    assert placed.text == text.replace(old, new)
    assert not broken_line(path, placed.text)


ADDED = [
    ("a.js", "function median(values) {\n  return 1;\n}\n", "", "}\n\nfunction median(values) {\n  return 1;\n}\n\nconsole.log"),
    ("a.js", "pop() {\n  return this.items.pop();\n}\n", "Stack", "{ items }); }\n\n    pop() {\n      return this.items.pop();\n    }\n}\n"),
    ("a.ts", "export function sum(a: number): number {\n  return a;\n}\n", "", "  }\n}\n\nexport function sum(a: number): number {\n  return a;\n}\n"),
    ("a.go", "func (s *Stack) Pop() int {\n\treturn 0\n}\n", "", "\treturn total\n}\n\nfunc (s *Stack) Pop() int {\n\treturn 0\n}\n"),
    ("a.rs", "pub fn mean(prices: &[f64]) -> f64 {\n    0.0\n}\n", "", "sum()\n}\n\npub fn mean(prices: &[f64]) -> f64 {\n    0.0\n}\n\n#[cfg(test)]"),
    ("a.rs", "pub fn len(&self) -> usize {\n    0\n}\n", "Shop", "    }\n\n    pub fn len(&self) -> usize {\n        0\n    }\n}\n\npub fn total"),
    ("a.rs", "#[test]\nfn adds_none() {\n    assert_eq!(total(&[]), 0.0);\n}\n", "", "    }\n\n    #[test]\n    fn adds_none() {\n        assert_eq!(total(&[]), 0.0);\n    }\n}\n"),
    ("A.java", "public int half(int a) {\n    return a / 2;\n}\n", "", "2 * a; }\n\n    public int half(int a) {\n        return a / 2;\n    }\n}\n"),
    ("a.c", "int mean(int a)\n{\n    return a;\n}\n", "", "value;\n}\n\nint mean(int a)\n{\n    return a;\n}\n"),
    ("a.hpp", "inline int one() { return 1; }\n", "", "+= n;\n}\n\ninline int one() { return 1; }\n\n}\n#endif\n"),
    ("a.rb", "def count\n  prices.size\nend\n", "", "empty?\n\n    def count\n      prices.size\n    end\n\n    private\n"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "block", "of_class", "there"), ADDED)
def test_a_new_definition_comes_behind_the_others_of_its_kind(
    path: str, block: str, of_class: str, there: str
) -> None:
    text = SOURCES[path]
    placed = place_definitions(path, text, block, of_class=of_class)
    assert placed is not None
    assert there in placed.text
    assert not broken_line(path, placed.text)
    assert is_grown(text, placed.text)


def is_grown(before: str, after: str) -> bool:
    """True if one run of characters was put in, and no other character changed."""
    grown = len(after) - len(before)
    return any(after[:at] + after[at + grown :] == before for at in range(len(before) + 1))


@pytest.mark.parametrize(
    ("path", "block"),
    [
        ("a.js", "function mean(values) {\n  return 0;\n}\n\nconsole.log(mean([]));\n"),
        ("a.js", "const LIMIT = 20;\nfunction mean(values) {\n  return 0;\n}\n"),
        ("a.js", "class Stack {\n  items = {};\n  push(item) {}\n}\n"),
        ("a.js", "class Stack extends Array {\n  push(item) {}\n}\n"),
        ("a.js", "function mean(values) {\n  return 0;\n"),
        ("a.js", "function push(item) {\n  return 0;\n}\n"),
        ("a.js", "function mean() {}\nfunction mean() {}\n"),
        ("a.go", "package other\n\nfunc Sum(numbers []int) int { return 0 }\n"),
        ("a.go", "type Stack struct {\n\tmost int\n}\n"),
        ("a.go", "type Sum struct {\n\tmost int\n}\n"),
        ("A.java", "public int sum(long a) {\n    return 1;\n}\n"),
        ("a.c", "struct point { int x; };\n"),
        ("a.hpp", "int larger(int a, int b) { return a; }\n"),
        ("a.rs", "pub struct Shop {\n    names: Vec<String>,\n}\n"),
    ],
)  # fmt: skip
def test_a_block_of_which_something_would_be_lost_is_not_put_in(path: str, block: str) -> None:
    assert place_definitions(path, SOURCES[path], block) is None


@pytest.mark.parametrize(
    ("path", "block", "there"),
    [
        ("a.js", "import { readFile, stat } from 'fs';\n\nfunction mean(v) {\n  return 0;\n}\n", "from 'fs';\nimport { stat } from 'fs';\n"),
        ("a.js", "import path from 'path';\n\nfunction mean(v) {\n  return 0;\n}\n", "from 'fs';\nimport path from 'path';\n"),
        ("a.go", 'import (\n\t"errors"\n\t"sort"\n)\n\nfunc Sum(n []int) int { return 0 }\n', ')\nimport "sort"\n'),
        ("A.java", "import java.util.Map;\n\npublic int half(int a) { return a / 2; }\n", "List;\nimport java.util.Map;\n"),
        ("a.rs", "use std::fmt;\n\npub fn total(prices: &[f64]) -> f64 {\n    0.0\n}\n", "HashMap;\nuse std::fmt;\n"),
        ("a.c", "#include <stddef.h>\n#include <math.h>\n\nint mean(int a) { return a; }\n", "<stddef.h>\n#include <math.h>\n"),
        ("a.rb", "require 'json'\n\ndef total\n  1\nend\n", "'set'\nrequire 'json'\n"),
    ],
)  # fmt: skip
def test_imports_that_the_file_lacks_come_along(path: str, block: str, there: str) -> None:
    placed = place_definitions(path, SOURCES[path], block)
    assert placed is not None
    assert there in placed.text


def test_a_longer_list_of_exports_takes_the_place_of_the_old_one() -> None:
    text = "function a() { return 1; }\n\nmodule.exports = { a };\n"
    placed = place_definitions("x.js", text, "function b() {}\n\nmodule.exports = { a, b };\n")
    assert placed is not None
    assert (
        placed.text
        == "function a() { return 1; }\n\nfunction b() {}\n\nmodule.exports = { a, b };\n"
    )
    assert place_definitions("x.js", text, "function b() {}\n\nmodule.exports = { b };\n") is None


def test_lines_of_a_text_literal_keep_their_white_space() -> None:
    text = "class A {\n    say() {\n        return 1;\n    }\n}\n"
    placed = place_definitions("a.js", text, "say() {\n  return `one\ntwo\n  three`;\n}\n")
    assert placed is not None
    assert "`one\ntwo\n  three`" in placed.text


def test_a_file_with_a_fault_elsewhere_keeps_it_and_gets_no_other() -> None:
    text = "int f(int a) { return a; }\n\nWEIRD(int) g( { }\n"
    placed = place_definitions("a.c", text, "int f(int a) { return 2; }\n")
    assert placed is None or placed.text == text.replace("return a", "return 2")


@pytest.mark.parametrize("path", ["a.py", "a.toml", "a.unknown"])
def test_python_and_what_has_no_grammar_is_left_to_others(path: str) -> None:
    assert place_definitions(path, "def f(): pass\n", "def f(): return 1\n") is None


@pytest.mark.parametrize("path", SOURCES)
def test_any_lines_of_a_file_given_back_leave_every_byte_as_it_was_or_are_not_taken(
    path: str,
) -> None:
    text = SOURCES[path]
    lines = text.splitlines(keepends=True)
    for first, last in itertools.combinations(range(len(lines) + 1), 2):
        placed = place_definitions(path, text, "".join(lines[first:last]))
        assert placed is None or placed.text == text, "".join(lines[first:last])


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_lines_a_block_has_no_definition_is_lost_and_no_fault_is_new(
    data: st.DataObject,
) -> None:
    path = data.draw(st.sampled_from(sorted(SOURCES)))
    text = SOURCES[path]
    lines = text.splitlines(keepends=True)
    first = data.draw(st.integers(0, len(lines) - 1))
    last = data.draw(st.integers(first + 1, len(lines)))
    block = [*lines[first:last]]
    if data.draw(st.booleans()):
        at = data.draw(st.integers(0, len(block) - 1))
        block[at] = block[at].replace("return", "return 7 +").replace("1", "2")
    placed = place_definitions(path, text, "".join(block))
    if placed is None:
        return
    old, new = ParsedSource.of(path, text), ParsedSource.of(path, placed.text)
    assert old is not None
    assert new is not None
    assert new.faults == 0
    assert [unit.name for _, unit in old.every()] == [unit.name for _, unit in new.every()]
    if "".join(block) in text:
        assert placed.text == text
