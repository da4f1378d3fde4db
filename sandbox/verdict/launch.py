"""First program inside the box: installs the project, then hands over to a test runner.

Records leave on what was standard error when this started; everything the tests print, on either
stream, leaves on standard output. Nothing of the project is imported before the runner is.
"""

# strings, not Path objects: file names here come out of code objects and node ids
# ruff: noqa: PTH100, PTH110, PTH118, PTH120, PTH206
from __future__ import annotations

import faulthandler
import hmac
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType, TracebackType

ENVIRONMENT = "/tmp/elagent-env"  # noqa: S108
MESSAGE_LIMIT = 2000
DETAIL_LIMIT = 12000
FRAME_LIMIT = 40
_FOREIGN = ("site-packages", "dist-packages", ".venv", "venv", ".tox", ".nox")


class Reporter:
    """Writes one signed and numbered record a line, in the process that made it and no fork of it.

    The key is kept only inside the hash that signs. Code in this process that sets out to find it
    can: what that means for the verdict is the host's affair.
    """

    def __init__(self, fd: int, key: str, root: str, count: int = 0) -> None:
        self._fd = fd
        self._seal = hmac.new(key.encode(), digestmod="sha256")
        self._count = count
        self._dump_at = 0.0
        self._pid = os.getpid()
        self.root = os.path.realpath(root)

    def emit(self, kind: str, **fields: object) -> None:
        """Write a record at once, so that it survives whatever happens next."""
        if os.getpid() != self._pid:
            return
        body = json.dumps({"kind": kind, "n": self._count, **fields}, default=str).encode()
        self._count += 1
        seal = self._seal.copy()
        seal.update(body)
        # a line of its own, whatever else was written to the stream
        line = b"\nel1 " + seal.hexdigest().encode() + b" " + body + b"\n"
        while line:
            line = line[os.write(self._fd, line) :]

    def end(self, exit_code: int) -> None:
        """Say that the runner came to its own end."""
        self.emit("end", exit_code=exit_code)

    def watch(self, dump_at: float) -> None:
        """Say at that time (monotonic) where every thread is: the record of a hang."""
        self._dump_at = dump_at
        left = max(0.05, dump_at - time.monotonic())
        faulthandler.dump_traceback_later(left, file=self._fd)

    def watch_on(self) -> None:
        """Set the watch again: pytest takes it off whenever a test fails."""
        self.watch(self._dump_at)

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
        path = os.path.realpath(os.path.join(self.root, filename))
        inside = os.path.relpath(path, self.root)
        parts = inside.split(os.sep)
        if parts[0] == os.pardir or any(part in _FOREIGN for part in parts):
            return ""
        return inside if os.path.exists(path) else ""


def clipped(text: str, limit: int = DETAIL_LIMIT) -> str:
    """Return both ends of a long text."""
    if len(text) <= limit:
        return text
    return text[: limit // 2] + "\n[...]\n" + text[-limit // 2 :]


def main() -> None:
    """Read the orders from standard input and carry them out."""
    config: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    fd = int(config.get("report_fd", 0))
    if not fd:
        fd = os.dup(2)
        os.dup2(1, 2)
    os.set_inheritable(fd, False)
    sys.dont_write_bytecode = True
    key = config.pop("key")
    reporter = Reporter(fd, key, config["root"], config.get("count", 0))
    if config.get("install"):
        _install(config, reporter, fd, key)
    del key
    _hand_over(config, reporter)


def _install(config: dict[str, Any], reporter: Reporter, fd: int, key: str) -> None:
    """Install the project into an environment of its own and start again in there."""
    python = os.path.join(ENVIRONMENT, "bin", "python")
    make = [sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", ENVIRONMENT]
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    pip += ["--no-index", "--no-deps", "--no-build-isolation", "--no-warn-script-location"]
    for step in (make, [*pip, "--editable", config["root"]]):
        done = subprocess.run(
            step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd=config["root"]
        )
        if done.returncode:
            said = done.stdout.decode("utf-8", "backslashreplace")
            reporter.emit("setup", ok=False, note=clipped(said))
            return
    reporter.emit("setup", ok=True, note="")
    os.environ["VIRTUAL_ENV"] = ENVIRONMENT
    os.environ["PATH"] = os.path.join(ENVIRONMENT, "bin") + os.pathsep + os.environ["PATH"]
    # the setup record was the first one
    config = dict(config, install=False, report_fd=fd, key=key, count=1)
    with tempfile.TemporaryFile() as orders:
        orders.write(json.dumps(config).encode())
        orders.flush()
        orders.seek(0)
        os.dup2(orders.fileno(), 0)
    os.set_inheritable(fd, True)
    os.execv(python, [python, "-s", os.path.abspath(__file__)])  # noqa: S606


def _hand_over(config: dict[str, Any], reporter: Reporter) -> None:
    root = config["root"]
    paths = [os.path.join(root, "src"), root]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    if config["runner"] == "command":
        os.execvp("sh", ["sh", "-c", config["command"]])  # noqa: S606, S607
    reporter.watch(time.monotonic() + config["dump_after_s"])
    try:
        runner = _load(config["runner"] + "_reporter")
    except ImportError:
        reporter.emit("setup", ok=False, note=clipped(traceback.format_exc()), fatal=True)
        sys.exit(3)
    # only now: a project may have a pytest.py or a json.py of its own
    sys.path[0:1] = paths
    sys.modules["__main__"].__dict__.pop("__file__", None)
    code = int(runner.run(reporter, config))
    faulthandler.cancel_dump_traceback_later()
    reporter.end(code)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    # not sys.exit: threads the tests left behind could keep a finished run alive for ever
    os._exit(code)


def _load(name: str) -> ModuleType:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")
    spec = importlib.util.spec_from_file_location("_elagent_" + name, path)
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
