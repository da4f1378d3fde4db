"""A server that behaves as the Hugging Face hub does when files are fetched, with a CDN beside it.

Small files are answered by the hub itself with git's digest; large ones are redirected to the CDN, on
another port, which serves ranges. Both note what they were asked.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0" * 20
TOKEN = "hf_right"  # noqa: S105 - a fake
_PATH = re.compile(r"^/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)$")


@dataclass
class FakeHub:
    """Repositories by name, each a mapping of file names to contents."""

    repositories: dict[str, dict[str, bytes]]
    gated: set[str] = field(default_factory=set)
    corrupt: set[str] = field(default_factory=set)
    """Names of large files of which the CDN serves other bytes."""
    cut_once_after: int | None = None
    """The CDN breaks its next answer off after so many bytes."""
    ignores_ranges: bool = False
    cdn_status: int = 200
    endpoint: str = ""
    cdn: str = ""
    asked: list[str] = field(default_factory=list)
    """`METHOD repository/name`, in order."""
    ranges: list[str] = field(default_factory=list)
    """The range of each request at the CDN, empty for the whole."""
    leaked: list[str] = field(default_factory=list)
    """Tokens that reached the CDN."""


@contextmanager
def served(hub: FakeHub) -> Iterator[FakeHub]:
    """Serve a hub on loopback until the end of the block."""
    front = ThreadingHTTPServer(("127.0.0.1", 0), _front(hub))
    cdn = ThreadingHTTPServer(("127.0.0.1", 0), _cdn(hub))
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.05,)) for server in (front, cdn)
    ]
    hub.endpoint = f"http://127.0.0.1:{front.server_port}"
    hub.cdn = f"http://127.0.0.1:{cdn.server_port}"
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server, thread in zip((front, cdn), threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()


class _Quiet(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            with suppress(ConnectionError):  # the other end was killed
                self.wfile.write(body)


def _refusal(hub: FakeHub, asked: re.Match[str], token: str | None) -> tuple[int, str]:
    """Status and error code of what is not given out; (0, "") for what is."""
    repository = asked["repo"]
    if repository not in hub.repositories:
        return 401, "RepoNotFound"
    if repository in hub.gated and token != f"Bearer {TOKEN}":
        return 401, "GatedRepo"
    if asked["revision"] not in ("main", COMMIT):
        return 404, "RevisionNotFound"
    return (0, "") if asked["name"] in hub.repositories[repository] else (404, "EntryNotFound")


def _front(hub: FakeHub) -> type[_Quiet]:
    class Front(_Quiet):
        def do_HEAD(self) -> None:
            match = _PATH.match(self.path)
            if match is None:
                self.answer(404, {"X-Error-Code": "RepoNotFound"})
                return
            hub.asked.append(f"{self.command} {match['repo']}/{match['name']}")
            status, code = _refusal(hub, match, self.headers.get("Authorization"))
            if status:
                self.answer(status, {"X-Error-Code": code})
            else:
                self.give(match["name"], hub.repositories[match["repo"]][match["name"]])

        def do_GET(self) -> None:
            self.do_HEAD()

        def give(self, name: str, content: bytes) -> None:
            common = {"X-Repo-Commit": COMMIT}
            if not name.endswith(".gguf"):
                blob = hashlib.sha1(b"blob %d\0" % len(content) + content)  # noqa: S324 - git's
                self.answer(200, {**common, "ETag": f'"{blob.hexdigest()}"'}, content)
                return
            linked = {
                "X-Linked-Etag": f'"{hashlib.sha256(content).hexdigest()}"',
                "X-Linked-Size": str(len(content)),
            }
            self.answer(302, {**common, **linked, "Location": f"{hub.cdn}/{name}?signature=x"})

    return Front


def _cdn(hub: FakeHub) -> type[_Quiet]:
    class Cdn(_Quiet):
        def do_GET(self) -> None:
            name = self.path.lstrip("/").partition("?")[0]
            content = next(files[name] for files in hub.repositories.values() if name in files)
            if name in hub.corrupt:
                content = bytes(len(content))
            asked = self.headers.get("Range", "")
            hub.ranges.append(asked)
            hub.leaked.extend(filter(None, [self.headers.get("Authorization")]))
            if hub.cdn_status != 200:
                self.answer(hub.cdn_status, {})
            elif asked and not hub.ignores_ranges:
                start = int(asked.removeprefix("bytes=").rstrip("-"))
                total = len(content)
                self.pour(
                    206, content[start:], {"Content-Range": f"bytes {start}-{total - 1}/{total}"}
                )
            else:
                self.pour(200, content, {})

        def pour(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            if hub.cut_once_after is None:
                self.answer(status, headers, body)
                return
            shown, hub.cut_once_after = body[: hub.cut_once_after], None
            self.answer(status, {**headers, "Content-Length": str(len(body))}, shown)
            self.close_connection = True

    return Cdn
