"""A base image out of the host's own Python: no registry, no network, no compiler.

Takes the interpreter behind the running one (never a virtual environment's), its standard library,
pytest and pip, a shell with the usual small programs, and the shared libraries all of these need.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import IO, Any, BinaryIO

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.contract import ImageError

TOOLS = tuple(
    """
    sh bash env cat ls cp mv rm mkdir rmdir ln chmod touch sleep timeout id head tail wc sort uniq
    cut tr echo printf test true false dirname basename mktemp date uname tee seq du df stat
    readlink realpath pwd whoami od nproc expr tac comm paste split sha256sum md5sum base64 kill
    setsid yes mkfifo tar gzip grep sed awk find xargs diff cmp patch make which git
    """.split()  # noqa: SIM905  (ninety lines otherwise)
)
_NEEDED_TOOLS = frozenset({"sh", "env", "cat", "timeout", "tar", "mkdir", "rm"})
REQUIRED = ("pytest", "pip")
OPTIONAL = ("setuptools",)

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
_LDD_LINE = re.compile(r"(?:=>\s+)?(/[^\s:]+)\s+\(0x[0-9a-f]+\)")
_LDD_BATCH = 200

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


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPython:
    """The interpreter that would run if there were no virtual environment."""

    binary: Path
    """The file itself, links resolved."""
    version: str
    build: str
    stdlib: Path
    purelib: Path
    """Where that interpreter looks for installed packages."""


def host_python() -> HostPython:
    """Ask the base interpreter about itself.

    Raises:
        ImageError: If it cannot be found or does not answer.
    """
    code = (
        "import json, os, sys, sysconfig; paths = sysconfig.get_paths();"
        "print(json.dumps([os.path.realpath(sys.executable), sys.version,"
        " paths['stdlib'], paths['purelib']]))"
    )
    base = _base_executable()
    try:
        answer = subprocess.run(
            [base, "-I", "-c", code], capture_output=True, check=True, timeout=60, text=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ImageError(f"the host's Python at {base} does not answer: {error}") from error
    binary, build, stdlib, purelib = json.loads(answer)
    version = ".".join(build.split()[0].split(".")[:2])
    return HostPython(
        binary=Path(binary),
        version=version,
        build=build,
        stdlib=Path(stdlib),
        purelib=Path(purelib),
    )


def _base_executable() -> Path:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [
        Path(sys.base_prefix, "bin", name),
        Path(sys.base_prefix, "bin", "python3"),
        Path(getattr(sys, "_base_executable", "") or sys.executable),
    ]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise ImageError(f"no Python interpreter under {sys.base_prefix}")


def lite_inputs(python: HostPython) -> list[object]:
    """Return, as JSON-able values, everything that decides what the image will contain."""
    packages = sorted(
        f"{dist.name}=={dist.version}" for dist in _closure((*REQUIRED, *OPTIONAL))[0].values()
    )
    tools = [_stamp(path) for path in _tools().values()]
    return [python.build, _stamp(python.binary), str(python.purelib), packages, tools]


def _stamp(path: Path) -> list[object]:
    status = path.stat()
    return [str(path), status.st_size, int(status.st_mtime)]


def _tools() -> dict[str, Path]:
    """Return the programs found on the host, links resolved, by the name they are called by."""
    path = "/usr/bin:/bin:/usr/local/bin"
    found = {name: shutil.which(name, path=path) for name in TOOLS}
    if missing := sorted(name for name in _NEEDED_TOOLS if found[name] is None):
        raise ImageError(
            f"the host has no {', '.join(missing)}: install it to assemble the lite image"
        )
    return {name: Path(where).resolve() for name, where in found.items() if where is not None}


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
    """What goes where in the image; nothing is read before `write`."""

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
        for name, path in _tools().items():
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
        found, missing = _closure((*REQUIRED, *OPTIONAL))
        if missing:
            on_progress(f"fetching {', '.join(missing)}")
            _install(scratch, missing, required=set(missing) & set(REQUIRED))
            found |= _closure(missing, [str(scratch)])[0]
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
        for library in _needed_libraries(binaries):
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


def _closure(
    names: Iterable[str], where: list[str] | None = None
) -> tuple[dict[str, Distribution], list[str]]:
    """Return the installed distributions that these need, and the names that are not installed."""
    context: dict[str, Any] = {} if where is None else {"path": where}
    installed = {canonicalize_name(dist.name): dist for dist in distributions(**context)}
    found: dict[str, Distribution] = {}
    missing: list[str] = []
    queue = [canonicalize_name(name) for name in names]
    while queue:
        name = queue.pop(0)
        if name in found or name in missing:
            continue
        if (dist := installed.get(name)) is None or not dist.files:
            missing.append(name)
            continue
        found[name] = dist
        for text in dist.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                queue.append(canonicalize_name(requirement.name))
    return found, missing


def _install(folder: Path, names: list[str], *, required: set[str]) -> None:
    """Unpack wheels into a folder with the host's pip: wheels only, so nothing of them runs."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:"]
    done = subprocess.run(
        [*command, "--target", str(folder), *names],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode and required:
        said = done.stderr.strip().splitlines()
        raise ImageError(
            f"cannot fetch {', '.join(sorted(required))} for the lite image: {said[-1] if said else ''}"
        )


def _is_elf(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


def _needed_libraries(binaries: list[Path]) -> list[Path]:
    found: set[Path] = set()
    for start in range(0, len(binaries), _LDD_BATCH):
        batch = [str(path) for path in binaries[start : start + _LDD_BATCH]]
        done = subprocess.run(
            ["ldd", *batch],  # noqa: S607  (the host's own, on the host's own files)
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        found |= {Path(name) for name in _LDD_LINE.findall(done.stdout)}
    return sorted(found)
