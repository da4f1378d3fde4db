"""A base image out of Debian's packages: the full one, with a compiler, where no registry is."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sandbox.box.contract import ImageError
from sandbox.host import children

SUITE = "bookworm"
PYTHON = "3.11"
_DEFAULT_MIRROR = "http://deb.debian.org/debian"
_NEEDED_BYTES = 2 * 1024**3
_TIMEOUT_S = 1200.0

FINISH = r"""
set -eu
cd "$1"
echo 'keeper:x:65531:65531:keeper:/:/bin/sh' >> etc/passwd
echo 'sandbox:x:65532:65532:sandbox:/tmp:/bin/sh' >> etc/passwd
echo 'keeper:x:65531:' >> etc/group
echo 'sandbox:x:65532:' >> etc/group
find . -xdev -perm /6000 -type f -exec chmod ug-s {} +
rm -f usr/lib/python3*/EXTERNALLY-MANAGED
find usr/lib -name 'libpython*.a' -delete
ln -sf python3 usr/bin/python
rm -rf var/cache/apt/* var/lib/apt/lists/* var/log/* usr/share/doc usr/share/man usr/share/info
rm -rf usr/share/locale dev/* tmp/*
# of use to those who debug the compiler, or who link a sanitizer statically; and web pages
rm -f usr/bin/*lto-dump*
find usr/lib/gcc -name 'lib*san*.a' -delete
rm -rf usr/share/gitweb usr/share/javascript usr/share/lintian var/cache/debconf/*-old
chroot . python3 -m compileall -q /usr/lib/python3.11 /usr/lib/python3 || true
"""


def packages() -> list[str]:
    """Return what is installed on top of the minimal system."""
    return [
        "python3",
        "python3-venv",
        "python3-pytest",
        "python3-pip",
        "python3-setuptools",
        "python3-wheel",
        "python3-dev",
        "gcc",
        "libc6-dev",
        "git",
        "make",
        "patch",
    ]


@contextmanager
def debian_root(
    *, extra: Sequence[str] = (), on_progress: Callable[[str], None]
) -> Iterator[BinaryIO]:
    """Bootstrap Debian into a scratch folder and give it as an uncompressed tar stream.

    `extra` are names of further packages to be in it.

    Raises:
        ImageError: If this host lacks the program, the right, or the mirror.
    """
    program = shutil.which("debootstrap", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if program is None:
        raise ImageError(
            "debootstrap is missing: apt-get install debootstrap, or use the lite image"
        )
    if os.geteuid() != 0:
        raise ImageError("only root can bootstrap Debian: run as root, or use the lite image")
    with tempfile.TemporaryDirectory(prefix="elagent-debian-", dir=_scratch()) as folder:
        root = Path(folder, "root")
        mirror = _mirror()
        on_progress(f"bootstrapping Debian {SUITE} (about two minutes)")
        include = ",".join([*packages(), *extra])
        argv = [program, "--variant=minbase", f"--include={include}", SUITE, str(root), mirror]
        _run(argv, f"Debian could not be bootstrapped from {mirror}")
        _run(["sh", "-c", FINISH, "sh", str(root)], "the Debian image could not be finished")
        archive = Path(folder, "root.tar")
        tar = ["tar", "--numeric-owner", "-C", str(root), "-c", "-f", str(archive), "."]
        _run(tar, "the Debian image could not be packed")
        with archive.open("rb") as stream:
            yield stream


def _run(argv: list[str], what: str) -> None:
    try:
        done = children.run(argv, timeout_s=_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise ImageError(f"{what}: no end after {_TIMEOUT_S:.0f} s") from error
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip()).decode("utf-8", "replace").splitlines()
        raise ImageError(f"{what}: {said[-1] if said else f'exit {done.returncode}'}")


def _scratch() -> str | None:
    """Return a scratch folder in memory where there is enough: twice as fast as a disk here."""
    memory = Path("/dev/shm")  # noqa: S108
    try:
        free = shutil.disk_usage(memory).free
    except OSError:
        return None
    return str(memory) if free > _NEEDED_BYTES else None


def _mirror() -> str:
    """Return the mirror this machine's own apt uses for the suite, if it has one."""
    argv = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return _DEFAULT_MIRROR
    for line in done.stdout.splitlines():
        uri, _, release = line.partition(" ")
        if release == SUITE and uri.startswith(("http://", "https://", "file:/")):
            return uri.rstrip("/")
    return _DEFAULT_MIRROR
