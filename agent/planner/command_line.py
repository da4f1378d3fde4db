"""Plans a new option or command of a command line by argparse: first the parser, then what it is for.

A small model writes one function of the two and forgets the other, or adds an option of one command to all.
The places are read from the syntax tree, and the replies begin there; where they are not clear, there are no steps
and the request goes on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.planner.argparse_code import PARSED, AddedStatement, CommandLine, command_line
from agent.planner.step import PlanStep

_WANTS = re.compile(
    r"\b(?:accept|add|create|get|give|have|implement|introduce|like|need|provide|support|want)s?\b",
    re.IGNORECASE,
)
_IS_OTHER = re.compile(
    r"\b(?:delete|drop the|remove|rename|fix|docstrings?|documentation|readme)\b", re.IGNORECASE
)
_TYPED = re.compile(r"(?<![\w-])--(?P<name>[a-z][\w-]+)")
_SAID = re.compile(
    r"\b(?:an?|another|new)\s+(?:new\s+)?[`'\"]?(?P<name>[a-z][\w-]+)[`'\"]?\s+(?:flag|option|switch)\b",
    re.IGNORECASE,
)
_COMMAND = re.compile(
    r"\b(?:(?:an?|another|new)\s+(?:new\s+)?(?:sub-?)?command\s+(?:called\s+|named\s+)?[`'\"]?"
    r"|(?:sub-?)?command\s+(?:(?:called|named)\s+[`'\"]?|[`'\"]))(?P<behind>[a-z][\w-]+)"
    r"|\b(?:an?|another|new)\s+(?:new\s+)?[`'\"]?(?P<before>[a-z][\w-]+)[`'\"]?\s+(?:sub-?)?command\b",
    re.IGNORECASE,
)
_NO_NAMES = frozenset(
    [
        "a",
        "an",
        "and",
        "boolean",
        "by",
        "cli",
        "command",
        "config",
        "default",
        "extra",
        "flag",
        "for",
        "in",
        "line",
        "long",
        "new",
        "of",
        "on",
        "optional",
        "other",
        "second",
        "short",
        "similar",
        "simple",
        "small",
        "sub",
        "subcommand",
        "that",
        "third",
        "to",
        "which",
        "with",
    ]
)


def command_line_steps(text: str, wanted: Wanted, sources: Sources) -> tuple[PlanStep, ...]:
    """The steps for a request for a new option or command; none if it is for something else.

    Reads files; blocks.
    """
    if wanted not in (Wanted.EDIT, Wanted.NEW):
        return ()
    if not _WANTS.search(text) or _IS_OTHER.search(text):
        return ()
    options, commands = list(_options(text)), list(_commands(text))
    line = command_line(sources) if options or commands else None
    if line is None:
        return ()
    for option in options:
        if f"--{option}" not in line.given:
            return _for_option(line, text, option)
    for command in commands:
        if line.commands and command not in line.given:
            return _for_command(line, text, command)
    return ()


def _for_option(line: CommandLine, text: str, option: str) -> tuple[PlanStep, ...]:
    words = set(re.findall(r"[a-z]\w*", text.lower()))
    of = next((each for each in sorted(line.commands) if each in words), "")
    own = [user for user in line.users if of and of in user.split("_")]
    user = own[0] if own else line.users[0]
    name = option.replace("-", "_")
    to = f"the parser of the command {of}" if of else "the parser"
    place = _end_of_command(line, of) if of else _last_added(line, "add_argument")
    if place is None or user == line.parser:
        return ()
    target, receiver = "", place.receiver
    if place.method == "add_parser":  # a command whose parser has no variable is given one
        target = "" if place.target else f"{of.replace('-', '_')}_parser"
        receiver = place.target or target
    begun = _with_place(line, place, target=target, then=f'{receiver}.add_argument("--{option}",')
    return _steps(
        line,
        PlanStep(
            text=f"Add the new option --{option} to {to} in `{line.parser}` of {line.path}. It is for this: {_wish(text)}.",
            begun=begun,
        ),
        user=user,
        uses=f"Change `{user}` in {line.path} so that it uses args.{name}: {_wish(text)}.",
        shows=rf"\b(?:{'|'.join(sorted(PARSED))})\.{name}\b",
    )


def _for_command(line: CommandLine, text: str, command: str) -> tuple[PlanStep, ...]:
    place = _last_added(line, "add_parser")
    if place is None:
        return ()
    last = _end_of_command(line, place.names[0]) or place
    has_variables = any(each.target for each in line.added if each.method == "add_parser")
    target = f"{command.replace('-', '_')}_parser = " if has_variables else ""
    then = f'{target}{place.receiver}.add_parser("{command}",'
    user = line.users[0]
    adds = PlanStep(
        text=f"Add the new command {command} to the parser in `{line.parser}` of {line.path}. It is for this: {_wish(text)}.",
        begun=_with_place(line, last, then=then),
    )
    if user == line.parser:
        return ()
    if line.has_handlers:  # the function that it names is asked for where it is not there
        return (adds,)
    return _steps(
        line,
        adds,
        user=user,
        uses=f"Change `{user}` in {line.path} for the new command {command}: {_wish(text)}.",
        shows=rf"['\"]{re.escape(command)}['\"]",
    )


def _steps(
    line: CommandLine, adds: PlanStep, *, user: str, uses: str, shows: str
) -> tuple[PlanStep, ...]:
    begun = f"{line.path}\n```python\n{line.head_of(user)}\n"
    return adds, PlanStep(text=uses, begun=begun, path=line.path, definition=user, shows=shows)


def _wish(text: str) -> str:
    return text.strip().rstrip(".")


def _last_added(line: CommandLine, method: str) -> AddedStatement | None:
    """The last statement that adds something by that method, to no command's own parser."""
    own = {each.target for each in line.added if each.method == "add_parser" and each.target}
    fits = [e for e in line.added if e.method == method and e.receiver not in own]
    return fits[-1] if fits else None


def _end_of_command(line: CommandLine, command: str) -> AddedStatement | None:
    """The last statement that adds something to a command's parser, or that makes the command."""
    made = next((e for e in line.added if e.method == "add_parser" and command in e.names), None)
    own = [e for e in line.added if made and made.target and e.receiver == made.target]
    return own[-1] if own else made


def _with_place(line: CommandLine, place: AddedStatement, *, target: str = "", then: str) -> str:
    """The beginning of a reply: the parser's function up to that statement, and the beginning of the next one."""
    indent = " " * place.column
    return f"{line.path}\n```python\n{line.up_to(place, target=target)}\n{indent}{then}"


def _options(text: str) -> Iterator[str]:
    yield from (match["name"] for match in _TYPED.finditer(text))
    names = (match["name"].lower() for match in _SAID.finditer(text))
    yield from (name for name in names if name not in _NO_NAMES)


def _commands(text: str) -> Iterator[str]:
    for match in _COMMAND.finditer(text):
        name = match["behind"] or match["before"]
        if name.lower() not in _NO_NAMES:
            yield name
