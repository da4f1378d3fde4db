"""`elagent sessions`: lists, prints and exports past sessions of the repository."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime

import click

from agent.events import ReplyUnusable
from agent.session.session import SessionError, list_sessions, read_session
from agent.text import display_safe
from tui.show.words import closing_line, unusable_line
from tui.wiring import place

_SUBJECT_CHARACTERS = 60


@click.group(help="Show past sessions of this repository.")
def sessions() -> None:
    pass


@sessions.command("ls")
def list_() -> None:
    """List sessions, newest first: id, last change, and the first request."""
    folder = place().repository.sessions
    found = list_sessions(folder)
    for each in found:
        when = datetime.fromtimestamp(each.changed_at).astimezone().strftime("%Y-%m-%d %H:%M")
        try:
            subject = _subject(read_session(folder, each.id))
        except SessionError:
            subject = "(damaged: `elagent sessions show` says where)"
        click.echo(f"{each.id}  {when}  {display_safe(subject)}".rstrip())
    if not found:
        click.echo("no sessions yet")


@sessions.command("show")
@click.argument("id_", metavar="ID")
def show(*, id_: str) -> None:
    """Print requests, replies and changes, oldest first."""
    lines = [_line(record) for record in read_session(place().repository.sessions, id_)]
    for line in filter(None, lines):
        click.echo(display_safe(line))
    if not any(lines):
        click.echo("nothing was said or done in this session")


@sessions.command("export")
@click.argument("id_", metavar="ID")
@click.option(
    "--format", "kind", type=click.Choice(["jsonl", "markdown"]), default="jsonl", show_default=True
)
def export(*, id_: str, kind: str) -> None:
    """Print all events of a session as JSON lines, or its conversation as Markdown."""
    for record in read_session(place().repository.sessions, id_):
        if kind == "jsonl":
            click.echo(json.dumps(record))
        elif record.get("event") == "message" and record.get("role") != "system":
            said = display_safe(str(record.get("content")))
            click.echo(f"## {record.get('role')}\n\n{said}\n")


def _subject(records: Iterable[Mapping[str, object]]) -> str:
    """Return the first request; if there was none, the first run."""
    run = ""
    for record in records:
        match record:
            case {"event": "turn_started", "text": str(text)}:
                return " ".join(text.split())[:_SUBJECT_CHARACTERS]
            case {"event": "fix_finished", "reason": str(reason)}:
                run = f"run-tests --fix: {reason}"
            case {"event": "tests_finished"}:
                run = run or "run-tests"
            case {"event": "learn_finished"}:
                run = run or "learn"
            case _:
                continue
    return run


def _line(record: Mapping[str, object]) -> str:  # noqa: C901, PLR0911 - one line for each kind
    match record:
        case {"event": "turn_started", "text": str(text)}:
            return f"\n> {text}"
        case {"event": "message", "role": "assistant", "content": str(text)}:
            return text
        case {"event": "edit_applied", "path": str(path)}:
            return f"changed: {path}"
        case {"event": "edit_reverted", "path": str(path), "reason": str(reason)}:
            return f"put back: {path} ({reason})"
        case {"event": "stage_started", "text": str(text)}:
            return f"-- {text}"
        case {"event": "notice", "text": str(text)}:
            return f"note: {text}"
        case {"event": "reply_unusable", "reason": str(reason)}:
            return unusable_line(ReplyUnusable(reason))
        case {"event": "tests_finished", "counts": dict(counts)}:
            return "tests: " + ", ".join(f"{number} {name}" for name, number in counts.items())
        case {"event": "context_compacted", "summary": str(text)}:
            return f"the conversation was replaced by a summary:\n{text}"
        case {"event": "turn_finished" | "fix_finished", "reason": str(reason)}:
            return closing_line(reason)
        case _:
            return ""
