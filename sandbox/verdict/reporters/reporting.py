"""The record stream, as the runners inside the box write it. Loaded by launch.py.

A test may put something else in the place of whatever this process uses: the clock, `os.write`,
`json.dumps`, the file system. So everything is bound here before the first test is imported, and
the module stays out of `sys.modules`, where tools such as freezegun look for names to replace.
"""

# strings, not Path objects: file names here come out of code objects and node ids
# ruff: noqa: PTH116, PTH118
from __future__ import annotations

import hmac
import json
from hashlib import sha256
from os import getpid, stat, write
from os.path import join, normpath, realpath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from sandbox.verdict.reporters.time_limit import TimeLimit

MESSAGE_LIMIT = 2000
FRAME_LIMIT = 40
ID_LIMIT = 1500
COLLECTED_LIMIT = 20_000
_FOREIGN = ("site-packages", "dist-packages", ".venv", "venv", ".tox", ".nox")


class Reporter:
    """Writes one signed and numbered record a line, in the process that made it and no fork of it.

    The key is kept only inside the hash that signs. Code in this process that sets out to find it
    can: what that means for the verdict is the host's affair.
    """

    def __init__(self, fd: int, key: str, root: str, count: int = 0) -> None:
        self._fd = fd
        self._seal = hmac.new(key.encode(), digestmod="sha256")
        self._encode = json.JSONEncoder(default=str).encode
        self._count = count
        self._pid = getpid()
        self.root = realpath(root)
        self.limit: TimeLimit | None = None
        """Ends a test that takes too long; None where nothing does."""

    def emit(self, kind: str, **fields: object) -> None:
        """Write a record at once, so that it survives whatever happens next."""
        if getpid() != self._pid:
            return
        body = self._encode({"kind": kind, "n": self._count, **fields}).encode()
        self._count += 1
        seal = self._seal.copy()
        seal.update(body)
        # a line of its own, whatever else was written to the stream
        line = b"\nel1 " + seal.hexdigest().encode() + b" " + body + b"\n"
        while line:
            line = line[write(self._fd, line) :]

    def start(self, test_id: str) -> None:
        """Say that a test starts."""
        self.emit("start", id=self.named(test_id))

    def begin_body(self) -> None:
        """Say that the body of a test begins, whose time is limited."""
        if self.limit is not None:
            self.limit.begin()

    def end_body(self) -> None:
        """Say that it has ended; may be said more than once."""
        if self.limit is not None:
            self.limit.stop()

    def result(self, test_id: str, **fields: object) -> None:
        """Report the outcome of a test, or of a file or a class as a whole.

        A test that had to be ended has failed, whatever it made of the interruption.
        """
        said, had_less = self.limit.ended() if self.limit is not None else ("", False)
        if said:
            fields.update(ended=True, had_less=had_less)
            if fields.get("outcome") not in ("failed", "error"):
                message = f"TestTimeout: {said}"
                fields.update(outcome="failed", message=message, exception="TestTimeout")
        self.emit("result", id=self.named(test_id), **fields)

    def end(self, exit_code: int) -> None:
        """Say that the runner came to its own end."""
        self.emit("end", exit_code=exit_code)

    def collected(self, ids: Iterable[str]) -> None:
        """Say which tests there are, in records that are never too long to be read."""
        told: list[str] = []
        size = 0
        for test_id in map(self.named, ids):
            if told and size + len(test_id) > COLLECTED_LIMIT:
                self.emit("collected", ids=told)
                told, size = [], 0
            told.append(test_id)
            size += len(test_id)
        if told:
            self.emit("collected", ids=told)

    @staticmethod
    def named(test_id: str) -> str:
        """Return the id as it is told: whole, or cut and still its own where it is very long.

        pytest makes ids out of parameters, of whatever length, and a record has to stay readable.
        """
        text = test_id.encode("utf-8", "backslashreplace")
        if len(text) <= ID_LIMIT:
            return text.decode()
        mark = "~" + sha256(text).hexdigest()[:16]
        return text[: ID_LIMIT - len(mark)].decode("utf-8", "ignore") + mark

    def describe(self, error: BaseException) -> dict[str, object]:
        """Return the exception's name, its message and the frames inside the project."""
        frames = self.frames(error.__traceback__)
        if isinstance(error, SyntaxError) and error.filename:
            path = self.relative(error.filename)
            if path:
                frames.append((path, error.lineno or 0, "<module>"))
        try:
            text = str(error)
        except Exception:  # noqa: BLE001  (the project's own __str__)
            text = "<no message>"
        name = type(error).__name__
        message = f"{name}: {text}" if text else name
        return {
            "exception": name,
            "message": message[:MESSAGE_LIMIT],
            "frames": frames,
            "file": frames[-1][0] if frames else "",
            "line": frames[-1][1] if frames else 0,
        }

    def frames(self, trace: TracebackType | None) -> list[tuple[str, int, str]]:
        """Return the project's own frames of a traceback, outermost first."""
        found: list[tuple[str, int, str]] = []
        while trace is not None:
            code = trace.tb_frame.f_code
            path = self.relative(code.co_filename)
            if path:
                found.append((path, trace.tb_lineno, code.co_name))
            trace = trace.tb_next
        if len(found) > FRAME_LIMIT:  # endless recursion
            found = found[: FRAME_LIMIT // 2] + found[-FRAME_LIMIT // 2 :]
        return found

    def relative(self, filename: str) -> str:
        """Return the path inside the project, empty for files that are not part of it."""
        place = join(self.root, filename)
        try:
            path = realpath(place)
        except Exception:  # noqa: BLE001  (whatever a test has put in the place of os.lstat)
            path = normpath(place)
        if not path.startswith(self.root + "/"):
            return ""
        inside = path[len(self.root) + 1 :]
        if any(part in _FOREIGN for part in inside.split("/")):
            return ""
        try:
            stat(path)
        except (OSError, ValueError):
            return ""
        return inside
