"""Names, arguments and completion of the commands of a conversation, for both front ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.reply.named import Names
from agent.session.marked import GIVEN_WORDS
from agent.settings.commands import WrittenCommands
from agent.text import display_safe


@dataclass(frozen=True, slots=True, kw_only=True)
class SlashCommand:
    """A command that begins with `/`."""

    name: str
    what: str
    argument: str = ""
    """Name of the argument as the help shows it; empty if the command takes none."""
    choices: tuple[str, ...] = ()
    """All values of the argument, if they are a short list."""

    @property
    def usage(self) -> str:
        return f"{self.name} {self.argument}".rstrip()

    @property
    def needs_argument(self) -> bool:
        return bool(self.argument) and not self.argument.startswith("[")

    @property
    def takes_file(self) -> bool:
        return self.argument == "PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A completion of the typed text."""

    text: str
    """Text that takes the place of the last `replaces` characters."""
    replaces: int
    what: str = ""


SLASH_COMMANDS = (
    SlashCommand(name="/help", what="show this list"),
    SlashCommand(name="/add", argument="PATH", what="show a file to the model"),
    SlashCommand(name="/drop", argument="PATH", what="stop showing a file"),
    SlashCommand(name="/diff", what="show what changed since the conversation began"),
    SlashCommand(
        name="/undo",
        argument="[force]",
        choices=("force",),
        what="put the files back as they were before the last change",
    ),
    SlashCommand(
        name="/redo", argument="[force]", choices=("force",), what="take back the last undo"
    ),
    SlashCommand(
        name="/rewind",
        argument="[N]",
        what="list the turns; put files and conversation back to before turn N",
    ),
    SlashCommand(name="/run", argument="CMD", what="run a shell command in the sandbox"),
    SlashCommand(name="/test", what="run the tests in the sandbox"),
    SlashCommand(name="/fix", what="repair what fails"),
    SlashCommand(
        name="/as",
        argument="[KIND]",
        choices=("question", "explain", "edit", "new", "rename", "repair", "run"),
        what="read the last request as something else (F4: a change for a question, and back)",
    ),
    SlashCommand(name="/others", what="show the changes that passed as well in the last repair"),
    SlashCommand(name="/tokens", what="show what fills the context of the model"),
    SlashCommand(name="/model", argument="[NAME]", what="show which model answers, or use another"),
    SlashCommand(name="/learn", what="turn what was captured into an adapter"),
    SlashCommand(
        name="/adapters",
        argument="[NAME|base|rollback]",
        choices=("base", "rollback"),
        what="show what was learned; use one, the bare model, or the one before",
    ),
    SlashCommand(name="/experiences", what="show what was captured here"),
    SlashCommand(
        name="/mcp",
        argument="[SERVER TOOL JSON]",
        what="list the tools of your MCP servers, or call one",
    ),
    SlashCommand(
        name="/wrong", argument="WHY", what="note that the last action was wrong, to learn from it"
    ),
    SlashCommand(name="/why", what="explain the last learning round"),
    SlashCommand(
        name="/mode",
        argument="[ask|auto|plan]",
        choices=("ask", "auto", "plan"),
        what="ask before each change, allow what can be undone, or only read",
    ),
    SlashCommand(name="/clear", what="forget the conversation; files and experiences stay"),
    SlashCommand(name="/export", argument="[PATH]", what="write the conversation as Markdown"),
    SlashCommand(name="/quit", what="end (Ctrl-D does it, too)"),
)
FIRST_STEPS = (
    ("add a median to stats.py", "say what you want: files change, then the tests run"),
    ("why does test_x fail?", "ask: no question changes a file"),
    ("@stats.py @diff @failing", "give a file, the changes, the red tests along; Tab completes"),
    ("!ls", "run a command in the sandbox"),
    ("/test  /fix", "run the tests; repair what is red"),
    ("/diff  /undo", "see what changed; put it back"),
    ("/as question", "read the last request as something else (F4)"),
    ("/mode ask", "be asked before each change"),
    ("Ctrl-C", "stop what runs"),
    ("/quit", "end (Ctrl-D)"),
)
"""The ten things that a newcomer needs: what to type, and what it does."""
MOST_SUGGESTIONS = 50


def find(name: str) -> SlashCommand | None:
    """Return the command of exactly this name."""
    return next((command for command in SLASH_COMMANDS if command.name == name), None)


