"""A test with parts has one outcome: its own, unless a part failed."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.box.contract import Limits, SourceFile
from sandbox.box.docker_box import DockerSandbox
from sandbox.project.detection import detect
from sandbox.verdict.suite import run_tests

SUITE = """
import unittest
import pytest

class T(unittest.TestCase):
    def test_skips_a_part(self):
        for number in range(3):
            with self.subTest(number=number):
                if number:
                    self.skipTest("not this one")

    def test_fails_a_part(self):
        for number in range(3):
            with self.subTest(number=number):
                self.assertNotEqual(number, 1)

def test_of_pytest():
    pass
"""


@pytest.mark.docker
async def test_a_skipped_part_does_not_skip_the_test(box: DockerSandbox, tmp_path: Path) -> None:
    (tmp_path / "test_parts.py").write_text(SUITE)
    project = detect(tmp_path)
    assert project.runner == "pytest"
    files = [SourceFile(path="test_parts.py", content=SUITE.encode())]
    report = await run_tests(box, project, files, limits=Limits(timeout_s=60))
    assert {result.id.rpartition("::")[2]: result.outcome.value for result in report.results} == {
        "test_skips_a_part": "passed",
        "test_fails_a_part": "failed",
        "test_of_pytest": "passed",
    }
