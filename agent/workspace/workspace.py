"""The user's folder: snapshots of it, and undo that refuses rather than guesses.

All states are in our own git directory; the user's index, refs, hooks and the times of unchanged
files are never touched. Calls block (use `asyncio.to_thread`) and may come from several
processes at once.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from agent.errors import UndoRefusedError, WorkspaceError
from agent.locks import hold, try_lock
from agent.paths import make_private
from agent.workspace.editing import editing
from agent.workspace.journal import Journal, OpenTurn, UndoStep, read_journal, write_journal
from agent.workspace.limits import DEFAULT_LIMITS, SnapshotLimits
from agent.workspace.rewinding import taken_back
from agent.workspace.snapshots import Change, Ignored, Snapshots
from agent.workspace.steps import Restored, decoded, redone, step_of, undone
from agent.workspace.unjudged import Noted, Unjudged

__all__ = ["Restored", "UndoRefusedError", "Workspace", "WorkspaceError"]

_LOCK_TIMEOUT_S = 60.0


class Workspace:
    """One folder of the user, a git repository or not.

    `git_dir` is where our snapshots live; folders in `excluded` (and the one around `git_dir`)
    never count as the user's files.
    """

    def __init__(
        self,
        root: Path,
        git_dir: Path,
        *,
        environ: Mapping[str, str] = MappingProxyType({}),
        excluded: Sequence[Path] = (),
        limits: SnapshotLimits = DEFAULT_LIMITS,
    ) -> None:
        self.root = root.resolve()
        self._git_dir = git_dir
        self._snapshots = Snapshots(
            self.root, git_dir, environ, excluded=(*excluded, git_dir.parent), limits=limits
        )
        self._unjudged = Unjudged(self.root, git_dir.with_name("unjudged"))
        self._turn: str | None = None

    def list_files(self) -> list[str]:
        """Tracked files, and untracked ones that are not ignored; relative, sorted.

        In a folder without git, `.gitignore` files and a built-in list decide. Names that are not
        UTF-8 come with surrogate escapes, as everywhere in Python.

        Raises:
            WorkspaceError: If the folder or its git repository cannot be read.
        """
        with self._locked():
            return sorted(os.fsdecode(path) for path in self._snapshots.files())

    def list_ignored(self, patterns: Sequence[str] = ()) -> Ignored:
        """Files that git ignores; those of `patterns` (git's globs) wherever they are.

        Raises:
            WorkspaceError: If the folder or its git repository cannot be read.
        """
        with self._locked():
            return self._snapshots.ignored(patterns)

    def snapshot(self, label: str) -> str:
        """Record the state of all files now; gives an id for `diff` and `restore`.

        Raises:
            WorkspaceError: If it could not be recorded completely.
        """
        with self._locked():
            return self._taken(label)

    @property
    def left_out(self) -> str:
        """Files and folders that the last snapshot left out, beyond its limits."""
        return str(self._snapshots.left_out or "")

    def will_write(self, target: Path, content: bytes | None = None) -> None:
        """Hold a file that the agent is about to write, wherever it is, so that `undo` can go back.

        Without this call, no snapshot would hold a file in a cache or a large ignored folder. A known
        `content` tells the agent's own work from later edits even after a kill. Outside of a turn, and for a place outside of the folder, this does nothing.
        """
        if self._turn is None or not target.is_relative_to(self.root):
            return
        path = target.relative_to(self.root)
        with self._locked():
            journal = self._read()
            turn = journal.turn(self._turn)
            if turn is None or (content is None and str(path) in turn.written):
                return
            before = turn.before
            if str(path) not in turn.written:
                before = self._snapshots.with_file(before, os.fsencode(path))
            turn = replace(turn.writing(str(path), content), before=before)
            self._write(journal.wrote(turn))

    def written(self) -> tuple[str, ...]:
        """Files of the open turn that are still as it left them: written by it, or gone.

        Raises:
            WorkspaceError: If the journal of turns cannot be read.
        """
        with self._locked():
            turn = self._read().turn(self._turn) if self._turn else None
            return (
                tuple(path for path in turn.written if turn.left(self.root, path)) if turn else ()
            )

    def will_judge(self, target: Path, content: bytes) -> Noted:
        """Note an edit before it is written that is reverted unless the tests confirm it.

        If this process is killed before the note is done, `put_back` does it.

        Raises:
            WorkspaceError: If it cannot be noted; then it must not be written.
        """
        self.will_write(target, content)
        try:
            return self._unjudged.note(target, content)
        except OSError as err:
            raise WorkspaceError(
                f"{target.name} was not changed: it cannot be noted: {err}"
            ) from err

    def put_back(self) -> tuple[str, ...]:
        """Revert the unjudged edits of killed processes; returns a sentence for each.

        Raises:
            SourceFileError: If the file system refuses.
        """
        return self._unjudged.put_back()

    def diff(self, old: str, new: str | None = None) -> str:
        """A unified diff between two snapshots, or from one to now."""
        with self._locked():
            return self._snapshots.diff(old, self._end_of(old, new))

    def changed(self, old: str, new: str | None = None) -> list[str]:
        """The paths that differ between two snapshots, or from one to now."""
        with self._locked():
            return _names(self._snapshots.changes(old, self._end_of(old, new)))

    def _end_of(self, old: str, new: str | None) -> str:
        self._snapshots.require(old)
        end = self._taken("for a diff", also=old) if new is None else new
        return self._snapshots.require(end)

    def held(self, state: str, paths: Collection[str]) -> dict[str, bytes | None]:
        """Those of the files that differ from a recorded state, with what it holds of them.

        None stands for a file that the state does not have.
        """
        with self._locked():
            now = self._taken("for a look back", also=self._snapshots.require(state))
            held = self._snapshots.held(state, now, set(map(os.fsencode, paths)))
            return {os.fsdecode(path): content for path, content in held.items()}

    def restore(self, state: str, *, only: Collection[str] | None = None) -> Restored:
        """Bring the files that a recorded state holds, or `only` some of them, to that state.

        Files that do not differ stay untouched.

        Outside a turn this is itself a step that `undo` takes back.

        Raises:
            UndoRefusedError: If something that no snapshot holds stands in the way.
            WorkspaceError: If the snapshot is missing or damaged; nothing was changed then.
        """
        with self._locked():
            target = self._snapshots.require(state)
            now = self._taken("before going back", also=target)
            wanted = self._snapshots.changes(now, target)
            if only is not None:
                own = set(map(os.fsencode, only))
                wanted = {path: change for path, change in wanted.items() if path in own}
            with editing(self.root) if self._turn is None else contextlib.nullcontext():
                paths = self._snapshots.apply(wanted)
            label = f"going back to {state[:8]}"
            if self._turn is None and paths:
                after = self._taken(label)
                step = UndoStep(before=now, after=after, label=label)
                self._write(self._read().extended(step))
            return Restored(label=label, paths=decoded(paths), safety=now)

    @contextlib.contextmanager
    def turn(self, label: str) -> Iterator[str]:
        """Make all changes in the context one step of `undo`; yields the state before.

        The step ends on every way out. For a killed process it holds the files that are, byte for
        byte, as the agent wrote them; if that is not known, `undo` has to be forced.
        """
        key = uuid.uuid4().hex
        alive = try_lock(self._turn_lock(key, create=True))
        if alive is None:
            raise WorkspaceError("another turn has the same name; try again")
        try:
            with self._locked():
                before = self._taken(label)
                journal = self._settled()
                turn = OpenTurn(key=key, before=before, label=label, contents={})
                self._write(journal.opened(turn))
            self._turn = key
            try:
                yield before
            finally:
                self._turn = None
                self._finish(key, before, label)
        finally:
            os.close(alive)
            self._turn_lock(key).unlink(missing_ok=True)

    def undo(self, *, force: bool = False) -> Restored:
        """Take back the last turn.

        Files that the turn did not change are left alone, and so are ignored ones that changed
        meanwhile and that the agent did not write. With `force` these and later edits of the turn's
        own files are taken back too; `redo` brings them all again.

        Raises:
            UndoRefusedError: If there is nothing to undo, or a file of the turn has changed since.
        """
        with self._locked():
            journal, restored = undone(self._snapshots, self._idle(), force=force)
            self._write(journal)
            return restored

    def take_back(self, steps: Sequence[UndoStep]) -> Restored:
        """Take back the last of `steps()`, as they were told, at once; `redo` brings each back.

        Raises:
            UndoRefusedError: If they are not the last ones any more, or a file of them changed since.
        """
        with self._locked():
            journal, restored = taken_back(self._snapshots, self._idle(), steps)
            self._write(journal)
            return restored

    def _idle(self) -> Journal:
        """The journal; an UndoRefusedError while a turn runs."""
        journal = self._settled()
        if journal.open:
            raise UndoRefusedError(
                f"the turn {journal.open[-1].label!r} is still running in this folder; "
                "stop it first"
            )
        return journal

    def redo(self, *, force: bool = False) -> Restored:
        """Bring back the turn that was undone last; refuses like `undo`."""
        with self._locked():
            journal, restored = redone(self._snapshots, self._settled(), force=force)
            self._write(journal)
            return restored

    def steps(self) -> tuple[UndoStep, ...]:
        """The turns that `undo` would take back, the last one last."""
        with self._locked():
            journal = self._read()
            return journal.steps[: journal.cursor]

    def prune(self, *, older_than: float) -> int:
        """Forget snapshots from before that time that no turn needs; counts them."""
        with self._locked():
            return self._snapshots.forget(self._read().states, older_than=older_than)

    def _finish(self, key: str, before: str, label: str) -> None:
        with self._locked():
            journal = self._read()
            turn = journal.turn(key) or OpenTurn(key=key, before=before, label=label)
            self._write(self._ended(journal, turn))

    def _settled(self) -> Journal:
        """The journal, in which turns of dead processes became steps."""
        journal = self._read()
        for turn in journal.open:
            descriptor = try_lock(self._turn_lock(turn.key))
            if descriptor is None:
                continue
            os.close(descriptor)
            self._turn_lock(turn.key).unlink(missing_ok=True)
            journal = self._ended(journal, turn, cut_off=True)
        return journal

    def _ended(self, journal: Journal, turn: OpenTurn, *, cut_off: bool = False) -> Journal:
        step = step_of(self._snapshots, turn, cut_off=cut_off)
        journal = journal.closed(turn.key)
        return journal.extended(step) if step is not None else journal

    def _taken(self, label: str, *, also: str | None = None) -> str:
        """The state now, with what the agent wrote in the open turn."""
        turn = self._read().turn(self._turn) if self._turn else None
        written = map(os.fsencode, turn.written) if turn else ()
        return self._snapshots.take(label, also=also, written=written)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        make_private(self._git_dir)
        try:
            with hold(self._git_dir / "elagent.lock", timeout_s=_LOCK_TIMEOUT_S) as descriptor:
                self._snapshots.prepare(descriptor)
                yield
        except TimeoutError as err:
            message = f"another session is busy with the snapshots of {self.root}; try again"
            raise WorkspaceError(message) from err
        except OSError as err:
            raise WorkspaceError(f"the snapshots of {self.root} failed: {err}") from err

    def _turn_lock(self, key: str, *, create: bool = False) -> Path:
        folder = self._git_dir / "turns"
        return (make_private(folder) if create else folder) / key

    def _read(self) -> Journal:
        return read_journal(self._git_dir / "journal.json")

    def _write(self, journal: Journal) -> None:
        write_journal(self._git_dir / "journal.json", journal)


def _names(changes: Mapping[bytes, Change]) -> list[str]:
    return sorted(os.fsdecode(path) for path in changes)
