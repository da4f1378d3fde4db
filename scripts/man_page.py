"""Writes the manual page from the command line itself: `python scripts/man_page.py`.

click-man knows neither commands that are imported late nor one page for all commands, so the few
requests of roff that a page needs are written here.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from tui.cli import EXIT_CODES, cli  # noqa: E402

PAGE = ROOT / "share" / "man" / "man1" / "elagent.1"
_AS_IT_STANDS = "\b"
"""The line by which click keeps the lines of a paragraph."""
_VARIABLES = (
    ("DOCKER_HOST", "Address of the container engine; else the first socket that is found."),
    ("ELAGENT_HOME", "Folder of all state: models, experiences, adapters, snapshots."),
    ("ELAGENT_SECTION_NAME", "A setting, such as ELAGENT_MODEL_NAME; elagent config explain."),
    ("NO_COLOR", "If set, nothing is coloured."),
)


def page() -> str:
    """The manual page as roff text; the same code gives the same bytes."""
    return "\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    context = click.Context(cli, info_name="elagent")
    words = _text(f"elagent {version('elagent')}")
    yield f'.TH ELAGENT 1 "" "{words}" "User Commands"'
    yield ".SH NAME"
    summary, _, rest = inspect.cleandoc(cli.help or "").partition("\n\n")
    yield rf"elagent \- {_text(summary[:1].lower() + summary[1:]).rstrip('.')}"
    yield ".SH SYNOPSIS"
    yield from _usage(cli, context)
    yield ".SH DESCRIPTION"
    yield from _paragraphs(rest)
    yield ".SH OPTIONS"
    yield from _options(cli, context)
    yield ".SH COMMANDS"
    yield from _commands(cli, context)
    yield ".SH EXIT STATUS"
    yield from _paragraphs(EXIT_CODES.replace("Exit codes:\n", ""))
    yield ".SH ENVIRONMENT"
    for name, meaning in _VARIABLES:
        yield from (".TP", rf"\fB{_text(name)}\fR", _line(meaning))
    yield ".SH SEE ALSO"
    yield _line("README.md and the documentation that it names; elagent COMMAND --help.")


def _commands(group: click.Group, context: click.Context) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        within = click.Context(command, info_name=name, parent=context)
        yield f'.SS "{_text(within.command_path)}"'
        yield from _usage(command, within)
        yield ".PP"
        yield from _paragraphs(inspect.cleandoc(command.help or ""))
        yield from _options(command, within)
        if isinstance(command, click.Group):
            yield from _commands(command, within)


def _usage(command: click.Command, context: click.Context) -> Iterator[str]:
    pieces = " ".join(command.collect_usage_pieces(context))
    yield rf"\fB{_text(context.command_path)}\fR {_text(pieces)}"


def _options(command: click.Command, context: click.Context) -> Iterator[str]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and record[1] and "--help" not in parameter.opts:
            yield from (".TP", rf"\fB{_text(record[0])}\fR", _line(record[1]))


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(text.split("\n\n")):
        if number:
            yield ".PP"
        lines = paragraph.strip("\n").splitlines()
        if lines[:1] and lines[0].startswith(_AS_IT_STANDS):
            kept = [line for line in (lines[0].strip(_AS_IT_STANDS), *lines[1:]) if line]
            yield from (".nf", *map(_line, kept), ".fi")
        else:
            yield from map(_line, lines)


def _line(text: str) -> str:
    """A line of text, which is no request even if it begins like one."""
    made = _text(text)
    return rf"\&{made}" if made.startswith((".", "'")) else made


def _text(text: str) -> str:
    return text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