def written(own: WrittenCommands) -> tuple[SlashCommand, ...]:
    """The commands that people wrote, as they are listed and completed."""
    return tuple(
        SlashCommand(
            name=command.name,
            argument="[ARGUMENTS]" if command.takes_arguments else "",
            what=display_safe(command.description),
        )
        for command in own.commands
    )


def help_text(own: WrittenCommands) -> str:
    """The first steps of a newcomer in ten lines, then every command, those of people last."""
    first = [f"  {typed:<31} {what}" for typed, what in FIRST_STEPS]
    known = (*SLASH_COMMANDS, *written(own))
    every = [f"  {command.usage:<31} {command.what}" for command in known]
    refused = [display_safe(said) for said in own.refused]
    return "\n".join([*first, "", "All commands:", *every, *refused])


def split(line: str) -> tuple[str, str]:
    """Split a line into its command ("" for ordinary text) and the rest."""
    if not line.startswith("/"):
        return "", line
    name, _, rest = line.partition(" ")
    return name, rest.strip()


def shell_command(line: str) -> str | None:
    """Return the command of a line that begins with `!`, maybe empty; None for any other line."""
    return line[1:].strip() if line.startswith("!") else None


def nearest(name: str, more: Sequence[SlashCommand] = ()) -> str:
    """Return the command with the most similar name; empty if none is similar."""
    from difflib import get_close_matches

    names = [command.name for command in (*SLASH_COMMANDS, *more)]
    begun = [known for known in names if len(name) > 1 and known.startswith(name)]
    return next(iter([*begun, *get_close_matches(name, names, n=1)]), "")


def mentioned(text: str, files: Sequence[str]) -> list[str]:
    """Return the files that a text names after `@`."""
    return list(Names(files).mentioned(text, mark="@"))


def suggest(
    before_cursor: str, files: Sequence[str], more: Sequence[SlashCommand] = ()
) -> list[Suggestion]:
    """Complete the text before the cursor: commands, their arguments, and files.

    Files are offered after `@` anywhere, and after a command that takes a file. `files` are
    relative to the root; `more` are the commands beside elagent's own.
    """
    found: list[Suggestion] = []
    for suggestion in _all(before_cursor, files, more):
        found.append(suggestion)
        if len(found) == MOST_SUGGESTIONS:
            break
    return found


def _all(
    before_cursor: str, files: Sequence[str], more: Sequence[SlashCommand]
) -> Iterator[Suggestion]:
    name, blank, rest = before_cursor.partition(" ")
    if name.startswith("/") and not blank and "\n" not in name:
        yield from _names(name, (*SLASH_COMMANDS, *more))
        return
    command = find(name) if blank else None
    word = before_cursor.replace("\n", " ").rsplit(" ", 1)[-1]
    if command is not None and command.choices and " " not in rest:
        for choice in command.choices:
            if choice.startswith(rest):
                yield Suggestion(text=choice, replaces=len(rest))
    elif command is not None and command.takes_file:
        yield from _files(rest.removeprefix("@"), files)
    elif word.startswith("@"):
        yield from _given(word[1:], files)
        yield from _files(word[1:], files)


def _names(begun: str, known: Sequence[SlashCommand]) -> Iterator[Suggestion]:
    for command in known:
        if command.name.startswith(begun):
            tail = " " if command.argument else ""
            yield Suggestion(text=command.name + tail, replaces=len(begun), what=command.what)


def _given(start: str, files: Sequence[str]) -> Iterator[Suggestion]:
    """Yield the words that give something else along, and the folders one level below `start`."""
    for word, what in GIVEN_WORDS.items():
        if word.startswith(start):
            yield Suggestion(text=word, replaces=len(start), what=what)
    rests = (path[len(start) :].partition("/") for path in files if path.startswith(start))
    for folder in sorted({f"{start}{first}/" for first, slash, _ in rests if slash and first}):
        yield Suggestion(text=folder, replaces=len(start), what="its files")


def _files(start: str, files: Sequence[str]) -> Iterator[Suggestion]:
    """Yield paths that begin with `start`, then names that do, then paths that contain it."""
    lower = start.lower()
    ranked: list[tuple[int, str]] = []
    for path in files:
        if path.startswith(start):
            ranked.append((0, path))
        elif lower and path.rsplit("/", 1)[-1].lower().startswith(lower):
            ranked.append((1, path))
        elif lower and lower in path.lower():
            ranked.append((2, path))
    for _, path in sorted(ranked, key=lambda item: item[0]):
        yield Suggestion(text=path, replaces=len(start))
