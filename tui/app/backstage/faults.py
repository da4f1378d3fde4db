"""Logs unexpected exceptions of elagent itself with their traceback."""

from __future__ import annotations

from pathlib import Path


def say_fault(err: Exception, log_file: Path) -> str:
    """Log an unexpected exception; return the sentence for the person."""
    import traceback

    from agent.session.logs import append_fault

    place = append_fault(log_file, "".join(traceback.format_exception(err)))
    details = f"; details in {place}" if place else ""
    return f"a fault in elagent itself: {type(err).__name__}: {err}{details}"
