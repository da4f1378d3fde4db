"""The journal of turns that can be undone and redone: one small file, replaced atomically."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.errors import WorkspaceError

MAX_STEPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoStep:
    """One change of the folder that can be undone: the states before and after it."""

    before: str
    after: str
    label: str
    cut_off: bool = False
    """The turn did not end by itself: `after` may hold the user's later edits too."""
    only: tuple[str, ...] = ()
    """Paths of the step, if the states also differ in other paths; empty: all that differ."""
    bystanders: tuple[str, ...] = ()
    """Ignored files that others changed meanwhile; undo leaves them alone."""
    not_held: tuple[str, ...] = ()
    """Ignored files that changed meanwhile and were too large, or too many, to be held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTurn:
    """A turn that began and has not ended, or whose process is gone."""

    key: str
    before: str
    label: str
    written: tuple[str, ...] = ()
    """Paths that the agent wrote or is about to write."""
    contents: Mapping[str, Sequence[str]] | None = None
    """Digests of all contents written, by path; None if they were not noted."""

    def writing(self, path: str, content: bytes | None) -> OpenTurn:
        """Add one more file that is about to be written; None stands for what is not known yet."""
        written = self.written if path in self.written else (*self.written, path)
        contents = dict(self.contents or {})
        if content is not None:
            contents[path] = [*contents.get(path, ()), digest(content)]
        return replace(self, written=written, contents=contents)

    def left(self, root: Path, path: str) -> bool:
        """True if a file below `root` is gone, or is as this turn wrote it."""
        target = root / path
        return not os.path.lexists(target) or (
            target.is_file() and self.wrote(path, target.read_bytes())
        )

    def wrote(self, path: str, content: bytes) -> bool:
        """True if this is, byte for byte, something that was written there."""
        return digest(content) in (self.contents or {}).get(path, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """Steps in order; those from `cursor` on are undone and can be redone."""

    steps: tuple[UndoStep, ...] = ()
    cursor: int = 0
    open: tuple[OpenTurn, ...] = ()

    def opened(self, turn: OpenTurn) -> Journal:
        return replace(self, open=(*self.open, turn))

    def turn(self, key: str) -> OpenTurn | None:
        """The open turn with this key."""
        return next((turn for turn in self.open if turn.key == key), None)

    def wrote(self, turn: OpenTurn) -> Journal:
        """Replace the state of an open turn by the present one."""
        return replace(self, open=tuple(turn if t.key == turn.key else t for t in self.open))

    def closed(self, key: str) -> Journal:
        return replace(self, open=tuple(turn for turn in self.open if turn.key != key))

    def extended(self, step: UndoStep) -> Journal:
        """Add one more finished step; what was undone before can no longer be redone."""
        steps = (*self.steps[: self.cursor], step)[-MAX_STEPS:]
        return replace(self, steps=steps, cursor=len(steps))

    def amended(self, index: int, step: UndoStep) -> Journal:
        return replace(self, steps=(*self.steps[:index], step, *self.steps[index + 1 :]))

    def moved(self, cursor: int) -> Journal:
        return replace(self, cursor=cursor)

    @property
    def states(self) -> set[str]:
        """The snapshots that undo and redo still need."""
        ends = {state for step in self.steps for state in (step.before, step.after)}
        return ends | {turn.before for turn in self.open}


def digest(content: bytes) -> str:
    """Digest of a content in the journal."""
    return hashlib.sha256(content).hexdigest()


def read_journal(path: Path) -> Journal:
    """The journal; an empty one where there is no file.

    Raises:
        WorkspaceError: If the file is damaged.
    """
    try:
        data = json.loads(path.read_text("utf-8"))
        journal = Journal(
            steps=tuple(UndoStep(**_frozen(step)) for step in data["steps"]),
            cursor=int(data["cursor"]),
            open=tuple(OpenTurn(**_frozen(turn)) for turn in data["open"]),
        )
        _check(journal)
    except FileNotFoundError:
        return Journal()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as err:
        message = (
            f"the list of turns {path} is damaged ({err}); your files are as they are. Move it"
            " away to begin a new one: only undo of earlier turns goes with it"
        )
        raise WorkspaceError(message) from err
    return journal


def _check(journal: Journal) -> None:
    """Raise a ValueError if the journal holds values that this program never writes."""
    labels = [*(s.label for s in journal.steps), *(t.label for t in journal.open)]
    named = [state for s in journal.steps for state in (s.before, s.after)]
    named += [path for s in journal.steps for path in (*s.only, *s.bystanders, *s.not_held)]
    named += [path for t in journal.open for path in (t.before, *t.written)]
    keys = [turn.key for turn in journal.open]
    for name in (*named, *keys):
        # JSON may hold anything, whatever the types say.
        if "\0" in name or os.fsencode(name) == b"":
            raise ValueError("a name is empty or holds a zero byte")
    if any("\0" in label for label in labels):  # an earlier version wrote empty ones
        raise ValueError("a name holds a zero byte")
    if not all(re.fullmatch(r"[0-9a-f]{32}", key) for key in keys):
        raise ValueError("a turn has no key of ours")
    if not 0 <= journal.cursor <= len(journal.steps):
        raise ValueError("the position is not in the list")
    for turn in journal.open:
        _ = {path: list(digests) for path, digests in (turn.contents or {}).items()}


def write_journal(path: Path, journal: Journal) -> None:
    """Replace the file; a crash leaves the old or the new one, never a part."""
    temporary = path.with_suffix(".new")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(dataclasses.asdict(journal), file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _frozen(fields: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has lists only."""
    return {key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()}
