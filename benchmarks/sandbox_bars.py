"""The bars of the sandbox that are no timings of single runs: images, and lists that must all hold.

A list is run by its tests, here as in `make test-all`; the figure is the number of them that fail.
"""

from __future__ import annotations

import re
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, TypeVar

from sandbox.box.contract import ImageError
from sandbox.box.engine import connect
from sandbox.images.debian import debian_root
from sandbox.images.host import host_python
from sandbox.images.image import inspect_image
from sandbox.images.lite import lite_root
from sandbox.images.making import import_root

Figure = TypeVar("Figure")

ROOT = Path(__file__).resolve().parent.parent
MB = 1_000_000
LIMIT_S = 3600

PROOFS: tuple[tuple[str, Sequence[str]], ...] = (
    ("hostile programs that are not contained", ["tests/hostile/test_programs.py"]),
    ("hostile archives that write elsewhere", ["tests/hostile/test_archives.py"]),
    ("attacks that fool judge or hardened", ["tests/hostile/test_attacks.py"]),
    ("wrong functions that the judge lets pass", ["tests/sandbox/warm/test_judge.py"]),
    ("networks that are reached", ["tests/sandbox", "-k", "there_is_no_network"]),
    ("kills at any point that lose or leave something", ["tests/sandbox/box/test_crash.py"]),
    ("ways to run without an engine", ["tests/sandbox/box/test_engine.py", "tests/sandbox/box/test_accounting.py"]),
    ("experiences that a kill loses", ["tests/learning/experience/test_store.py"]),
    ("adapters that are read broken", ["tests/learning/promotion/test_adapters.py"]),
)  # fmt: skip


def images(show: Callable[[str, float, str, float], Figure]) -> Iterator[Figure]:
    """Make each kind of base image that this host can make, anew; what was made is removed."""
    kinds: tuple[tuple[str, Callable[[], AbstractContextManager[BinaryIO]], float, float], ...] = (
        ("lite", lambda: lite_root(host_python(), on_progress=_nothing), 30, 150),
        ("debian", lambda: debian_root(on_progress=_nothing), 120, 420),
    )
    for kind, root, bar_s, bar_mb in kinds:
        key, started = secrets.token_hex(32), time.perf_counter()
        try:
            with root() as archive, connect(timeout_s=600) as client:
                made = import_root(client, archive, kind=kind, key=key, python="3")
                size = inspect_image(client, made).size_bytes
                took_s = time.perf_counter() - started
                client.remove_image(made)
        except ImageError as error:
            print(f"{kind} image left out: {error}")
            continue
        yield show(f"{kind} image, made", took_s, "s", bar_s)
        yield show(f"{kind} image, size", size / MB, "MB", bar_mb)


def _nothing(_: str) -> None:
    return


def proofs(show: Callable[[str, float, str, float], Figure]) -> Iterator[Figure]:
    """Run each list with its long repetitions; a run without an end counts as one failure."""
    for name, selection in PROOFS:
        argv = [sys.executable, "-P", "-m", "pytest", "-q", "-m", "slow or not slow", *selection]
        done = subprocess.run(
            argv, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
        failed = sum(map(int, re.findall(r"(\d+) (?:failed|errors?)\b", done.stdout)))
        yield show(name, failed or int(done.returncode != 0), "", 0)
