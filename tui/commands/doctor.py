"""`elagent doctor`: checks this machine, and advises how to mend what fails."""

from __future__ import annotations

import click

from agent.library.doctor import checks
from tui.wiring import users_settings


@click.command(help="Check what this machine can do and say how to mend what it cannot.")
def doctor() -> int:
    usable = True
    settings = users_settings()
    for check in checks(settings.model, settings.planner):
        mark = "ok  " if check.ok else ("FAIL" if check.needed else "note")
        click.echo(f"{mark} {check.what}")
        usable = usable and (check.ok or not check.needed)
    return 0 if usable else 3
