"""JSON-lines files: data sets that are read, and results that are appended to, one row a line.

A row is on the disk before the next one is made. A crash can leave the last line without its end:
readers and writers of results cut such a line off first.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from learning.errors import LearningError

Key = TypeVar("Key")
Row = TypeVar("Row")


class DataError(LearningError):
    """A file of data or results is not what it should be; the message says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFile(Generic[Key, Row]):
    """Rows by key in one append-only file. One process writes at a time; the last row of a key counts."""

    path: Path
    encode: Callable[[Key, Row], Mapping[str, object]]
    decode: Callable[[Mapping[str, Any]], tuple[Key, Row]]
    mark: Mapping[str, object] = field(default_factory=dict)
    """Fields of every line; lines with other values of them do not count."""

    def read(self) -> dict[Key, Row]:
        """The rows that are there.

        Raises:
            DataError: If a line is no such row.
        """
        rows: dict[Key, Row] = {}
        for number, record in enumerate(read_rows(self.path), 1):
            if any(record.get(name) != value for name, value in self.mark.items()):
                continue
            try:
                key, row = self.decode(record)
            except (TypeError, ValueError, KeyError, AttributeError) as err:
                raise DataError(f"{self.path}, line {number} is no row of results: {err}.") from err
            rows[key] = row
        return rows

    def append(self, rows: Mapping[Key, Row]) -> None:
        """Add rows and see them onto the disk."""
        lines = ({**self.mark, **self.encode(key, row)} for key, row in rows.items())
        append_rows(self.path, lines)


def read_rows(path: Path) -> Iterator[dict[str, object]]:
    """The lines of a file of results, mended; none if there is no such file.

    Raises:
        DataError: If the file or a line cannot be read.
    """
    if path.exists():
        mend(path)
        yield from read_json_lines(path)


def append_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Add one line for each row to a file of results and see them onto the disk."""
    mend(path)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with path.open("ab") as file:
        # In JSON, the backslash form of half a surrogate pair means the same as the half itself.
        file.write(lines.encode("utf-8", "backslashreplace"))
        file.flush()
        os.fsync(file.fileno())


def read_json_lines(path: Path) -> Iterator[dict[str, object]]:
    """The objects of a JSON-lines file, gzipped or not; empty lines do not count.

    Raises:
        DataError: If the file or a line cannot be read; the message names the line.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data).decode("utf-8")
    except (OSError, EOFError, ValueError) as err:
        raise DataError(f"{path} cannot be read: {err}.") from err
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as err:
            raise DataError(f"{path}, line {number} is not JSON.") from err
        if not isinstance(record, dict):
            raise DataError(f"{path}, line {number} is not a JSON object.")
        yield record


def mend(path: Path) -> None:
    """Cut off a last line that a crash left without its end; no file is no fault."""
    if not path.exists() or not path.stat().st_size:
        return
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        if file.read(1) == b"\n":
            return
    os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
