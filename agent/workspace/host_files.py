"""Finds edits of a repository's files that a program on the host would act on by itself.

Only files of the repository are looked at. Reading git's configuration executes nothing.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from agent.approval import Approver, Decision, Question
from agent.errors import WorkspaceError
from agent.workspace.safegit import Git
from sandbox.files.host_names import name_that_host_obeys

_EXECUTABLE = 0o111
_SAY_WHAT = re.compile(
    r"(?:branch|url|user|color|blame|i18n)\.|commit\.template$|remote\..*\.(?:fetch|push)$"
)
"""Sections of git's configuration whose values name no program and no folder of programs."""
_WORDS = re.compile(r"[^\s'\"`=;|&()<>!]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFiles:
    """Knows the files of one repository that programs on the host run or read as configuration."""

    root: Path
    environ: Mapping[str, str]

    def use_of(self, path: str) -> str:
        """The host's use of a file of this path, as a clause; empty if there is none.

        A file that a symbolic link leads to is looked at under both names.
        """
        target = self.root / path
        names = {path, *self._inner(target)}
        for name in sorted(names):
            if part := name_that_host_obeys(PurePosixPath(name).parts):
                return f"programs on this machine run or obey {part} by themselves"
        settings = tuple(self._git_settings())
        for key, value in settings:
            if any(self._is_named(name, key, value) for name in names):
                return f"git on this machine uses it ({key})"
        if any(self._is_in(self._git_folders(), name) for name in names):
            return "git on this machine keeps its own files there"
        if dict(settings).get("core.filemode") != "false" and _is_executable(target):
            return "it is a program that this machine can start"
        return ""

    def _is_named(self, path: str, key: str, value: str) -> bool:
        """True if a value of git's configuration names the file, or a folder that it is in."""
        places = {path, *map(str, PurePosixPath(path).parents)} - {"."}
        if key == "core.hookspath":
            places.add(str(PurePosixPath(path).parent))
        words = dict.fromkeys((value, *_WORDS.findall(value)))
        return any(not places.isdisjoint(self._relative(word)) for word in words if word)

    def _relative(self, word: str) -> Iterator[str]:
        """A place in the repository as git's configuration may write it, from its root.

        As it is written, and where symbolic links lead it.
        """
        word = word.replace("~/", self.environ.get("HOME", "~") + "/", 1)
        inner = self.root / word.removeprefix("../")
        yield from self._from(self.root, os.path.normpath(inner))
        yield from self._from(self.root.resolve(), os.path.realpath(inner))

    @staticmethod
    def _from(root: Path, place: str) -> Iterator[str]:
        if Path(place).is_relative_to(root):
            yield Path(place).relative_to(root).as_posix()

    @staticmethod
    def _is_in(folders: Collection[str], path: str) -> bool:
        return not {path, *map(str, PurePosixPath(path).parents)}.isdisjoint(folders)

    def _git_folders(self) -> frozenset[str]:
        """Git's own folders in the repository that have other names than `.git`."""
        git = Git(cwd=self.root, env=self._env(), options=())
        try:
            said = git.attempt("rev-parse", "--absolute-git-dir", "--git-common-dir").stdout
        except WorkspaceError:
            return frozenset()
        lines = said.decode("utf-8", "surrogateescape").splitlines()
        found = {place for line in lines for place in self._relative(line)}
        return frozenset(found - {"."})

    def _inner(self, target: Path) -> Iterator[str]:
        real = Path(os.path.realpath(target))
        if real.is_relative_to(home := self.root.resolve()):
            yield real.relative_to(home).as_posix()

    def _git_settings(self) -> Iterator[tuple[str, str]]:
        """Every key and value that the user's own git reads here, the system's and user's included."""
        git = Git(cwd=self.root, env=self._env(), options=())
        try:
            listed = git.attempt("config", "--includes", "--list", "-z")
        except WorkspaceError:
            return
        for entry in listed.stdout.decode("utf-8", "surrogateescape").split("\0"):
            key, _, value = entry.partition("\n")
            if key and not _SAY_WHAT.match(key):
                yield key, value

    def _env(self) -> Mapping[str, str]:
        """Environment variables by which the user's own git finds its configuration."""
        names = ("PATH", "HOME", "XDG_CONFIG_HOME")
        own = {
            name: value
            for name, value in self.environ.items()
            if value and (name in names or name.startswith("GIT_CONFIG"))
        }
        return own | {"LC_ALL": "C"}


def _is_executable(target: Path) -> bool:
    try:
        return target.is_file() and bool(target.stat().st_mode & _EXECUTABLE)
    except OSError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class HostAware:
    """Adds the host's use of a file to each question about an edit, so that no mode allows it unasked."""

    approver: Approver
    files: HostFiles

    async def decide(self, question: Question) -> Decision:
        """Answer like the approver; it also learns what the host would do with an edited file."""
        if question.kind == "edit":
            use = await asyncio.to_thread(self._use, question)
            linked = await asyncio.to_thread(self._is_linked, question)
            question = replace(question, host_use=use, linked=linked)
        return await self.approver.decide(question)

    def _is_linked(self, question: Question) -> bool:
        root = self.files.root.resolve()
        paths = question.paths or (question.subject,)
        return any((root / path).resolve() != root / path for path in paths)

    def _use(self, question: Question) -> str:
        paths = question.paths or (question.subject,)
        uses = [f"{path}: {use}" for path in paths if (use := self.files.use_of(path))]
        return "; ".join(uses) if question.paths else "".join(uses).removeprefix(f"{paths[0]}: ")


MayWrite = Callable[[str, str], Awaitable[Decision]]
"""Decides on the edit of a path, given its diff."""


def asks_for_each(approver: Approver) -> MayWrite:
    """Let a job ask about each edit as a whole, as the mode says."""

    async def may_write(path: str, diff: str) -> Decision:
        decision = await approver.decide(Question(kind="edit", subject=path, detail=diff))
        if decision.allowed and decision.kept is not None:
            return Decision(allowed=False, reason="a part of a repair is not judged alone")
        return decision

    return may_write


def asks_for_host(approver: HostAware) -> MayWrite:
    """Let a job that asks about no edit ask about those that the host would act on."""

    async def may_write(path: str, diff: str) -> Decision:
        if not (use := await asyncio.to_thread(approver.files.use_of, path)):
            return Decision(allowed=True)
        question = Question(kind="edit", subject=path, detail=diff, host_use=use)
        return await approver.approver.decide(question)

    return may_write
