"""Outcomes of a line of a conversation: values that both front ends show or carry out."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.approval import Mode
from agent.events import Event

if TYPE_CHECKING:
    from agent.rounds.options import LearnOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Sentences for the person."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A diff to be shown, and what it is of."""

    diff: str
    title: str = "changed since the beginning"


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingWork:
    """Work that takes a while and can be stopped; calling `events` begins the work."""

    title: str
    events: Callable[[], AsyncGenerator[Event, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learn:
    """A request for a learning round with these options; the front end starts the round."""

    options: LearnOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeChanged:
    """The mode that decides about changes from now on."""

    mode: Mode
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswererChanged:
    """A new model or adapter, in use from the next reply on."""

    text: str
    model: str = ""
    """Name of the new model; empty if only the adapter changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesPutBack:
    """The sentence about an undo or redo that was carried out."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleared:
    """The sentence about a conversation that begins anew."""

    text: str


class Help:
    """A request for the list of commands."""


class Leave:
    """A request to end the program."""


Taken = (
    Told
    | Changed
    | PendingWork
    | Learn
    | ModeChanged
    | AnswererChanged
    | FilesPutBack
    | Cleared
    | Help
    | Leave
)
