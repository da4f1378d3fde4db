"""First words of a warm box: takes the other modules from standard input and starts the server."""

from __future__ import annotations

import json
import os
import struct
import sys
import types


def _take(size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = os.read(0, size - len(data))
        if not piece:
            sys.exit(1)
        data += piece
    return data


if __name__ == "__main__":
    for package in ("sandbox", "sandbox.warm", "sandbox.warm.inside"):
        sys.modules[package] = types.ModuleType(package)
        sys.modules[package].__path__ = []
    (length,) = struct.unpack(">I", _take(4))
    for name, source in json.loads(_take(length)):
        module = sys.modules[name] = types.ModuleType(name)
        exec(compile(source, name, "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    sys.modules["sandbox.warm.inside.server"].main()
