"""Runs in a program's process once it is fenced in: reads the orders, carries them out, leaves.

Three kinds of orders: run a program, answer questions as the candidate, put them as the judge.
"""

from __future__ import annotations

import atexit
import base64
import builtins
import json
import os
import resource
import signal
import sys
import threading
import traceback
from types import ModuleType
from typing import TYPE_CHECKING, Any

from sandbox.warm.inside import asking, codec, frames
from sandbox.warm.inside.zygote import CONTROL_FD, LINE_FD

if TYPE_CHECKING:
    from types import TracebackType

MAIN = "main.py"
_TEXT = 2000
_TRACE_FRAMES = 40


def run() -> None:
    """Carry out the orders that wait on the control connection; does not return."""
    data = frames.read_frame(CONTROL_FD, 1 << 30)
    orders: dict[str, Any] = json.loads(data or b"{}")
    _settle(orders)
    frames.write_frame(CONTROL_FD, frames.SETTLED)
    try:
        _carry_out(orders)
    finally:  # from here on it is the program's doing if something does not work
        os._exit(70)


def _carry_out(orders: dict[str, Any]) -> None:
    if orders["kind"] == "check":
        frames.write_frame(CONTROL_FD, codec.dump(asking.verdict(orders, LINE_FD)))
        os._exit(0)
    if orders["argv"]:
        _execute(orders["argv"])
    program = _Program(orders)
    if orders["kind"] == "answer":
        program.answer(orders)
    program.run()


def _settle(orders: dict[str, Any]) -> None:
    """Set up what a fresh interpreter would have: files, environment, streams, an empty `__main__`."""
    for path, text, executable in orders["files"]:
        if os.path.dirname(path):  # noqa: PTH120
            os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        fd = os.open(path, flags, 0o755 if executable else 0o644)
        with open(fd, "wb") as file:  # noqa: PTH123
            file.write(base64.b64decode(text))
    os.environ["HOME"] = os.getcwd()  # noqa: PTH109
    os.environ.update(orders["env"])
    for name in [name for name in sys.modules if name.partition(".")[0] == "sandbox"]:
        del sys.modules[name]
    for name, stream in (
        ("stdin", _stream(0, "r")),
        ("stdout", _stream(1, "w")),
        ("stderr", _stream(2, "w", "backslashreplace")),
    ):
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _stream(fd: int, mode: str, errors: str = "strict") -> Any:  # noqa: ANN401
    # by line, so that what was printed before a kill is seen
    buffering = 1 if mode == "w" else -1
    return open(fd, mode, buffering, "utf-8", errors, closefd=False)


def _execute(argv: list[str]) -> None:
    for ignored in (signal.SIGPIPE, signal.SIGXFSZ):  # by Python only
        signal.signal(ignored, signal.SIG_DFL)
    try:
        os.execvp(argv[0], argv)  # noqa: S606
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


