"""Plans a new option or command of a command line by argparse: first the parser, then what it is for.

A small model writes one function of the two and forgets the other, or adds an option of one command to all.
The places are read from the syntax tree, and the replies begin there; where they are not clear, there are no steps
and the request goes on as it is.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Sequence

from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.planner.argparse_code import PARSED, AddedStatement, CommandLine, command_line
from agent.planner.step import PlanStep
from agent.prompt_files import filled

_IS_OTHER = re.compile(
    r"\b(?:ci|delete|dockerfile|docs?|docstrings?|documentation|makefile|mypy|pre-commit|pytest|readme|remove|rename|tests?"
    r"|tox|workflow)\b|\w\.(?:cfg|ini|json|md|rst|toml|ya?ml)\b",
    re.IGNORECASE,
)
_NAME = r"--(?P<{0}>[a-z][\w-]*\w)(?![\w-])"
_OPTIONS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\b(?:options?|flags?|switch)\s+(?:called\s+|named\s+)?[`'\"]?{_NAME.format('name')}",
        rf"\b(?:an?|another|new)\s+(?:new\s+)?[`'\"]?{_NAME.format('name')}[`'\"]?\s+(?:argument|flag|option|switch)\b",
        rf"\b(?:accept|add|implement|introduce|provide|support)s?\s+(?:an?\s+|new\s+)*[`'\"]?{_NAME.format('name')}",
    )
)
_COMMANDS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"\b(?:an?|another|new)\s+(?:new\s+)?(?:sub-?)?command\s+(?:called\s+|named\s+)?[`'\"]?(?P<name>[a-z][\w-]*)"
        r"(?:\s+(?-i:[A-Z<\[])[\w<>\[\]]*)*[`'\"]?\s*(?=(?:that|to|which)\b|[,.:(]|$)",
        r"\b(?:an?|another|new)\s+(?:new\s+)?[`'\"]?(?P<name>[a-z][\w-]*)[`'\"]?\s+(?:sub-?)?command\s*(?=(?:that|to|which)\b|[,.:(]|$)",
    )
)
_NO_NAMES = re.compile(
    r"a|an|boolean|bus|cli|command|default|extra|first|handler|help|history|in|line|long|new|of|on|optional|other|palette"
    r"|pattern|prompt|queue|second|short|similar|simple|small|sub|that|third|to|which|with",
    re.IGNORECASE,
)
"""Words that may stand in the place of a name and are none."""


def command_line_steps(text: str, wanted: Wanted, sources: Sources) -> tuple[PlanStep, ...]:
    """The steps for a request for one new option or command; none if it is for something else, or for more.

    Reads files; blocks.
    """
    if wanted not in (Wanted.EDIT, Wanted.NEW) or _IS_OTHER.search(text):
        return ()
    options, commands = _names(_OPTIONS, text), _names(_COMMANDS, text)
    if len(options) + len(commands) != 1:
        return ()
    line = command_line(sources)
    if line is None:
        return ()
    if options and f"--{options[0]}" not in line.given:
        return _for_option(line, text, options[0])
    if commands and line.commands and commands[0] not in line.given:
        return _for_command(line, text, commands[0])
    return ()


def _names(patterns: Sequence[re.Pattern[str]], text: str) -> list[str]:
    """The names that a request gives to new options or commands, without those that no code can use."""
    found = (match["name"] for pattern in patterns for match in pattern.finditer(text))
    names = [n for n in dict.fromkeys(found) if not _NO_NAMES.fullmatch(n)]
    return [name for name in names if not keyword.iskeyword(name.replace("-", "_"))]


def _for_option(line: CommandLine, text: str, option: str) -> tuple[PlanStep, ...]:
    of = _command_of(line, text)
    if of is None:
        return ()
    user = _user_of(line, of)
    name, wish = option.replace("-", "_"), _wish(text)
    to = f"the parser of the command {of}" if of else "the parser"
    place = _end_of_command(line, of) if of else _last_added(line)
    if place is None or not user or user == line.parser:
        return ()
    target, receiver = "", place.receiver
    if place.method == "add_parser":  # a command whose parser has no variable is given one
        target = "" if place.target else f"{of.replace('-', '_')}_parser"
        receiver = place.target or target
    begun = _with_place(line, place, target=target, then=f'{receiver}.add_argument("--{option}",')
    return _steps(
        line,
        PlanStep(
            text=filled(
                "step_option",
                option=option,
                parser=to,
                function=line.parser,
                path=line.path,
                wish=wish,
            ),
            begun=begun,
        ),
        user=user,
        uses=filled("step_option_used", function=user, path=line.path, attribute=name, wish=wish),
        shows=rf"\b(?:{'|'.join(sorted(PARSED))})\.{name}\b",
    )


def _command_of(line: CommandLine, text: str) -> str | None:
    """The command that an option is for; empty for all of them, None where that is not clear."""
    words = set(re.findall(r"[\w-]+", text.lower().partition(" ")[2]))
    named = [each for each in line.commands if each.lower() in words]
    if not named:
        subject = text.lower().split(" ", 1)[0].strip("`'\"")
        named = [each for each in line.commands if each.lower() == subject]
    if len(named) != 1:
        return None if named else ""
    name = re.escape(named[0])
    clear = (
        rf"\b{name}[`'\"]?\s+(?:sub-?)?command\b"
        rf"|\b(?:for|of|to)\s+(?:the\s+)?[`'\"]?{name}[`'\"]?\s*(?:[.,;:!?(]|$|(?:so|that|to|which)\b)"
        rf"|^(?:the\s+)?[`'\"]?{name}[`'\"]?\s+(?:could|gets?|lacks|must|needs?|should)\b"
    )
    return named[0] if re.search(clear, text.strip(), re.IGNORECASE) else None


def _user_of(line: CommandLine, command: str) -> str:
    """The function that uses what was parsed: that of the command, if one is called so; empty if it is not clear."""
    own = [user for user in line.users if command and command in user.split("_")]
    fits = own or line.users
    return fits[0] if len(fits) == 1 else ""


def _for_command(line: CommandLine, text: str, command: str) -> tuple[PlanStep, ...]:
    made = [each for each in line.added if each.method == "add_parser"]
    place = made[-1] if made else None
    user = _user_of(line, "")
    if place is None or user == line.parser:
        return ()
    last = _end_of_command(line, place.names[0]) or place
    has_variables = any(each.target for each in line.added if each.method == "add_parser")
    target = f"{command.replace('-', '_')}_parser = " if has_variables else ""
    then = f'{target}{place.receiver}.add_parser("{command}",'
    wish = _wish(text)
    adds = PlanStep(
        text=filled(
            "step_command", command=command, function=line.parser, path=line.path, wish=wish
        ),
        begun=_with_place(line, last, then=then),
    )
    if line.has_handlers:  # the function that it names is asked for where it is not there
        return (adds,)
    if not user:
        return ()
    return _steps(
        line,
        adds,
        user=user,
        uses=filled("step_command_used", function=user, path=line.path, command=command, wish=wish),
        shows=rf"['\"]{re.escape(command)}['\"]",
    )


def _steps(
    line: CommandLine, adds: PlanStep, *, user: str, uses: str, shows: str
) -> tuple[PlanStep, ...]:
    head = line.head_of(user)
    begun = f"{line.path}\n```python\n{head}\n" if head else ""
    return adds, PlanStep(text=uses, begun=begun, path=line.path, definition=user, shows=shows)


def _wish(text: str) -> str:
    return text.strip().rstrip(".")


def _last_added(line: CommandLine) -> AddedStatement | None:
    """The last statement that adds an argument to the parser itself."""
    fits = [
        each for each in line.added if each.method == "add_argument" and each.receiver == line.root
    ]
    return fits[-1] if fits and line.root else None


def _end_of_command(line: CommandLine, command: str) -> AddedStatement | None:
    """The last statement that adds something to a command's parser, or that makes the command."""
    made = next((e for e in line.added if e.method == "add_parser" and command in e.names), None)
    if made is None or not made.target:
        return made
    behind = [each for each in line.added if each.first > made.first]
    others = (e.first for e in behind if e.method == "add_parser" and e.target == made.target)
    until = next(others, None)
    own = [e for e in behind if e.receiver == made.target and (until is None or e.first < until)]
    return own[-1] if own else made


def _with_place(line: CommandLine, place: AddedStatement, *, target: str = "", then: str) -> str:
    """The beginning of a reply: the parser's function up to that statement, and the beginning of the next one."""
    return f"{line.path}\n```python\n{line.up_to(place, target=target)}\n{place.indent}{then}"
