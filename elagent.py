"""Launcher: makes the import path clean, then hands over to the command line.

A repository with a folder of its own named `agent` or `rich` and `PYTHONPATH=.` in the environment
would otherwise be imported instead of ours, so the launcher re-executes itself once with `-P` and
without `PYTHONPATH`. Every subprocess is started the same way (see `command`).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path


def command() -> list[str]:
    """The argument list that starts elagent with a clean import path, for subprocesses."""
    return [sys.executable, "-P", str(Path(__file__).resolve())]


def main() -> None:
    """Run the command line in a process whose import path holds nothing of the user's project."""
    if not sys.flags.safe_path or "PYTHONPATH" in os.environ:
        clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        argv = [*command(), *sys.argv[1:]]
        os.execve(sys.executable, argv, clean)
    home = str(Path(__file__).resolve().parent)
    if home not in sys.path:
        sys.path.insert(0, home)
    from tui.cli import main as run

    run()


if __name__ == "__main__":
    main()
