"""New test functions join the classes of unittest of a project whose runner would not find them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.editing.test_cases import as_methods, base_of_tests

OLD = (
    "import unittest\n\nfrom subs import parse\n\n\nclass ParseTest(unittest.TestCase):\n"
    "    def test_parse(self):\n        self.assertEqual(parse('a'), 'a')\n"
)
NEW = (
    "\n\ndef test_overlaps_none():\n    cues = [1, 2]\n    assert len(cues) == 2\n\n\n"
    "def test_overlaps_one():\n    # touching\n    assert [1] == [1]\n"
)
MAIN = '\n\nif __name__ == "__main__":\n    unittest.main()\n'


@pytest.mark.parametrize(
    ("text", "base"),
    [
        (OLD, "unittest.TestCase"),
        ("from unittest import TestCase\n\n\nclass A(TestCase):\n    pass\n", "TestCase"),
        (OLD + NEW, ""),
        ("def test_a():\n    pass\n", ""),
        ("", ""),
        ("class A(:\n", ""),
    ],
)
def test_a_file_of_classes_alone_says_their_base(text: str, base: str) -> None:
    assert base_of_tests(text) == base


def test_new_functions_become_methods_that_the_runner_finds(tmp_path: Path) -> None:
    after = as_methods(OLD + NEW + MAIN, OLD + MAIN, "unittest.TestCase")
    assert (
        "class OverlapsNoneTest(unittest.TestCase):\n    def test_overlaps_none(self):\n" in after
    )
    assert "        # touching\n" in after
    assert after.endswith("unittest.main()\n")
    (tmp_path / "subs.py").write_text("def parse(text):\n    return text\n")
    (tmp_path / "test_subs.py").write_text(after)
    done = subprocess.run(
        [sys.executable, "-m", "unittest"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Ran 3 tests" in done.stderr
    assert done.stderr.rstrip().endswith("OK")


def test_a_new_file_gets_the_import_of_unittest_behind_its_own_and_of_nothing_else() -> None:
    text = '"""Tests."""\n\nfrom __future__ import annotations\n\nfrom subs import parse\n' + NEW
    after = as_methods(text, "", "unittest.TestCase")
    assert after.startswith(
        '"""Tests."""\n\nfrom __future__ import annotations\n\nfrom subs import parse\nimport unittest\n'
    )
    assert as_methods(text, "", "AppTestCase") == text, "nobody says where that comes from"


def test_tests_that_something_else_calls_stay_functions() -> None:
    text = OLD + NEW + '\n\nif __name__ == "__main__":\n    test_overlaps_one()\n'
    assert as_methods(text, OLD, "unittest.TestCase") == text


@pytest.mark.parametrize(
    "new",
    [
        "\n\ndef test_a(tmp_path):\n    assert tmp_path\n",
        "\n\n@pytest.mark.skip\ndef test_a():\n    assert 1\n",
        '\n\ndef test_a():\n    assert """\n  a\n""" == "b"\n',
        "\n\ndef helper():\n    return 1\n",
    ],
)
def test_what_only_pytest_understands_and_texts_of_several_lines_stay(new: str) -> None:
    assert as_methods(OLD + new, OLD, "unittest.TestCase") == OLD + new


def test_functions_that_were_there_before_stay() -> None:
    assert as_methods(OLD + NEW, OLD + NEW, "unittest.TestCase") == OLD + NEW
