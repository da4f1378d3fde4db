"""The house holds: what may be imported when, and that nothing happens at import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HEAVY = (
    "torch",
    "transformers",
    "peft",
    "xllamacpp",
    "docker",
    "httpx",
    "textual",
    "git",
    "numpy",
    "sqlalchemy",
)


def modules_after(statement: str) -> set[str]:
    code = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    run = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(run.stdout.splitlines()[-1].split())


def test_the_command_line_loads_nothing_heavy() -> None:
    assert modules_after("import tui.cli").isdisjoint(HEAVY)


def test_help_loads_nothing_heavy() -> None:
    assert modules_after("from tui.cli import run; run(['--help'])").isdisjoint(HEAVY)


def test_the_version_of_torch_is_told_without_loading_it() -> None:
    loaded = modules_after("from tui.cli import run; run(['--version', '--verbose'])")
    assert loaded.isdisjoint({"torch", "transformers", "peft", "xllamacpp"})


BASE = (
    *("agent.assistant", "tui.commands.run_tests", "tui.commands.learn", "tui.lines.repl"),
    *("agent.library.models", "agent.library.doctor", "learning.model.server", "lab.cli"),
    *("learning.model.lora_export", "learning.model.llama.engine", "learning.training.worker"),
)
"""What the base install runs: the extra `learn` is not there."""


def test_what_the_base_install_runs_never_loads_torch() -> None:
    loaded = modules_after(f"import {', '.join(BASE)}")
    assert loaded.isdisjoint({"torch", "transformers", "peft", "xllamacpp"})


def test_a_conversation_has_no_screen() -> None:
    loaded = modules_after("import tui.conversation, agent.library.reports, agent.rounds.learn")
    assert loaded.isdisjoint({"textual", "rich", "prompt_toolkit", "tui.show", "tui.lines"})


@pytest.mark.parametrize(
    "module", ["learning.records", "sandbox.box.contract", "sandbox.verdict.report"]
)
def test_the_shared_vocabulary_is_light(module: str) -> None:
    assert modules_after(f"import {module}").isdisjoint({*HEAVY, "asyncio", "click", "rich"})


def test_every_source_file_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for folder in ("agent", "lab", "learning", "sandbox", "tui")
        for path in (ROOT / folder).rglob("*.py")
        if not path.read_text(encoding="utf-8").startswith('"""')
    ]
    assert silent == []
