"""The recipes of docs/ci.md use what the command line has, and give a stranger's code no rights."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tui.commands.run_tests import run_tests

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "ci.md").read_text()
BLOCKS = re.findall(r"```\w*\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = sorted(set(re.findall(r"elagent run-tests[^\n`>]*", "".join(BLOCKS))))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_is_understood(command: str) -> None:
    _, _, *words = shlex.split(command)
    asked = run_tests.make_context("run-tests", words).params
    assert asked["repair"] or not asked["patch"]


def test_the_workflow_has_no_secrets_no_rights_to_write_and_pinned_actions() -> None:
    (workflow,) = (block for block in BLOCKS if "jobs:" in block)
    assert "pull_request_target" not in workflow
    assert "secrets." not in workflow
    assert "write" not in workflow
    assert "permissions: {}" in workflow
    used = re.findall(r"uses: (\S+)", workflow)
    assert used
    assert [each for each in used if not re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", each)] == []
    assert workflow.count("persist-credentials: false") == workflow.count("actions/checkout@")
