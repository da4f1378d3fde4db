"""Facts about this installation for bug reports: versions only, no paths, names or settings."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from sandbox.box.contract import SandboxError
from sandbox.box.engine import check_engine

_PACKAGES = (
    *("xllamacpp", "gguf", "tokenizers", "torch", "transformers", "peft"),
    *("docker", "textual", "prompt-toolkit"),
)


def about() -> Iterator[tuple[str, str]]:
    """Yield name and version of each thing that a bug report should tell; asks Docker's engine."""
    yield "elagent", version("elagent")
    yield "Python", platform.python_version()
    yield "system", f"{platform.system()} {platform.release()} {platform.machine()}"
    yield "Docker engine", _engine()
    for name in _PACKAGES:
        yield name, _installed(name)


def _engine() -> str:
    try:
        engine = check_engine()
    except SandboxError as err:
        return f"none: {err}"
    return f"{engine.version}, cgroup v{engine.cgroup_version}"


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
