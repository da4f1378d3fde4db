"""`elagent team`: shares experiences and adapters with a team, and fetches what others offer."""

from __future__ import annotations

import json
import os
import sys
from datetime import datetime

import click
from rich.table import Table

from agent.library.place import Library
from agent.library.team import membership, pulling, sharing
from agent.library.team.membership import NO_ROLE, ROLES, SharedAdapter, TeamStanding
from agent.library.team.sharing import Leaving
from agent.settings.schema import Settings, TeamSettings
from agent.text import display_safe, format_bytes
from tui.show.plain import make_console, print_table
from tui.wiring import place, users_settings


@click.group(help="Share experiences and adapters with a team that you joined (extra `team`).")
def team() -> None:
    pass


@team.command("init")
@click.argument("store")
@click.option("--bucket", required=True, metavar="URL", help="s3://BUCKET/PREFIX, or a folder.")
@click.option("--name", metavar="NAME", help="Your name in a store that is a file. [your login]")
def init(*, store: str, bucket: str, name: str | None) -> None:
    """Make a team's store, or bring it up to date, and join it as its administrator.

    STORE is postgresql://NAME@HOST/DATABASE, whose owner runs this, or sqlite:////FOLDER/FILE for
    people of one machine. PostgreSQL gets the roles, grants and policies by which it keeps itself
    that each person's rows stay theirs.
    """
    given = TeamSettings(store=store, bucket=bucket, name=name)
    _show_standing(membership.join(given, os.environ, create=True))


@team.command("join")
@click.argument("store")
@click.option("--bucket", required=True, metavar="URL", help="s3://BUCKET/PREFIX, or a folder.")
@click.option("--name", metavar="NAME", help="Your name in a store that is a file. [your login]")
def join(*, store: str, bucket: str, name: str | None) -> None:
    """Join a team: keep the addresses of its STORE and bucket in your own settings. Sends nothing.

    A password is best left out of the address and kept in ~/.pgpass; keys for S3 are where its own
    tools look for them.
    """
    given = TeamSettings(store=store, bucket=bucket, name=name)
    _show_standing(membership.join(given, os.environ))


@team.command("leave")
def leave() -> None:
    """Take the team out of your settings; what was shared and fetched stays."""
    membership.leave(os.environ)
    click.echo("no team is joined any more; what you shared stays there until you forget it")


@team.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per adapter and line.")
def list_team(*, as_json: bool) -> None:
    """List the members with their roles, and the adapters that they offer."""
    found = membership.standing(users_settings().team)
    if as_json:
        for row in found.adapters:
            click.echo(json.dumps(_record(row)))
        return
    _show_standing(found)
    console = make_console()
    members = ", ".join(f"{member.name} ({member.role.value})" for member in found.members)
    console.print(f"members: {display_safe(members)}")
    if not found.adapters:
        console.print("no adapter is offered yet")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("adapter", "of", "project", "model", "shared", "size", "state"):
        table.add_column(column, overflow="fold")
    for row in found.adapters:
        when = datetime.fromtimestamp(row.shared_at).astimezone().strftime("%Y-%m-%d %H:%M")
        words = (row.name, row.member, row.project, row.model, when)
        state = "tainted: made from something forgotten" if row.tainted else "offered"
        table.add_row(*map(display_safe, words), format_bytes(row.size_bytes), state)
    print_table(table)


def _record(row: SharedAdapter) -> dict[str, object]:
    return {
        "v": 1,
        "digest": row.digest,
        "name": row.name,
        "member": row.member,
        "project": row.project,
        "model": row.model,
        "tainted": row.tainted,
        "shared_at": row.shared_at,
        "bytes": row.size_bytes,
    }


@team.command("share")
@click.option("--dry-run", is_flag=True, help="Only say what would leave this machine.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--project", metavar="NAME", help="Name of the project there. [the folder's name]")
def share(*, dry_run: bool, yes: bool, project: str | None) -> None:
    """Send what can be learned from and what was promoted here, after saying what leaves.

    Only experiences that training could use go, with secrets taken out once more, promoted
    adapters with their report, and notes on changed APIs of libraries; the examples behind those
    stay. What was shared before is not sent again; what you forgot here is forgotten there.
    """
    settings, owned, name = _here(project)
    found = sharing.leaving(owned, settings.team, place().root, project=name)
    _show_leaving(found, name)
    if dry_run:
        return
    if passed := sharing.pass_on_forgotten(owned, settings.team):
        click.echo(f"forgot {_count(passed, 'experience')} in the team's store")
    if not found.new.number:
        click.echo("nothing new to share")
        return
    if not _may_send(yes=yes):
        click.echo("nothing was sent")
        return
    done = sharing.share(found.new, settings.team, project=name, say=_say)
    adapters, notes = _count(len(done.adapters), "adapter"), _count(done.notes, "note")
    click.echo(f"shared {_count(done.experiences, 'experience')}, {notes} and {adapters}")


