"""Reads `Pipfile.lock`: all that is installed, for use and for development."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from packaging.utils import canonicalize_name

from sandbox.project.declarations.locks.model import Locked
from sandbox.project.declarations.reading import table, tables, text_of


def read_pipenv(data: Mapping[str, Any]) -> Iterator[Locked]:
    """Yield the packages of a `Pipfile.lock`."""
    sources = tables(table(data, "_meta").get("sources"))
    urls = {text_of(each.get("name")): text_of(each.get("url")) for each in sources}
    categories = [name for name in data if name not in ("_meta", "default", "develop")]
    wanted = [name for name in categories if name in ("test", "tests", "testing", "dev")]
    for category in ("default", "develop", *wanted):
        for name, entry in table(data, category).items():
            if isinstance(entry, dict):
                yield _locked(name, entry, urls)


def _locked(name: str, entry: Mapping[str, Any], urls: Mapping[str, str]) -> Locked:
    origins = (kind for kind in ("git", "hg", "svn", "bzr", "file", "url", "path") if kind in entry)
    marker = text_of(entry.get("markers"))
    return Locked(
        name=canonicalize_name(name),
        version=text_of(entry.get("version")).removeprefix("==") or "0",
        origin=next(origins, ""),
        path=text_of(entry.get("path")),
        index=urls.get(text_of(entry.get("index")), ""),
        markers=(marker,) if marker else (),
    )
