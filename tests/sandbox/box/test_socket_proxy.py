"""The proxy of container/haproxy.cfg lets through what the sandbox asks the engine, and no more."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ID = "4e3d9e71a8144654f6fc7e11372421169ea63f2574c3dcc57776ba132befdb49"
CALLS: Mapping[str, tuple[str, ...]] = {
    "attach_socket": (f"POST /v1.41/containers/{ID}/attach",),
    "build": ("POST /v1.41/build",),
    "commit": ("POST /v1.41/commit",),
    "containers": ("GET /v1.41/containers/json",),
    "create_container_from_config": ("POST /v1.41/containers/create",),
    "exec_create": (f"POST /v1.41/containers/{ID}/exec",),
    "exec_inspect": (f"GET /v1.41/exec/{ID}/json",),
    "exec_resize": (f"POST /v1.41/exec/{ID}/resize",),
    "exec_start": (f"POST /v1.41/exec/{ID}/start",),
    "images": ("GET /v1.41/images/json",),
    "import_image": ("POST /v1.41/images/create",),
    "info": ("GET /v1.41/info",),
    "inspect_container": ("GET /v1.41/containers/elagent-box-1/json",),
    "inspect_distribution": ("GET /v1.41/distribution/python:3.11-slim/json",),
    "inspect_image": (
        f"GET /v1.41/images/sha256:{ID}/json",
        "GET /v1.41/images/registry.example/team/image%20x:1/json",
    ),
    "pull": ("POST /v1.41/images/create",),
    "remove_container": (f"DELETE /v1.41/containers/{ID}",),
    "remove_image": (f"DELETE /v1.41/images/sha256:{ID}",),
    "start": (f"POST /v1.41/containers/{ID}/start",),
    "version": ("GET /version", "GET /v1.41/version"),
}
"""The requests behind each call of the SDK that the sandbox makes."""
NO_REQUESTS = {"close"}


def allowed(request: str) -> bool:
    """Follow the rules of the configuration, as far as it uses them."""
    method, _, path = request.partition(" ")
    named: dict[str, bool] = {}
    for line in (ROOT / "container" / "haproxy.cfg").read_text().splitlines():
        match line.split():
            case ["acl", name, kind, value]:
                named[name] = method == value if kind == "method" else bool(re.search(value, path))
            case ["http-request", "deny", "if", "{", "path_sub", part, "}"] if part in path:
                return False
            case ["http-request", "allow", "if", *words] if _holds(words, named):
                return True
            case ["http-request", "deny"]:
                return False
    raise AssertionError("the last rule denies")


def _holds(words: list[str], named: Mapping[str, bool]) -> bool:
    return any(all(named[name] for name in way.split()) for way in " ".join(words).split(" or "))


def calls_of_the_sandbox() -> set[str]:
    found: set[str] = set()
    for source in (ROOT / "sandbox").rglob("*.py"):
        if "inside" in source.parts:
            continue
        for node in ast.walk(ast.parse(source.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(value=ast.Name(id="client"), attr=name)):
                    found.add(name)
                case ast.Call(func=ast.Attribute(value=ast.Attribute(attr="_client"), attr=name)):
                    found.add(name)
    return found


def test_every_request_of_the_sandbox_is_known_and_allowed() -> None:
    of_the_engine = calls_of_the_sandbox() - {"get_stream"}  # of a package index
    assert of_the_engine - NO_REQUESTS <= set(CALLS)
    assert [each for all_ in CALLS.values() for each in all_ if not allowed(each)] == []


@pytest.mark.parametrize(
    "request_line",
    [
        "GET /v1.41/volumes",
        "POST /v1.41/volumes/create",
        "POST /v1.41/networks/create",
        "GET /v1.41/secrets",
        "POST /v1.41/swarm/init",
        "POST /v1.41/plugins/pull",
        f"GET /v1.41/containers/{ID}/archive",
        f"PUT /v1.41/containers/{ID}/archive",
        f"GET /v1.41/containers/{ID}/logs",
        f"POST /v1.41/containers/{ID}/update",
        f"GET /v1.41/images/{ID}/get",
        f"POST /v1.41/images/{ID}/push",
        f"DELETE /v1.41/images/../containers/{ID}",
        "POST /v1.41/auth",
        "GET /v1.41/events",
        "POST /version",
        "HEAD /_ping/x",
    ],
)
def test_nothing_else_is_let_through(request_line: str) -> None:
    assert not allowed(request_line)
