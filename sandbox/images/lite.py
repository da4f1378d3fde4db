"""A base image out of the host's own Python: no registry, no network, no compiler.

Takes the interpreter behind the running one (never a virtual environment's), its standard library,
pytest and pip, a shell with the usual small programs, and the shared libraries all of these need.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from sandbox.images.host import (
    OPTIONAL,
    REQUIRED,
    HostPython,
    distribution_closure,
    host_tools,
    install_wheels,
    needed_libraries,
)

_SKIPPED_DIRECTORIES = frozenset(
    [
        "site-packages",
        "dist-packages",
        "test",
        "tests",
        "idle_test",
        "idlelib",
        "turtledemo",
        "tkinter",
        "ensurepip",
    ]
)
_SKIPPED_FILES = re.compile(
    r".*\.(?:a|opt-[12]\.pyc)|_tkinter\..*|sitecustomize\.py|EXTERNALLY-MANAGED|_test.*\.so|xx.*\.so"
)

_ACCOUNTS = """\
root:x:0:0:root:/:/bin/sh
keeper:x:65531:65531:keeper:/:/bin/sh
sandbox:x:65532:65532:sandbox:/tmp:/bin/sh
"""
_GROUPS = "root:x:0:\nkeeper:x:65531:\nsandbox:x:65532:\n"
_TEXTS: Mapping[str, str] = {
    "etc/passwd": _ACCOUNTS,
    "etc/group": _GROUPS,
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "etc/os-release": 'ID=elagent\nNAME="elagent lite sandbox"\n',
}


def lite_inputs(python: HostPython) -> list[object]:
    """Return, as JSON-able values, everything that decides what the image will contain."""
    packages = sorted(
        f"{dist.name}=={dist.version}"
        for dist in distribution_closure((*REQUIRED, *OPTIONAL))[0].values()
    )
    tools = [_stamp(path) for path in host_tools().values()]
    return [python.build, _stamp(python.binary), str(python.purelib), packages, tools]


def _stamp(path: Path) -> list[object]:
    status = path.stat()
    return [str(path), status.st_size, int(status.st_mtime)]


@contextmanager
def lite_root(python: HostPython, *, on_progress: Callable[[str], None]) -> Iterator[BinaryIO]:
    """Assemble the root filesystem and give it as an uncompressed tar archive.

    Raises:
        ImageError: If something needed is missing on this host.
    """
    on_progress(f"assembling the lite image from Python {python.version} of this host")
    with tempfile.TemporaryDirectory(prefix="elagent-lite-") as scratch:
        root = _Root(python)
        root.add_python()
        root.add_tools()
        root.add_packages(Path(scratch, "packages"), on_progress)
        root.add_libraries()
        with tempfile.TemporaryFile(dir=scratch) as archive:
            root.write(archive)
            archive.seek(0)
            yield archive


class _Root:
    """Plan of the files in the image; nothing is read before `write`."""

    def __init__(self, python: HostPython) -> None:
        self._python = python
        self._files: dict[str, Path] = {}
        self._links: dict[str, str] = {
            name: f"usr/{name}" for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
        }
        self._texts: dict[str, str] = dict(_TEXTS)

    def add_file(self, target: str | Path, source: Path) -> None:
        """Plan a regular file; the image has one merged `/usr`, whatever the host has."""
        name = str(target).lstrip("/")
        top = name.partition("/")[0]
        self._files[f"usr/{name}" if top in self._links else name] = source

    def add_python(self) -> None:
        """Plan the interpreter where it lives on the host, its library, and names on the PATH."""
        binary = self._python.binary
        self.add_file(binary, binary)
        for name in ("python", "python3", f"python{self._python.version}"):
            link = f"usr/local/bin/{name}"
            if Path("/", link) != binary:
                self._links[link] = str(binary)
        for directory, names, files in os.walk(self._python.stdlib):
            names[:] = [name for name in names if name not in _SKIPPED_DIRECTORIES]
            for name in files:
                path = Path(directory, name)
                if not _SKIPPED_FILES.fullmatch(name) and path.is_file():
                    self.add_file(path, path)

    def add_tools(self) -> None:
        """Plan the shell, the small programs, and the data they read."""
        for name, path in host_tools().items():
            self.add_file(f"usr/bin/{name}", path)
        for folder in ("usr/share/git-core/templates", "usr/lib/locale/C.utf8"):
            self._add_tree(Path("/", folder))
        self._add_tree(Path("/usr/share/zoneinfo"), skip=frozenset({"right", "posix"}))

    def _add_tree(self, folder: Path, skip: frozenset[str] = frozenset()) -> None:
        for directory, names, files in os.walk(folder):
            names[:] = [name for name in names if name not in skip]
            for name in files:
                path = Path(directory, name)
                if path.is_file():
                    self.add_file(path, path)

    def add_packages(self, scratch: Path, on_progress: Callable[[str], None]) -> None:
        """Plan pytest, pip and what they need: from this environment, else from the index."""
        found, missing = distribution_closure((*REQUIRED, *OPTIONAL))
        if missing:
            on_progress(f"fetching {', '.join(missing)}")
            install_wheels(scratch, missing, required=set(missing) & set(REQUIRED))
            found |= distribution_closure(missing, [str(scratch)])[0]
        for dist in found.values():
            for file in dist.files or ():
                source = Path(str(dist.locate_file(file)))
                if ".." not in file.parts and not file.is_absolute() and source.is_file():
                    self.add_file(self._python.purelib / file, source)
        script = "#!/usr/local/bin/python3\nimport sys\nfrom {0} import {1}\nsys.exit({1}())\n"
        self._texts["usr/local/bin/pytest"] = script.format("pytest", "console_main")
        self._texts["usr/local/bin/pip"] = script.format("pip._internal.cli.main", "main")

    def add_libraries(self) -> None:
        """Plan the shared libraries of every program and extension module planned so far."""
        binaries = [path for path in self._files.values() if _is_elf(path)]
        for library in needed_libraries(binaries):
            self.add_file(library, library)

    def write(self, archive: IO[bytes]) -> None:
        """Read everything and write the archive; no special bits, everything owned by root."""
        with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name, target in sorted(self._links.items()):
                tar.addfile(_member(name, kind=tarfile.SYMTYPE, link=target))
            # its mode is what a tmpfs mounted there gets, whatever the mount options say
            tar.addfile(_member("tmp", mode=0o1777, kind=tarfile.DIRTYPE))
            for name, text in sorted(self._texts.items()):
                data = text.encode()
                member = _member(name, mode=0o755 if "bin/" in name else 0o644)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
            for name, path in sorted(self._files.items()):
                with path.open("rb") as stream:
                    status = os.fstat(stream.fileno())
                    member = _member(name, mode=0o755 if status.st_mode & 0o111 else 0o644)
                    # compiled modules are only used if the source's time is the one they noted
                    member.mtime = int(status.st_mtime)
                    member.size = status.st_size
                    tar.addfile(member, stream)


def _member(
    name: str, *, mode: int = 0o755, kind: bytes = tarfile.REGTYPE, link: str = ""
) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode, member.type, member.linkname = mode, kind, link
    return member


def _is_elf(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"