@team.command("pull")
@click.argument("names", metavar="[ADAPTER]...", nargs=-1)
@click.option("--project", metavar="NAME", help="Name of the project there. [the folder's name]")
def pull(*, names: tuple[str, ...], project: str | None) -> None:
    """Fetch the newest adapter of each member for this project and model, or those named.

    They are saved and not used: `elagent adapters try NAME` tries one on this repository's own
    tasks and decides. An adapter in use that was made from something forgotten is used no more.
    Without names, notes on libraries come along; `agent.notes = true` shows them to the model.
    """
    settings, owned, name = _here(project)
    done = pulling.pull(owned, settings.team, names, project=name, say=_say)
    for notice in done.notices:
        click.echo(f"elagent: {display_safe(notice)}", err=True)
    for fetched in done.fetched:
        click.echo(f"try it on this repository's tasks: elagent adapters try {fetched}")
    if done.notes:
        click.echo(f"fetched {_count(done.notes, 'note')} on libraries")
    if not done.fetched and not done.notes:
        click.echo("nothing new to fetch")
    if done.others:
        click.echo(
            f"{_count(done.others, 'offer')} for other projects or models: `elagent team ls` shows them"
            " and `elagent team pull NAME` fetches one"
        )


@team.command("forget")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def forget(*, ids: tuple[str, ...]) -> None:
    """Erase experiences here and in the team's store, and taint for all what was made of them.

    The same as `elagent experiences forget`, which passes it on to the team that you joined.
    """
    from tui.commands.experiences import forget_here

    forget_here(ids, everything=False)


@team.command("role")
@click.argument("name")
@click.argument("role", type=click.Choice([*ROLES, NO_ROLE]))
def role(*, name: str, role: str) -> None:
    """Make NAME a member with a role, or with `none` no member; for administrators.

    In PostgreSQL, NAME is a login that exists. What a former member shared stays.
    """
    membership.give_role(users_settings().team, name, role)
    click.echo(f"{name} is {'no member' if role == NO_ROLE else role} of the team")


@team.command("export")
def export() -> None:
    """Write your experiences in the store as JSON lines; an administrator gets everybody's."""
    for line in sharing.exported(users_settings().team):
        click.echo(line)


def _here(project: str | None) -> tuple[Settings, Library, str]:
    """The person's own settings, what is owned here, and the project's name in the team's store."""
    settings, where = users_settings(), place()
    owned = Library(
        repository=where.repository, models=where.paths.models, model=settings.model.name
    )
    return settings, owned, project or where.root.name


def _say(sentence: str) -> None:
    click.echo(display_safe(sentence))


def _may_send(*, yes: bool) -> bool:
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("nobody can be asked here; add --yes to share without a question")
    return click.confirm("Send this to the team?", default=False)


def _show_leaving(found: Leaving, project: str) -> None:
    new = found.new
    verdicts = [f"{sum(row.verdict == v for row in new.experiences)} {v}" for v in ("pass", "fail")]
    readers = "You and the team's administrators" if found.guarded else "All who can read that file"
    libraries = f" of {', '.join(found.libraries)}" if found.libraries else ""
    lines = [
        f"project {project}, as {found.me}, to {found.place} and {found.bucket}:",
        f"  {_count(len(new.experiences), 'experience')} ({', '.join(verdicts)}): prompts, replies, files before and"
        f" after, errors; secrets removed. {readers} can read them.",
        f"  {_count(len(new.adapters), 'promoted adapter')} with the reports, for all members",
        *(f"    {each.name} ({format_bytes(each.size_bytes)})" for each in new.adapters),
        f"  {_count(len(new.notes), 'note')} on changed APIs{libraries}, for all members: names and the"
        " shape of a call; the examples behind them stay",
        f"  together {format_bytes(new.size_bytes)}; {found.known} more are there already",
    ]
    lines += [f"  stays here: {count} ({reason})" for reason, count in new.staying.items()]
    for line in lines:
        click.echo(display_safe(line))


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _show_standing(found: TeamStanding) -> None:
    kept = "the database keeps the roles" if found.guarded else "only elagent looks at the roles"
    line = f"{found.me} is {found.role} of the team at {found.place}, bucket {found.bucket}; {kept}"
    click.echo(display_safe(line))
