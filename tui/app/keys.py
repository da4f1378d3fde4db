"""All keys of the app, with the names by which the user's own file changes them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import cast

from textual.binding import Binding

APP_KEYS = (
    Binding("escape", "interrupt", "Stop what is running", id="app.stop"),
    Binding(
        "ctrl+c",
        "interrupt_or_clear",
        "Stop; else copy the selection, empty the line, or leave (twice)",
        id="app.interrupt",
        priority=True,
    ),
    Binding("ctrl+d", "leave_if_empty", "Leave, when the line is empty", id="app.leave"),
    Binding(
        "question_mark",
        "help_if_empty",
        "All keys, when the line is empty",
        id="app.keys",
    ),
    Binding("f1", "keys", "All keys", id="app.help", priority=True),
    Binding("f2", "panel", "Learning panel", id="app.panel", priority=True),
    Binding(
        "f4",
        "read_again",
        "Read the last request as a change, or as a question",
        id="app.as",
        priority=True,
    ),
    Binding("f3,ctrl+f", "search", "Search the conversation", id="app.search", priority=True),
    Binding("ctrl+p", "command_palette", "Command palette", id="app.palette", priority=True),
    Binding("shift+tab", "next_mode", "Next mode: ask, auto, plan", id="app.mode", priority=True),
    Binding("ctrl+o", "fold", "Open or close the last output", id="app.fold", priority=True),
    Binding("ctrl+y", "copy", "Copy the last reply", id="app.copy", priority=True),
    Binding("ctrl+g", "edit", "Write in your editor", id="app.editor", priority=True),
    Binding("f5", "retry", "Start anew and try again", id="app.retry", priority=True),
    Binding("ctrl+t", "theme", "Dark or light", id="app.theme", priority=True),
    Binding("ctrl+q", "leave", "Leave", id="app.quit", priority=True),
)

OTHER_KEYS = (
    ("Enter", "send what is typed; it waits while something runs"),
    ("Ctrl+J, Alt+Enter, Shift+Enter", "new line, where the terminal tells it from Enter"),
    ("Up, Down", "earlier and later lines; lines of the list while it is open"),
    ("Ctrl+R", "search the lines that were typed before; what is typed narrows them"),
    ("Tab", "complete the word; on an empty line: go to the conversation"),
    ("PgUp, PgDn", "scroll the conversation"),
    ("End, Ctrl+End", "on an empty line, and always: go to the end of the conversation"),
    ("@", "name a file"),
    (
        "y, n, a, r",
        "when asked: accept, reject, accept all of this turn, reject and say what instead",
    ),
    ("Up, Down, Space", "when asked: go to a part of the change; leave it out or take it in"),
    ("Enter", "on an output: open or close it; on a failed test: go to its line"),
)


def tell_alt_enter_apart() -> None:
    """Let Alt+Enter break the line: terminals send it as Esc and Enter, which Textual reads as Enter."""
    from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
    from textual.keys import Keys

    table = cast("dict[str, object]", ANSI_SEQUENCES_KEYS)
    table["\x1b\r"] = table["\x1b\n"] = (Keys.ControlJ,)


def own_keymap(environ: Mapping[str, str]) -> dict[str, str]:
    """Read the keys of `keys.toml` beside the person's settings; raises as `read_keymap`."""
    from agent.paths import user_config_file

    path = user_config_file(environ).with_name("keys.toml")
    return read_keymap(path, [binding.id or "" for binding in APP_KEYS])


def read_keymap(path: Path, known: Iterable[str]) -> dict[str, str]:
    """Read the user's own keys: `[keys]` in a TOML file, `"app.search" = "ctrl+s"`; may be missing.

    Raises:
        ValueError: If the file cannot be read or names an unknown key; the message is a sentence.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as err:
        raise ValueError(f"{path} cannot be read ({err}); the usual keys are in use") from err
    keys = data.get("keys")
    entries = keys.items() if isinstance(keys, Mapping) else [("keys", keys)]
    wrong = [name for name, key in entries if name not in known or not isinstance(key, str)]
    if wrong:
        names = ", ".join(sorted(known))
        raise ValueError(
            f"{path}: {wrong[0]!r} in the table [keys] is not usable; it takes {names}, each with a"
            " key as text; the usual keys are in use"
        )
    return {name: str(key) for name, key in entries}


def shown(key: str) -> str:
    """Write a key as people do: `ctrl+y` becomes `Ctrl+Y`."""
    named = {"question_mark": "?", "escape": "Esc"}
    return ", ".join(
        named.get(one, "+".join(part.capitalize() for part in one.split("+")))
        for one in key.split(",")
    )
