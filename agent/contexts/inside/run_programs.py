"""Runs inside the box: many small programs of one library, each in a forked child.

Reads orders as JSON from standard input: `nonce`, `modules` (imported once, before the children),
`seconds` (for each program) and `programs`: each the `source`, and a `call`, an expression whose value
is told. Writes one line for each: the nonce and a record. A deprecation is an error here.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import resource
import select
import signal
import sys
import time
import warnings
from contextlib import redirect_stderr, redirect_stdout
from typing import Any

_TEXT = 400
_PRINTED = 1_200
_CHILD_MIB = 3_000
_CONVERSIONS = ("to_list", "tolist", "to_dicts", "item")

Record = dict[str, Any]


def main() -> None:
    """Run every program, in order."""
    out = os.dup(1)
    os.dup2(2, 1)
    orders = json.load(sys.stdin)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in orders["modules"]:
            try:
                importlib.import_module(str(name))
            except Exception:  # noqa: BLE001, S112 - a module may raise anything
                continue
    for index, program in enumerate(orders["programs"]):
        record = _forked(program, float(orders["seconds"]))
        line = f"{orders['nonce']} {json.dumps({'index': index, **record})}\n"
        os.write(out, line.encode())


def _forked(program: Record, seconds: float) -> Record:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        data = json.dumps(_ran(program)).encode()
        while data:
            data = data[os.write(writing, data) :]
        os._exit(0)
    os.close(writing)
    data, deadline = b"", time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([reading], [], [], left)
        piece = os.read(reading, 65536) if ready else b""
        data += piece
        if ready and not piece:
            break
    os.close(reading)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    try:
        answer = json.loads(data)
    except ValueError:
        return {"ok": False, "error": "it took too long or ended its process"}
    return answer if isinstance(answer, dict) else {"ok": False, "error": "no answer"}


def _ran(program: Record) -> Record:
    limit = _CHILD_MIB * 2**20
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
    if resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    warnings.simplefilter("error", DeprecationWarning)
    warnings.simplefilter("error", PendingDeprecationWarning)
    warnings.simplefilter("error", FutureWarning)
    printed = io.StringIO()
    names: Record = {"__name__": "solution"}
    try:
        with redirect_stdout(printed), redirect_stderr(io.StringIO()):
            exec(compile(str(program["source"]), "solution.py", "exec"), names)  # noqa: S102
            value = eval(str(program["call"]), names) if program.get("call") else None  # noqa: S307
            shown = repr(value)
    except BaseException as err:  # noqa: BLE001 - whatever it raises is the answer
        said = " ".join(str(err).split())[:_TEXT]
        return {"ok": False, "exception": type(err).__name__, "error": said}
    return {
        "ok": True,
        "value": shown[:_PRINTED],
        "printed": printed.getvalue()[:_PRINTED],
        "type": type(value).__name__,
        "module": type(value).__module__,
        "none": value is None,
        "conversions": [name for name in _CONVERSIONS if _has(value, name)],
    }


def _has(value: object, name: str) -> bool:
    try:
        return callable(getattr(value, name, None))
    except Exception:  # noqa: BLE001 - a library's attribute may raise anything
        return False


if __name__ == "__main__":
    main()
