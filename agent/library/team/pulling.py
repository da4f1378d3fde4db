"""Fetches adapters of the team, and stops using those that became tainted."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import BusyError, ConfigError
from agent.library.place import Library
from agent.library.team.opening import own_adapters, own_experiences, team_bucket, team_store
from agent.library.team.sharing import Say, pass_on
from agent.locks import hold
from agent.paths import make_private
from agent.settings.schema import TeamSettings
from learning.contexts.notes import TeamNotes
from learning.errors import LearningError
from learning.team.errors import TeamUnreachableError
from learning.team.values import SharedAdapter

if TYPE_CHECKING:
    from learning.team.pulling import Stopped
    from learning.team.store import TeamStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    """Result of a fetch."""

    fetched: tuple[str, ...]
    notices: tuple[str, ...]
    """Items that were passed over, with the reasons."""
    others: int = 0
    """Offers for other models or of other projects, which are fetched by name only."""
    notes: int = 0
    """Notes on libraries that are new here."""


def pull(
    library: Library, settings: TeamSettings, names: Sequence[str], *, project: str, say: Say
) -> Pulled:
    """Stop using what became tainted, and fetch adapters: those named, or the newest of each member.

    Without names, the other members' notes on libraries replace those that were fetched before.

    Raises:
        BusyError: If another process fetches for this repository.
        TeamError: If the store or the bucket fails; what was fetched whole stays.
    """
    from learning.team.pulling import fetch, stop_tainted

    adapters = own_adapters(library)
    with _scratch(library) as scratch, team_store(settings) as store:
        if passed := pass_on(library, settings, store):
            say(f"forgot {passed} in the team's store")
        with own_experiences(library) as experiences:
            if (stopped := stop_tainted(experiences, adapters, store)) is not None:
                say(_why(stopped))  # at once: it is done, whatever comes of the rest
        noted, notices_of_notes = (0, []) if names else _fetch_notes(library, store, project)
        here = {manifest.digest for manifest in adapters.list()}
        wanted, notices, others = _wanted(
            store.adapters.all(), names, here, (project, library.model)
        )
        notices += notices_of_notes
        fetched = []
        for each in wanted:
            if each.digest in here:
                continue
            try:
                fetch(each, store, team_bucket(settings), adapters, scratch=scratch)
            except LearningError as err:
                if isinstance(err, TeamUnreachableError) or names:
                    raise
                notices.append(str(err))
            else:
                fetched.append(each.name)
                say(f"fetched {each.name} of {each.member}")
    return Pulled(fetched=tuple(fetched), notices=tuple(notices), others=others, notes=noted)


def _fetch_notes(library: Library, store: TeamStore, project: str) -> tuple[int, list[str]]:
    """The number of notes that are new here, and a sentence about those that were left out."""
    kept = TeamNotes(make_private(library.repository.contexts))
    notes, strange = store.notes.of_others(project)
    new = len(set(notes) - set(kept.read()))
    kept.write(notes)
    told = f"notes of another form in the team's store, left out: {strange}"
    return new, [told] if strange else []


def _wanted(
    offers: Sequence[SharedAdapter],
    names: Sequence[str],
    here: Collection[str],
    place: tuple[str, str],
) -> tuple[Sequence[SharedAdapter], list[str], int]:
    """The offers to fetch, sentences about others, and the number of those that do not fit here.

    `here` are digests of adapters that are here, `place` is this project and its model.
    """
    if names:
        return [_named(offers, name) for name in names], [], 0
    fitting = [each for each in offers if (each.project, each.model) == place]
    newest = {each.member: each for each in fitting if not each.tainted}  # the oldest come first
    notices = [
        f"{each.name} of {each.member} is tainted: not fetched"
        for each in fitting
        if each.tainted and each.digest not in here
    ]
    others = [each for each in offers if each not in fitting and not each.tainted]
    return list(newest.values()), notices, len(others)


def _why(stopped: Stopped) -> str:
    return (
        f"{stopped.name} is not used any more: a member forgot an experience that it was made from;"
        f" {stopped.instead or 'the bare base model'} is in use"
    )


def _named(offers: Sequence[SharedAdapter], name: str) -> SharedAdapter:
    found = [each for each in offers if name in (each.name, each.digest)]
    if len(found) != 1:
        known = f"{len(found)} adapters of the team are" if found else "no adapter of the team is"
        hint = (
            "; name its digest, see `elagent team ls --json`"
            if found
            else ": see `elagent team ls`"
        )
        raise ConfigError(f"{known} named {name!r}{hint}")
    return found[0]


@contextlib.contextmanager
def _scratch(library: Library) -> Iterator[Path]:
    """A folder for files that are not whole yet, of one process at a time and empty at first."""
    home = make_private(library.repository.home)
    try:
        with hold(home / "team.lock", timeout_s=1.0):
            folder = home / "team"
            shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
            try:
                yield make_private(folder)
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except TimeoutError as err:
        raise BusyError(
            "another elagent fetches adapters for this repository: try again when it is done"
        ) from err
