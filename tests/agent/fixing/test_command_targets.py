"""A test command has no frames: the files come from what it prints, and the model is told the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.editing.source_files import is_test_path
from agent.fixing.context import build_fix_messages
from agent.fixing.sources import Sources
from agent.fixing.targets import FailingTest, choose_targets
from agent.testing.failures import evidence_of
from sandbox.verdict.report import TestOutcome, TestResult
from tests.growth import grows_linearly

_FILES = {
    "add.c": "int add(int a, int b) { return a - b; }\n",
    "add.h": "int add(int a, int b);\n",
    "main.c": "int main(void) { return 0; }\n",
    "print.c": "void show(int n) { }\n",
    "test.c": '#include "add.h"\nint main(void) { return add(1, 2) != 3; }\n',
    "Makefile": "check: test\n\t./test\n",
}


def _red(detail: str) -> TestResult:
    return TestResult(
        id="make check", outcome=TestOutcome.FAILED, message="exit code 2", detail=detail
    )


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for path, text in _FILES.items():
        (tmp_path / path).write_text(text)
    return Sources(tmp_path, list(_FILES))


@pytest.mark.parametrize(
    ("output", "targets"),
    [
        ("add.c:1:31: error: expected ';'", ("add.c",)),
        ("/box/add.c: In function 'add'", ("add.c",)),
        ("add.h:1: error, from add.c", ("add.c", "add.h")),
        ("test.c: add(1, 2) is -1, not 3", ("add.c", "add.h")),
        (
            "cc -o test add.c main.c print.c\nprint.c:12: assertion failed",
            ("print.c", "main.c", "add.c"),
        ),
        ("thread panicked at print.c:1", ("print.c",)),
        ("error: main print add", ()),
        ("Makefile:2: notes.md:3: make: *** Error 1", ()),
        ("readd.c and subadd.cpp are no files here", ()),
    ],
)
def test_the_files_that_the_output_is_about_are_repaired(
    sources: Sources, output: str, targets: tuple[str, ...]
) -> None:
    assert choose_targets(_red(output), sources) == targets


@pytest.mark.parametrize(
    ("output", "target"),
    [
        ("thread 'x' panicked at crates/c/src/lib.rs:9:5", "crates/c/src/lib.rs"),
        ("  --> src/lib.rs:9:5", "crates/a/src/lib.rs"),  # whose it is, is not said
        ("/box/crates/b/src/lib.rs:3: error", "crates/b/src/lib.rs"),
    ],
)
def test_of_files_of_one_name_the_one_that_is_said_is_repaired(
    tmp_path: Path, output: str, target: str
) -> None:
    files = [f"crates/{name}/src/lib.rs" for name in "abcd"]
    assert choose_targets(_red(output), Sources(tmp_path, files))[0] == target


def test_a_go_test_is_about_the_file_that_it_is_named_after(tmp_path: Path) -> None:
    (tmp_path / "clamp_test.go").write_text("package calc\n")
    files = ["clamp.go", "clamp_test.go", "b.go", "c.go", "d.go"]
    assert choose_targets(_red("clamp_test.go:7: got 0"), Sources(tmp_path, files)) == ("clamp.go",)


def test_long_output_takes_no_time(sources: Sources) -> None:
    def choose(output: str) -> None:
        choose_targets(_red(output), sources)

    assert grows_linearly(choose, "a/", 48_000)
    assert grows_linearly(choose, "add.c ", 48_000)


def test_a_red_unittest_without_a_place_is_no_command(tmp_path: Path) -> None:
    result = TestResult(
        id="test_x.T.test_a", outcome=TestOutcome.FAILED, message="unexpected success"
    )
    assert choose_targets(result, Sources(tmp_path, ["one.py", "two.py"])) == ()


def test_the_only_code_of_a_small_project_needs_no_mention(tmp_path: Path) -> None:
    sources = Sources(tmp_path, ["shop.rb", "test/shop_test.rb", "Rakefile"])
    assert choose_targets(_red("1 failure"), sources) == ("shop.rb",)


def test_the_model_reads_the_end_of_the_output(sources: Sources) -> None:
    result = _red("cc -o test test.c\n" * 90 + "add(1, 2) is -1, not 3\n")
    prompt = build_fix_messages(
        path="add.c",
        source=_FILES["add.c"],
        result=result,
        evidence=evidence_of(result),
        test=FailingTest(path="", name="", source=""),
        sources=sources,
    )
    system, user = prompt.messages
    assert system.content.startswith("You repair code.")
    assert "cc -o test test.c\nadd(1, 2) is -1, not 3\n```" in user.content
    assert user.content.count("cc -o test") < 30


@pytest.mark.parametrize(
    ("path", "is_test"),
    [
        ("test.c", True), ("tests.rs", True), ("test_add.c", True), ("add_test.c", True),
        ("test.js", True), ("test/add.js", True), ("attest.c", False), ("testing.c", False),
        ("latest.js", False), ("src/contest.rs", False), ("src/ab-test.ts", False), ("src/speed-test.js", False),
    ],
)  # fmt: skip
def test_tests_of_other_languages_are_known_by_their_names(path: str, *, is_test: bool) -> None:
    assert is_test_path(path) is is_test
