"""Names that are completed, and files that a line of the conversation names after `@`."""

from __future__ import annotations

import pytest
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document

from agent.settings.commands import NO_COMMANDS, WrittenCommand, WrittenCommands
from tui.lines.repl import LineCompleter
from tui.slash import SLASH_COMMANDS, SlashCommand, find, help_text, mentioned, written

PLACES = ("src/a.py", "src/deep/b.py", "docs/c.md")
FILES = ("notes.md", "release notes.md", "app/[id]/page.tsx", "cafe\u0301.py", "@scope/x.ts")


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("change @notes.md.", ["notes.md"]),
        ("change @release notes.md and @app/[id]/page.tsx", ["release notes.md", "app/[id]/page.tsx"]),
        ("change @caf\u00e9.py", ["cafe\u0301.py"]),
        ("change @@scope/x.ts", ["@scope/x.ts"]),
        ("change notes.md, mail me@notes.md", []),
    ],
)  # fmt: skip
def test_a_file_after_the_sign_is_found_under_its_whole_name(text: str, files: list[str]) -> None:
    assert mentioned(text, FILES) == files


@pytest.mark.parametrize("command", SLASH_COMMANDS, ids=lambda command: command.name)
def test_the_line_loop_completes_every_command(command: SlashCommand) -> None:
    completer = LineCompleter(list)
    offered = completer.get_completions(Document(command.name), CompleteEvent())
    assert command.name in [item.text.strip() for item in offered]


def test_help_begins_with_ten_lines_for_a_newcomer_and_names_only_what_there_is() -> None:
    lines = help_text(NO_COMMANDS).splitlines()

    assert lines[10:12] == ["", "All commands:"]
    typed = [word for line in lines[:10] for word in line[:33].split() if word.startswith("/")]
    assert typed
    assert all(find(word) for word in typed)
    assert all(command.usage in "\n".join(lines[12:]) for command in SLASH_COMMANDS)


def test_commands_that_people_wrote_are_listed_and_completed() -> None:
    review = WrittenCommand(name="/review", text="Review $ARGUMENTS", description="read \x1b[31mit")
    own = WrittenCommands(commands=(review,), refused=("x.md is no command: it is empty",))
    lines = help_text(own).splitlines()
    assert lines[-1] == "x.md is no command: it is empty"
    assert lines[-2].startswith("  /review [ARGUMENTS]")
    assert "\x1b" not in lines[-2]
    completer = LineCompleter(list, written(own))
    offered = completer.get_completions(Document("/rev"), CompleteEvent())
    assert [item.text for item in offered] == ["/review "]


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("explain @di", ["diff"]),
        ("explain @fai", ["failing"]),
        ("see @sr", ["src/", "src/a.py", "src/deep/b.py"]),
        ("see @src/", ["src/deep/", "src/a.py", "src/deep/b.py"]),
    ],
)
def test_words_and_folders_are_completed_after_the_sign(typed: str, first: list[str]) -> None:
    offered = LineCompleter(lambda: list(PLACES)).get_completions(Document(typed), CompleteEvent())
    assert [item.text for item in offered] == first
