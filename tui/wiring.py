"""Settings and paths for one command, read once from the command line, environment and files."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from agent.context.instructions import read_instructions
from agent.errors import ConfigError, PlaceError
from agent.library.place import Library
from agent.paths import Paths, RepositoryPaths, from_environ, user_config_file
from agent.session.context import Context
from agent.session.place import trouble_with
from agent.settings.commands import PROJECT_FOLDER, WrittenCommands, read_commands
from agent.settings.files import project_root
from agent.settings.load import load
from agent.settings.schema import Settings
from agent.settings.trust import TrustFile, configuration_of, digest_of
from agent.text import display_safe
from sandbox.project.focus import WHOLE, Focus, PathError, find_focuses, project_folder
from tui.slash import SLASH_COMMANDS

_SHOWN_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryPlace:
    """A repository and the folders of its state, for commands that read no settings."""

    root: Path
    paths: Paths

    @property
    def repository(self) -> RepositoryPaths:
        return self.paths.repository(self.root)

    @property
    def library(self) -> Library:
        """The experiences and adapters of the repository, read without any setting."""
        return Library(repository=self.repository, models=self.paths.models)


def place(path: Path | None = None) -> RepositoryPlace:
    """Return the repository that holds `path` (default: the current folder); read none of its files."""
    cwd = (path or Path.cwd()).resolve()
    return RepositoryPlace(root=repository_root(cwd), paths=from_environ(os.environ))


def context(
    path: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    *,
    focused: bool = False,
) -> Context:
    """Read settings and paths for the repository that holds `path` (default: the current folder).

    `focused` limits the tests to the project around `path`.

    Raises:
        ConfigError: If a setting is wrong; the message names the file and line.
    """
    cwd = (path or Path.cwd()).resolve()
    where = place(cwd)
    words = configuration_of(cwd)
    trusted = is_trusted(where.root, words, TrustFile(where.paths.trust_file))
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    loaded = load(where.root, os.environ, given, trusted=trusted)
    instructions = read_instructions(where.root, cwd) if trusted else ""
    commands = _written_commands(where.root, trusted=trusted)
    if trusted and digest_of(configuration_of(cwd)) != digest_of(words):
        raise ConfigError(
            "the configuration that this repository brings changed while it was read; "
            "start again to be shown what it says now"
        )
    focus = Focus(folder=project_folder(where.root, cwd)) if focused else WHOLE
    from elagent import command

    return Context(
        root=where.root,
        loaded=loaded,
        paths=where.paths,
        environ=os.environ,
        launcher=command(),
        instructions=instructions,
        commands=commands,
        focus=focus,
    )


def _written_commands(root: Path, *, trusted: bool) -> WrittenCommands:
    """Read the commands that the person wrote, and those of a trusted project behind them."""
    own = user_config_file(os.environ).with_name("commands")
    folders = (own, project_root(root) / PROJECT_FOLDER) if trusted else (own,)
    return read_commands(folders, [command.name for command in SLASH_COMMANDS])


def contexts(
    paths: Sequence[str],
    overrides: Mapping[str, object] | None = None,
    *,
    here: bool = False,
    may_ask: bool = True,
) -> tuple[Context, ...]:
    """Return one context for each project that the paths belong to (default: the current folder).

    The first path determines the repository; `here` and `may_ask` as in `place_to_work`.

    Raises:
        ConfigError: If a setting is wrong, or a path does not exist or lies in another repository.
        PlaceError: If nobody allows elagent to work there.
    """
    cwd = Path.cwd()
    named = [path.partition("::")[0] for path in paths] or ["."]
    first = Path(os.path.normpath(cwd / named[0]))
    root = root_for(first, cwd) if first.exists() else cwd
    try:
        focuses = find_focuses(root, cwd, paths or ["."])
    except PathError as err:
        raise ConfigError(str(err)) from err
    one = place_to_work(root, overrides, here=here, may_ask=may_ask)
    return tuple(replace(one, focus=focus) for focus in focuses)


def named_tests(root: Path, names: Sequence[str]) -> frozenset[str]:
    """The ids of tests, relative to the repository, that FILE or FILE::TEST mean from here.

    Raises:
        ConfigError: If a file does not exist or lies in another repository.
    """
    try:
        focuses = find_focuses(root, Path.cwd(), names)
    except PathError as err:
        raise ConfigError(str(err)) from err
    return frozenset(target for focus in focuses for target in focus.targets)


def root_for(path: Path, cwd: Path) -> Path:
    """Return the repository around a path, or else the project around that path, below `cwd`."""
    folder = (path if path.is_dir() else path.parent).resolve()
    root = repository_root(folder)
    if (root / ".git").exists():
        return root
    top = cwd if folder.is_relative_to(cwd) else folder
    if inside := project_folder(top, folder):
        return top / inside
    return folder if path.is_dir() else top


def users_settings() -> Settings:
    """Read settings without those of a project, for commands that no project may stop.

    Raises:
        ConfigError: If a setting of the user is wrong; the message names the file and line.
    """
    return load(Path.cwd(), os.environ, trusted=False).settings


def place_to_work(
    path: Path | None = None,
    overrides: Mapping[str, object] | None = None,
    *,
    here: bool = False,
    may_ask: bool = True,
    focused: bool = False,
) -> Context:
    """Return the context for a command that keeps copies of the files: the folder must be a project.

    A person at a terminal is asked about any other folder, unless `here` or a setting allows it.

    Raises:
        PlaceError: If nobody allows the folder.
        ConfigError: If a setting is wrong.
    """
    allowed = True if here or _program_options().get("here") else None
    where = context(path, {**(overrides or {}), "session.here": allowed}, focused=focused)
    trouble = trouble_with(where.root, os.environ)
    if not trouble or where.settings.session.here:
        return where
    said = f"{display_safe(str(where.root))} {trouble}"
    if may_ask and sys.stdin.isatty() and sys.stdout.isatty():
        click.echo(f"{said}. Its files would be copied for undo, and the model could read them.")
        if click.confirm("Work here all the same?", default=False):
            return where
    raise PlaceError(f"{said}; start in a project's own folder, or add --here to work here")


def is_trusted(root: Path, words: Mapping[str, str], answers: TrustFile) -> bool:
    """True if elagent may obey the configuration that a repository brings; asks the person if needed.

    The person is asked once for each content of these files. `--trust` accepts the present
    content. Where nobody can be asked, the answer is no, and a message tells so.
    """
    if not words:
        return True
    digest = digest_of(words)
    options = _program_options()
    if options.get("trust"):
        answers.remember(root, digest, trusted=True)
        return True
    known = answers.answer(root, digest)
    if known is not None:
        return known
    names = display_safe(", ".join(words))
    changed = answers.was_asked(root)
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or options.get("as_json"):
        why = "changed since you were asked" if changed else "not trusted"
        click.echo(f"elagent: {why}, so not read: {names}; `elagent --trust` reads it", err=True)
        return False
    trusted = _ask_for_trust(words, changed=changed)
    answers.remember(root, digest, trusted=trusted)
    return trusted


def _ask_for_trust(words: Mapping[str, str], *, changed: bool) -> bool:
    since = ", which changed since you were last asked" if changed else ""
    click.echo(f"This repository brings its own configuration for elagent{since}.")
    for name, text in words.items():
        lines = display_safe(text).splitlines()
        click.echo(f"-- {display_safe(name)}")
        click.echo("\n".join(f"   {line}" for line in lines[:_SHOWN_LINES]))
        if len(lines) > _SHOWN_LINES:
            click.echo(f"   ({len(lines) - _SHOWN_LINES} more lines; open the file to read them)")
    return click.confirm("Read it, until it changes?", default=False)


def _program_options() -> Mapping[str, object]:
    """Return the options that stand before a command."""
    current = click.get_current_context(silent=True)
    return current.find_root().params if current is not None else {}


def repository_root(path: Path) -> Path:
    """Return the nearest folder at or above `path` with a `.git`, else `path` itself."""
    for folder in (path, *path.parents):
        if (folder / ".git").exists():
            return folder
    return path
