"""First program inside the box: installs the project, then hands over to a test runner.

Records leave on what was standard error when this started; everything the tests print, on either
stream, leaves on standard output. Nothing of the project is imported before the runner is.
"""

# strings, not Path objects: file names here come out of code objects and node ids
# ruff: noqa: PTH100, PTH110, PTH118, PTH120, PTH206
from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
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
    """Writes one JSON record a line, in the process that made it and in no fork of it."""

    def __init__(self, fd: int, nonce: str, root: str) -> None:
        self._fd = fd
        self._nonce = nonce
        self._pid = os.getpid()
        self.root = os.path.realpath(root)

    def emit(self, kind: str, **fields: object) -> None:
        """Write a record at once, so that it survives whatever happens next."""
        if os.getpid() != self._pid:
            return
        line = json.dumps({"kind": kind, **fields}, default=str).encode() + b"\n"
        while line:
            line = line[os.write(self._fd, line) :]

    def end(self, exit_code: int) -> None:
        """Say that the runner came to its own end; only this process knows the nonce."""
        self.emit("end", nonce=self._nonce, exit_code=exit_code)

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
    reporter = Reporter(fd, config["nonce"], config["root"])
    if config.get("install"):
        _install(config, reporter, fd)
    _hand_over(config, reporter, fd)


def _install(config: dict[str, Any], reporter: Reporter, fd: int) -> None:
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
    config = dict(config, install=False, report_fd=fd)
    with tempfile.TemporaryFile() as orders:
        orders.write(json.dumps(config).encode())
        orders.flush()
        orders.seek(0)
        os.dup2(orders.fileno(), 0)
    os.set_inheritable(fd, True)
    os.execv(python, [python, os.path.abspath(__file__)])  # noqa: S606


def _hand_over(config: dict[str, Any], reporter: Reporter, fd: int) -> None:
    root = config["root"]
    paths = [os.path.join(root, "src"), root]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    if config["runner"] == "command":
        os.execvp("sh", ["sh", "-c", config["command"]])  # noqa: S606, S607
    import faulthandler

    # shortly before the limit, say where every thread is: the record of a hang
    faulthandler.dump_traceback_later(config["dump_after_s"], file=fd)
    try:
        runner = _load(config["runner"] + "_reporter")
    except ImportError:
        reporter.emit("setup", ok=False, note=clipped(traceback.format_exc()), fatal=True)
        sys.exit(3)
    # only now: a project may have a pytest.py or a json.py of its own
    sys.path[0:1] = paths
    sys.modules["__main__"].__dict__.pop("__file__", None)
    code = int(runner.run(reporter, list(config["only"])))
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