class _Program:
    """Python source, run the way `python main.py` would."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self._pid = os.getpid()
        self._nonce = orders["nonce"]
        self._source: str = orders["source"]
        # a candidate is imported, so to speak: what it does as a script is not asked for
        self._module = ModuleType("__main__" if orders["kind"] == "program" else "candidate")
        sys.modules[self._module.__name__] = self._module
        sys.argv = [MAIN]
        sys.path.insert(0, os.getcwd())  # noqa: PTH109
        with open(MAIN, "w", encoding="utf-8", errors="surrogatepass") as file:  # noqa: PTH123
            file.write(self._source)
        self._module.__dict__.update(__file__=MAIN, __builtins__=builtins)

    def run(self) -> None:
        """Run it to its end, report how that went, and leave with its exit code."""
        code = self._load()
        if code is None:
            code = 0
            self._report(end=True)
        self._leave(code)

    def answer(self, orders: dict[str, Any]) -> None:
        """Load it, then answer questions about its function until there are no more; then leave."""
        code = self._load(report_to=LINE_FD)
        if code is not None:
            self._leave(code)
        function = self._entry_point(orders["entry_point"])
        self._send(LINE_FD, {"ready": True})
        while (data := frames.read_frame(LINE_FD)) is not None:
            self._reply(function, codec.load(data))
        self._leave(0)

    def _entry_point(self, name: str) -> Any:  # noqa: ANN401
        """Look the function up once: that it is missing is no answer to any question."""
        try:
            function = getattr(self._module, name)
            if callable(function):
                return function
            kind = type(function).__name__
            error: BaseException = TypeError(f"{name!r} is of type {kind} and cannot be called")
        except AttributeError:
            error = NameError(f"name {name!r} is not defined")
        except BaseException as raised:  # noqa: BLE001  (a `__getattr__` of the module)
            error = raised
        self._report(fd=LINE_FD, raised=_described(error))
        self._leave(1)
        return None

    def _reply(self, function: Any, question: dict[str, Any]) -> None:  # noqa: ANN401
        answer: dict[str, Any] = {"id": question["id"]}
        try:
            args = [codec.decode(item) for item in question["args"]]
            kwargs = {key: codec.decode(item) for key, item in question["kwargs"].items()}
            value = function(*args, **kwargs)
            answer["value"] = codec.encode(value)
        except codec.CodecError as error:
            answer["unsendable"] = str(error)
        except BaseException as error:  # noqa: BLE001  (whatever the function does)
            answer["raised"] = _described(error)
        if os.getpid() != self._pid:  # a fork that came back out of the function
            os._exit(0)
        self._send(LINE_FD, answer)

    def _send(self, fd: int, message: dict[str, Any]) -> None:
        try:
            data = codec.dump(message)
        except (ValueError, TypeError, RecursionError):  # lone keys of a patched json
            data = codec.dump({"id": message.get("id"), "unsendable": "the value is no JSON"})
        frames.write_frame(fd, data)

    def _load(self, *, report_to: int = CONTROL_FD) -> int | None:
        """Run the source; None if it came past its last line, else the exit code it asked for."""
        try:
            code = compile(self._source, MAIN, "exec", dont_inherit=True)
            exec(code, self._module.__dict__)  # noqa: S102
        except SystemExit as error:
            return _exit_code(error)
        except BaseException as error:  # noqa: BLE001  (whatever the program raises)
            _raise_memory_limit()
            self._report(fd=report_to, raised=_described(error))
            _print_traceback(error)
            return 1
        return None

    def _report(self, *, fd: int = CONTROL_FD, **what: object) -> None:
        if os.getpid() == self._pid:
            self._send(fd, {"nonce": self._nonce, **what})

    def _leave(self, code: int) -> None:
        """End as an interpreter does, without the time it takes to tear down every module."""
        try:
            threading._shutdown()  # type: ignore[attr-defined]  # noqa: SLF001
            atexit._run_exitfuncs()  # noqa: SLF001
            sys.stdout.flush()
            sys.stderr.flush()
        except BaseException:  # noqa: BLE001  (a closed or replaced stream: as at any exit)
            code = code or 120
        os._exit(code)


def _exit_code(error: SystemExit) -> int:
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)  # noqa: T201
    return 1


def _described(error: BaseException) -> list[str]:
    """Return the exception's class, its message, and those of its classes that Python itself has."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001  (the program's own __str__)
        text = "<no message>"
    own = [kind.__name__ for kind in type.mro(type(error)) if kind.__module__ == "builtins"]
    return [str(type(error).__name__), str(text)[:_TEXT], *own]


def _raise_memory_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _print_traceback(error: BaseException) -> None:
    try:
        sys.stdout.flush()
        trace: TracebackType | None = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != MAIN:
            trace = trace.tb_next
        lines = traceback.format_exception(type(error), error, trace, limit=_TRACE_FRAMES)
        sys.stderr.write("".join(lines))
        sys.stderr.flush()
    except BaseException as failure:  # noqa: BLE001  (no memory, a hostile __str__, closed streams)
        os.write(2, type(failure).__name__.encode()[:_TEXT])
