"""The prompts, kept as files next to this module and read when they are needed."""

from __future__ import annotations

from importlib import resources
from string import Template
from typing import Literal

Name = Literal[
    "system",
    "fix_system",
    "fix_user",
    "fix_think_system",
    "fix_think_user",
    "function_system",
    "function_user",
    "function_said",
    "infill",
    "passing",
    "library_function",
    "library_notes",
    "intent",
    "plan_system",
    "plan_user",
    "plan_step",
    "step_option",
    "step_option_used",
    "step_command",
    "step_command_used",
    "step_said",
    "tail_question",
    "tail_explain",
    "tail_change",
    "tail_document",
    "tail_new",
    "tail_test",
    "tail_text",
    "then_change",
    "then_complete",
    "then_docstrings",
    "then_hints",
    "then_test",
    "then_lint",
    "then_red",
    "system_search_replace",
]


def prompt(name: Name) -> str:
    """The text of a prompt, without its last line end."""
    file = resources.files("agent") / "prompts" / f"{name}.md"
    return file.read_text(encoding="utf-8").rstrip("\n")


def filled(name: Name, **values: str) -> str:
    """A prompt with its `$names` replaced; values are never looked into."""
    return Template(prompt(name)).substitute(values)
