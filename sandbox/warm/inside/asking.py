"""The judge's process: runs a task's own check against a proxy of the candidate's function."""

from __future__ import annotations

import builtins
import os
from types import ModuleType
from typing import Any

from sandbox.warm.inside import codec, frames

CHECK = "<check>"
_TEXT = 2000
_WORDS = 12
"""Most words on a raised exception: its class, message and the nearest classes that Python has."""
_NOT_RAISED = (StopIteration, StopAsyncIteration)
"""Exceptions that would end an `all(map(...))` of the check early instead of failing it."""
_PRELUDE = "<prelude>"


class CandidateError(BaseException):
    """The candidate did not answer with a value; a check that expects an exception misses it."""


class _CandidateLine:
    """The connection to the candidate, distrusted."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self.calls = 0
        self.raised: list[BaseException] = []
        """Exceptions that the candidate's function raised."""
        self.fault = ""
        """The status that a broken connection means, whatever the check makes of it."""

    def loaded(self) -> list[str] | None:
        """Wait until the candidate is loaded; return what it raised, if it did."""
        first = self._receive()
        if isinstance(first, dict) and isinstance(first.get("raised"), list):
            return [str(word)[:_TEXT] for word in first["raised"][:2]]
        if not isinstance(first, dict) or first.get("ready") is not True:
            self._break("tampered", "its first message is not one of ours")
        return None

    def call(self, *args: object, **kwargs: object) -> object:
        """Ask the candidate for the function's value.

        Raises:
            CandidateError: If there is none.
            Exception: What the candidate's function raised, see `_exception`.
        """
        if self.fault:
            raise CandidateError("the candidate does not answer any more")
        self.calls += 1
        number = os.urandom(8).hex()
        question = {
            "id": number,
            "args": [codec.encode(value) for value in args],
            "kwargs": {name: codec.encode(value) for name, value in kwargs.items()},
        }
        try:
            frames.write_frame(self._fd, codec.dump(question))
        except OSError:
            self._break("fail", "it left before it answered")
        answer = self._receive()
        if not isinstance(answer, dict) or answer.get("id") != number:
            self._break("tampered", "its answer is not to the question")
        return self._value(answer)

    def _value(self, answer: dict[str, Any]) -> object:
        if "value" in answer:
            try:
                return codec.decode(answer["value"])
            except codec.CodecError:
                self._break("tampered", "its answer is malformed")
        if isinstance(raised := answer.get("raised"), list) and len(raised) > 1:
            error = _exception(*(str(word)[:_TEXT] for word in raised[:_WORDS]))
            self.raised.append(error)
            raise error
        raise CandidateError(f"gave no value: {answer.get('unsendable')}"[:_TEXT])

    def _receive(self) -> Any:  # noqa: ANN401
        try:
            data = frames.read_frame(self._fd)
            if data is not None:
                return codec.load(data)
        except OSError:
            data = None
        except (frames.FrameError, codec.CodecError) as error:
            self._break("tampered", str(error))
        self._break("fail", "it left before it answered")
        return None

    def _break(self, status: str, why: str) -> None:
        self.fault = status
        raise CandidateError(why)


def _exception(name: str, text: str, *own: str) -> BaseException:
    """Return an exception that a check meets as it would meet the candidate's in one process.

    It is of the classes (`own`) that both the candidate's exception and Python itself have. One
    that is of a class of the candidate's gets a class of that name made from them: every base
    class catches it, and it is equal to none of them.
    """
    named = [getattr(builtins, base, None) for base in own]
    kinds = [kind for kind in named if isinstance(kind, type) and issubclass(kind, Exception)]
    if not kinds or any(issubclass(kind, _NOT_RAISED) for kind in kinds):
        return CandidateError(f"{name}: {text}")
    nearest = [
        kind for at, kind in enumerate(kinds) if not any(issubclass(k, kind) for k in kinds[:at])
    ]
    for bases in (nearest, *([kind] for kind in kinds)):
        try:
            if bases == kinds[:1] and name == own[0]:
                return bases[0](text)
            made: type[BaseException] = type(name, tuple(bases), {})
            return made(text)
        except (TypeError, ValueError):  # ill-matched, no name, or it takes more than a message
            continue
    return CandidateError(f"{name}: {text}")


def verdict(orders: dict[str, Any], line_fd: int) -> dict[str, Any]:
    """Run the check and say how it went; the nonce proves that it is this process that says so."""
    line = _CandidateLine(line_fd)
    status, note = _checked(orders, line)
    return {
        "nonce": orders["nonce"],
        "status": line.fault or status,
        "note": note[:_TEXT],
        "calls": line.calls,
    }


def _checked(orders: dict[str, Any], line: _CandidateLine) -> tuple[str, str]:
    """Return the status and why."""
    module = ModuleType("__main__")
    space = module.__dict__
    try:
        raised = line.loaded()
    except CandidateError as error:
        return "fail", str(error)
    if raised:
        return "error", ": ".join(word for word in raised if word)
    try:
        exec(compile(orders["prelude"], _PRELUDE, "exec", dont_inherit=True), space)  # noqa: S102
        function = line.call
        space[orders["entry_point"]] = space["candidate"] = function
        exec(compile(orders["check"], CHECK, "exec", dont_inherit=True), space)  # noqa: S102
        if callable(check := space.get("check")) and check is not function:
            check(function)
    except BaseException as error:  # noqa: BLE001  (whatever the check does)
        return _judged(error, line, orders["check"])
    if line.calls == 0:
        return "sandbox_error", "the check never called the function"
    return "pass", ""


def _judged(error: BaseException, line: _CandidateLine, check: str) -> tuple[str, str]:
    name, text = type(error).__name__, str(error)
    if isinstance(error, CandidateError):  # its text names what was raised
        name, text = text, ""
    said = f"{name}: {text}" if text else name
    if any(error is one for one in line.raised):
        return "error", f"the function raised {said}"
    if isinstance(error, CandidateError):
        return "fail", said
    if _about_the_check(error):
        return "sandbox_error", f"the check itself cannot run: {said}"
    return "fail", f"{said} ({_place(error, check)})"


def _about_the_check(error: BaseException) -> bool:
    """True if the check itself is broken, rather than led astray by an answer."""
    if isinstance(error, SyntaxError):
        return error.filename in (CHECK, _PRELUDE)
    if not isinstance(error, NameError):
        return isinstance(error, ImportError)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and trace.tb_frame.f_code.co_filename in (CHECK, _PRELUDE)


def _place(error: BaseException, check: str) -> str:
    """Say which line of the check it was."""
    trace, number = error.__traceback__, 0
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == CHECK:
            number = trace.tb_lineno
        trace = trace.tb_next
    lines = check.splitlines()
    text = lines[number - 1].strip() if 0 < number <= len(lines) else ""
    return f"line {number} of the check: {text[:200]}"
