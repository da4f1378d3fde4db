"""Says how a command in the sandbox ended, as a shell would."""

from __future__ import annotations

from sandbox.box.contract import Ending, Execution

_EXIT_TIMEOUT = 124
_EXIT_KILLED = 137


def exit_code_of(execution: Execution) -> int:
    """The exit code that a shell would give for it: 128 and the signal, 124 after a time limit."""
    if execution.exit_code is None:
        return _EXIT_TIMEOUT if execution.ending is Ending.TIMEOUT else _EXIT_KILLED
    return execution.exit_code if execution.exit_code >= 0 else 128 - execution.exit_code


def ending_in_words(execution: Execution) -> str:
    """The end of a command in two or three words."""
    if execution.succeeded:
        return "done"
    if execution.exit_code is None:
        return f"ended: {execution.ending.value.replace('_', ' ')}"
    return f"exit code {execution.exit_code}"
