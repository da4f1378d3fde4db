"""`elagent purge`: lists the state that is kept of each repository, and removes it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click
from rich.table import Table

from agent.errors import WorkspaceError
from agent.paths import Paths, from_environ
from agent.session.kept import ADAPTERS, EXPERIENCES, RepositoryState, kept, remove, size_of
from agent.text import display_safe, format_bytes, format_seconds
from tui.show.plain import make_console, print_table
from tui.wiring import repository_root

_KINDS = ("snapshots", "sessions", EXPERIENCES, ADAPTERS, "other")


@click.command(help="Show what is kept of each repository; remove it for those that are named.")
@click.argument("repositories", nargs=-1, metavar="[REPOSITORY]...")
@click.option("--all", "all_", is_flag=True, help="Remove it for every repository.")
@click.option("--experiences", is_flag=True, help="Remove what was captured to learn from, too.")
@click.option("--adapters", is_flag=True, help="Remove what was learned, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; removing needs --yes then.")
def purge(
    *,
    repositories: tuple[str, ...],
    all_: bool,
    experiences: bool,
    adapters: bool,
    yes: bool,
    as_json: bool,
) -> int:
    paths = from_environ(os.environ)
    found = kept(paths)
    if not repositories and not all_:
        if experiences or adapters:
            raise click.UsageError("name the repositories, or add --all")
        _list(found, paths, as_json=as_json)
        return 0
    chosen = found if all_ else [_named(found, paths, given) for given in repositories]
    wanted = ((experiences, EXPERIENCES), (adapters, ADAPTERS))
    with_ = frozenset(kind for flag, kind in wanted if flag)
    if not yes:
        _ask(chosen, with_, as_json=as_json)
    return _remove(chosen, with_, as_json=as_json)


def _named(found: Sequence[RepositoryState], paths: Paths, given: str) -> RepositoryState:
    """Find the repository of a listed name, or of a folder."""
    folder = repository_root(Path(given).resolve())
    names = {given, paths.repository(folder).home.name}
    for item in found:
        if item.name in names or (item.root and item.root == given):
            return item
    raise click.UsageError(
        f"nothing is kept of {display_safe(given)}; `elagent purge` lists the repositories"
    )


def _ask(chosen: Sequence[RepositoryState], with_: frozenset[str], *, as_json: bool) -> None:
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("nobody can be asked here; add --yes to remove without a question")
    for item in chosen:
        click.echo(f"{_folder(item)}: {format_bytes(_removable(item, with_))}")
    lost = "" if with_ else "; what was captured and learned stays"
    what = f"Remove {', '.join(_removed_kinds(with_))} of {_count(chosen)}{lost}?"
    click.confirm(what, default=False, abort=True)


def _remove(chosen: Sequence[RepositoryState], with_: frozenset[str], *, as_json: bool) -> int:
    removed, refused = {}, {}
    for item in chosen:
        try:
            removed[item.name] = remove(item, with_=with_)
        except WorkspaceError as err:
            refused[item.name] = str(err)
    if as_json:
        click.echo(json.dumps({"removed": removed, "not_removed": refused}))
    else:
        for reason in refused.values():
            click.echo(f"elagent: {display_safe(reason)}", err=True)
        freed = format_bytes(sum(removed.values()))
        click.echo(f"removed what was kept of {len(removed)} repositories ({freed})")
    return 1 if refused else 0


def _list(found: Sequence[RepositoryState], paths: Paths, *, as_json: bool) -> None:
    models = size_of(paths.models)
    if as_json:
        rows = [_record(item) for item in found]
        click.echo(json.dumps({"home": str(paths.home), "repositories": rows, "models": models}))
        return
    console = make_console()
    if not found:
        console.print("nothing is kept of any repository")
    else:
        table = Table(box=None, pad_edge=False)
        for column in ("repository", "last used", "size", "of which", "folder"):
            table.add_column(column, overflow="fold")
        for item in found:
            table.add_row(*_row(item))
        print_table(table)
        total = format_bytes(sum(item.size_bytes for item in found))
        console.print(
            f"{_count(found)}, {total}. `elagent purge NAME` or `--all` removes snapshots, sessions"
            " and caches; --experiences and --adapters remove what cannot be made again."
        )
    console.print(
        f"Models take {format_bytes(models)} (`elagent models ls`, `models rm`); images are shown by"
        " `elagent sandbox ls`."
    )


def _row(item: RepositoryState) -> tuple[str, ...]:
    ago = f"{format_seconds(max(0.0, time.time() - item.used_at))} ago"
    parts = [f"{kind} {format_bytes(item.sizes[kind])}" for kind in _KINDS if item.sizes.get(kind)]
    used = f"{ago}, {item.in_use}" if item.in_use else ago
    return item.name, used, format_bytes(item.size_bytes), ", ".join(parts), _folder(item)


def _folder(item: RepositoryState) -> str:
    if not item.root:
        return f"{item.name} (folder not known)"
    gone = "" if Path(item.root).is_dir() else " (no longer there)"
    return f"{display_safe(item.root)}{gone}"


def _record(item: RepositoryState) -> dict[str, object]:
    return {
        "name": item.name,
        "folder": item.root,
        "bytes": item.size_bytes,
        "sizes": dict(item.sizes),
        "used_at": item.used_at,
        "in_use": item.in_use,
    }


def _removable(item: RepositoryState, with_: frozenset[str]) -> int:
    kinds = {*_removed_kinds(with_), "other"}
    return sum(size for kind, size in item.sizes.items() if kind in kinds)


def _removed_kinds(with_: frozenset[str]) -> list[str]:
    return ["snapshots", "sessions", "caches", *sorted(with_)]


def _count(found: Sequence[RepositoryState]) -> str:
    return "1 repository" if len(found) == 1 else f"{len(found)} repositories"
