"""Says in plain sentences why something ended; the reasons that scripts read stay as they are."""

from __future__ import annotations

from collections.abc import Mapping

from agent.events import FixFinished, ReplyUnusable, TurnFinished
from agent.text import display_safe

_MODEL_STUCK = "the model repeated itself"
_REASONS: Mapping[str, str] = {
    "declined": "the change or the command was declined",
    "no usable reply after two re-asks": "none of the model's three replies could be used",
    "stuck: the same action gave the same result twice": _MODEL_STUCK,
    "stuck: it goes back and forth between the same two actions": "the model went back and forth",
    "stuck: its replies came to the same again and again": _MODEL_STUCK,
    "attempts used up": "no attempt repaired it",
    "no small change makes it pass": "no small change repaired it",
    "no tests": "there are no tests",
    "interrupted": "you interrupted it",
}
"""Reasons of a turn or a repair, and their words."""
_UNUSABLE: Mapping[str, str] = {
    "The reply was cut off": "The reply was too long",
    "The reply is empty": "The reply was empty",
    "The reply has no code block": "The reply had no code",
    "The reply ended while": "The model only thought and gave no answer",
    "You only thought": "The model only thought and gave no answer",
}
_ENDINGS: Mapping[str, str] = {
    "ended: timeout": "The command was stopped at its time limit.",
    "ended: oom": "The command was ended because it used too much memory.",
    "ended: output limit": "The command was ended because it printed too much.",
    "ended: cancelled": "The command was interrupted.",
}
_KEPT = "kept in shadow"
KEPT_IN_WORDS = "saved, not in use"


def ended_line(event: TurnFinished) -> str:
    """Tell why a turn ended, in a sentence; empty if it is simply done."""
    if event.reason == "done":
        return ""
    if event.exit_code is not None:
        return _command_line(event.reason)
    return stopped(event.reason)


def fixed_line(event: FixFinished) -> str:
    """Tell why a repair ended, in a sentence."""
    repaired = set(event.red_before) - set(event.red_after)
    is_left = event.reason == "no test that was asked for is red" and repaired  # a name may be none
    if event.reason != "all green" and not is_left:
        return stopped(event.reason)
    if event.red_after:
        return "Done: the tests that this was about pass."
    return "Done: no test is red."


def closing_line(reason: str) -> str:
    """Tell how a turn or a repair ended, where only its reason is known."""
    return {"done": "Done.", "all green": "Done: the red tests pass."}.get(reason) or stopped(
        reason
    )


def stopped(reason: str) -> str:
    """Tell that the work stopped, and why."""
    first, _, rest = reason.partition("; ")
    said = _REASONS.get(first, first.removeprefix("stuck: "))
    return f"Stopped: {display_safe('; '.join(filter(None, (said, rest))))}."


def _command_line(reason: str) -> str:
    """Tell how a command ended."""
    if reason.startswith("exit code "):
        return f"The command ended with {display_safe(reason)}."
    if reason.startswith("ended: "):
        return _ENDINGS.get(reason, f"The command {display_safe(reason)}.")
    return display_safe(reason)


def unusable_line(event: ReplyUnusable) -> str:
    """Tell the person that a reply is asked for again; the reason in full is for the model."""
    known = (words for begin, words in _UNUSABLE.items() if event.reason.startswith(begin))
    first = event.reason.strip().splitlines()[0].partition(". ")[0].rstrip(".")
    short = next(known, "") or f"The reply cannot be used: {first}"
    again = f"; asking again (try {event.attempt} of {event.attempts})" if event.attempt else ""
    return f"{display_safe(short)}{again}."


def kept_in_words(text: str) -> str:
    """The decision on an adapter, in words for people."""
    return text.replace(_KEPT, KEPT_IN_WORDS)
