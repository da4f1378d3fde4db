"""`elagent sessions`: lists, searches, prints and exports past sessions of the repository."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice

import click

from agent.session.session import SessionError, list_sessions, read_session
from agent.text import display_safe
from tui.show.retold import found_lines, line_of, markdown_of, moment
from tui.wiring import place

_SUBJECT_CHARACTERS = 60
_MOST_LINES = 5
_MOST_SESSIONS = 50


@click.group(help="Show, search and export past sessions of this repository.")
def sessions() -> None:
    pass


@sessions.command("ls")
def list_() -> None:
    """List sessions, newest first: id, last change, and the first request."""
    folder = place().repository.sessions
    found = list_sessions(folder)
    for each in found:
        try:
            subject = _subject(read_session(folder, each.id))
        except SessionError:
            subject = "(damaged: `elagent sessions show` says where)"
        click.echo(f"{each.id}  {moment(each.changed_at)}  {display_safe(subject)}".rstrip())
    if not found:
        click.echo("no sessions yet")


@sessions.command("search")
@click.argument("words", metavar="WORDS...", nargs=-1, required=True)
def search(*, words: tuple[str, ...]) -> None:
    """Find lines that hold all WORDS: session, time and line, the newest session first.

    Requests, replies, notes and endings are looked at; at most five lines of a session are shown.
    """
    folder = place().repository.sessions
    asked = [word for given in words for word in given.split()]
    seen = 0
    for each in list_sessions(folder):
        try:
            records = read_session(folder, each.id)
        except SessionError as err:
            click.echo(f"elagent: passed over: {display_safe(str(err))}", err=True)
            continue
        found = list(islice(found_lines(records, asked), _MOST_LINES))
        for hit in found:
            click.echo(f"{each.id}  {moment(hit.at)}  {display_safe(hit.line)}")
        seen += bool(found)
        if seen == _MOST_SESSIONS:
            click.echo(f"the newest {_MOST_SESSIONS} sessions with these words; give more of them")
            return
    if not seen:
        click.echo(f"no session says {display_safe(' '.join(asked))!r}")


@sessions.command("show")
@click.argument("id_", metavar="ID")
def show(*, id_: str) -> None:
    """Print requests, replies and changes, oldest first."""
    lines = [line_of(record) for record in read_session(place().repository.sessions, id_)]
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
    """Print all events of a session as JSON lines; or as Markdown, to be read by people.

    Markdown has requests, replies, diffs, tests and endings, without the files that the model was shown.
    """
    records = read_session(place().repository.sessions, id_)
    parts = map(json.dumps, records) if kind == "jsonl" else markdown_of(id_, records)
    for part in parts:
        click.echo(part)


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
