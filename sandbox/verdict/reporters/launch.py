"""First program inside the box: installs the project, then hands over to a test runner.

Records leave on what was standard error when this started; everything the tests print, on either
stream, leaves on standard output. Nothing of the project is imported before the runner is.
"""

# strings, not Path objects: file names here come out of code objects and node ids
# ruff: noqa: PTH100, PTH118, PTH120
from __future__ import annotations

import builtins
import faulthandler
import fcntl
import importlib.util
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

    from sandbox.verdict.reporters.reporting import Reporter

_HERE = os.path.dirname(os.path.abspath(__file__))  # it is taken away before the tests run
ENVIRONMENT = "/tmp/elagent-env"  # noqa: S108
_WATCH_SIGNAL = signal.SIGRTMAX - 3
"""A signal without a name: a test may send itself any that has one."""
_WATCH_STEP_S = 0.2
_EXTENSION = re.compile(rb"\bExtension\(|\bext[_-]modules\b|\bcythonize\(|\bcffi_modules\b")


def main() -> None:
    """Read the orders from standard input and carry them out."""
    config: dict[str, Any] = json.loads(sys.stdin.buffer.read())
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    fd = int(config.get("report_fd", 0))
    if not fd and config["runner"] == "argv":
        fd = os.open(os.devnull, os.O_WRONLY)
    elif not fd:
        fd = _out_of_the_way(2)
        os.dup2(1, 2)
    os.set_inheritable(fd, False)
    sys.dont_write_bytecode = True
    key = config.pop("key")
    reporting = _load("reporting")
    reporter = reporting.Reporter(fd, key, config["root"], config.get("count", 0))
    config["top"] = os.path.join(config["root"], config.get("folder", "")).rstrip("/")
    os.chdir(config["top"])
    if config.get("install"):
        _install(config, reporter, fd, key)
    del key
    _hand_over(config, reporter, fd)


def _out_of_the_way(fd: int) -> int:
    """Return a copy of the file above those that a tidy test closes or a new file gets."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, max(3, min(most, 1024) - 24))


def _install(config: dict[str, Any], reporter: Reporter, fd: int, key: str) -> None:
    """Install the project, and its neighbours, into an environment and start again in there."""
    python = os.path.join(ENVIRONMENT, "bin", "python")
    make = [sys.executable, "-m", "venv", "--system-site-packages", "--without-pip", ENVIRONMENT]
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    pip += ["--no-index", "--no-deps", "--no-build-isolation", "--no-warn-script-location"]
    for folder in config["install"]:
        pip += ["--editable", folder]
    for step in (make, pip):
        done = subprocess.run(
            step, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, cwd=config["top"]
        )
        if done.returncode:
            said = done.stdout.decode("utf-8", "backslashreplace")
            missing = _uncompiled(config["top"])
            reporter.emit("setup", ok=False, note=_tail(said), uncompiled=missing)
            return
    reporter.emit("setup", ok=True, note="", uncompiled=_uncompiled(config["top"]))
    os.environ["VIRTUAL_ENV"] = ENVIRONMENT
    os.environ["PATH"] = os.path.join(ENVIRONMENT, "bin") + os.pathsep + os.environ["PATH"]
    # the setup record was the first one
    config = dict(config, install=[], report_fd=fd, key=key, count=1)
    with tempfile.TemporaryFile() as orders:
        orders.write(json.dumps(config).encode())
        orders.flush()
        orders.seek(0)
        os.dup2(orders.fileno(), 0)
    os.set_inheritable(fd, True)
    os.execv(python, [python, "-s", os.path.abspath(__file__)])  # noqa: S606


def _uncompiled(root: str) -> str:
    """Return the file that declares a C extension, if nothing here could have compiled it.

    An optional one is left out without a word, and tests that want it fail for no fault of theirs.
    """
    if any(shutil.which(name) for name in ("cc", "gcc", "clang")):
        return ""
    for name in ("setup.py", "setup.cfg", "pyproject.toml"):
        with suppress(OSError), open(os.path.join(root, name), "rb") as file:  # noqa: PTH123
            if _EXTENSION.search(file.read()):
                return name
    return ""


def _tail(text: str) -> str:
    return text[-12000:]


def _hand_over(config: dict[str, Any], reporter: Reporter, fd: int) -> None:
    top = config["top"]
    # what is still to be installed could not be: then its folder must do
    folders = [top, *(folder for folder in config["install"] if folder != top)]
    paths = [path for folder in folders for path in (os.path.join(folder, "src"), folder)]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    if config["runner"] == "argv":
        _become(config["argv"])
    if config["runner"] == "command":
        os.execvp("sh", ["sh", "-c", config["command"]])  # noqa: S606, S607
    _watch(fd, config["dump_after_s"])
    try:
        runner = _load(config["runner"] + "_reporter")
    except ImportError:
        reporter.emit("setup", ok=False, note=_tail(traceback.format_exc()), fatal=True)
        sys.exit(3)
    if config["test_s"]:
        reporter.limit = _load("time_limit").TimeLimit(config["test_s"], _out_of_the_way)
    # only now: a project may have a pytest.py or a json.py of its own
    sys.path[0:1] = paths
    sys.modules["__main__"].__dict__.pop("__file__", None)
    streams, leave = sys, os._exit  # whatever the tests leave in their places
    code = runner.run(reporter, config, _load)
    reporter.end(code)
    for name in ("stdout", "stderr"):
        with suppress(Exception):  # a test may have closed or replaced it
            getattr(streams, name).flush()
    # not sys.exit: threads the tests left behind could keep a finished run alive for ever
    leave(code)


def _watch(fd: int, after_s: float) -> None:
    """Have every thread's place written down after that time: the record of a hang.

    A signal from another process starts it. faulthandler's own timer is a thread: forked children
    would wait for it for ever, Python warns of it, and a test may want it for itself.
    """
    faulthandler.register(_WATCH_SIGNAL, file=fd, all_threads=True)
    watched = os.getpid()
    if child := os.fork():
        os.waitpid(child, 0)
        return
    if os.fork():  # nobody's child, so that no test waits for it
        os._exit(0)
    os.setsid()
    os.closerange(0, fd + 1)
    end = time.monotonic() + after_s
    try:
        while time.monotonic() < end:
            time.sleep(_WATCH_STEP_S)
            os.kill(watched, 0)
        os.kill(watched, _WATCH_SIGNAL)
    finally:
        os._exit(0)


def _become(argv: list[str]) -> None:
    try:
        os.execvp(argv[0], argv)  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
        sys.exit(127 if isinstance(error, FileNotFoundError) else 126)


def _load(name: str) -> ModuleType:
    """Load a program of ours that lies beside this one, under a name that nobody imports."""
    spec = importlib.util.spec_from_file_location(
        "_elagent_" + name, os.path.join(_HERE, name + ".py")
    )
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    # a test may replace even those
    vars(module)["__builtins__"] = dict(vars(builtins))
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
