"""Defines the limits of a repair."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FixOptions:
    """Limits of a repair."""

    max_attempts: int = 3
    """Replies for each failing test, unusable ones included. Where one repeats what was tried, the
    model is asked anew, once for each attempt."""
    allow_test_edits: bool = False
    retry_temperature: float = 0.6
    unstick_temperature: float = 1.0
    """Temperature of an attempt after the model repeated itself; the words change, too."""
    seed: int = 0
    max_reply_tokens: int = 2048
    least_reply_tokens: int = 0
    """A reply gets so many where there is room: who thinks first needs more than the file has."""
    search_s: float = 60.0
    """Seconds in which small changes are tried before the model is asked for a whole file."""
    rewrite_s: float = 60.0
    """Seconds that the model has for whole files for a failing test, without those in which they are judged;
    a reply that is not finished then is given up."""
    total_s: float | None = None
    """Seconds for all of that for a failing test: whole files get what the search leaves; None for no limit."""
    draws_s: float = 0.0
    """Seconds, more than `search_s`, in which the model writes the likeliest functions anew."""
    largest_file_tokens: int = 4096
    """Estimated tokens of the largest file that the model is asked to write anew as a whole."""
    infill: bool = True
    """True if some of the small changes are lines that the model fills in."""
    function: bool = True
    """True if the one function at the likeliest place is asked for before the whole file."""
    said: str = ""
    """Words of a person about the fault: the likeliest functions are first written anew with them."""
    only: frozenset[str] = frozenset()
    """Repair only these tests, whatever their parameters; empty: all that are red."""
