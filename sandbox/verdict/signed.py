"""The signed lines that our own programs write inside a box, told from everything else there."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any

_MAX_LINE_BYTES = 1024 * 1024
_MARK = b"el1 "
_DIGEST = "sha256"

OnRecord = Callable[[dict[str, Any]], None]


class SignedLines:
    """Takes a stream in pieces and hands on each record once that was signed with the key."""

    def __init__(self, key: str, on_record: OnRecord) -> None:
        self._key = key.encode()
        self._on_record = on_record
        self._next = 0
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take in more of the stream."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            self._rest = b""
        for line in lines:
            if line.startswith(_MARK):
                self._line(line)

    def _line(self, line: bytes) -> None:
        seal, _, body = line[len(_MARK) :].partition(b" ")
        if not hmac.compare_digest(seal, hmac.new(self._key, body, _DIGEST).hexdigest().encode()):
            return
        try:
            record = json.loads(body)
        except (ValueError, RecursionError):
            return
        number = record.get("n") if isinstance(record, dict) else None
        if isinstance(number, int) and number >= self._next:
            self._next = number + 1
            self._on_record(record)
