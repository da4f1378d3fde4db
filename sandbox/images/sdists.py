"""Packages that exist only as source: fetched as a file, built inside a box without a network.

Nothing of the source runs on the host, not even to ask for its metadata: `pip download` would.
"""

from __future__ import annotations

import hashlib
import io
import re
import ssl
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from sandbox.box.contract import ImageError, Job, Limits, NeedsNetworkError, SourceFile
from sandbox.box.oneshot import run_job
from sandbox.box.policy import BoxSpec
from sandbox.images.host_pip import is_from_index, pip_config

if TYPE_CHECKING:
    from unearth import PackageFinder
    from unearth.fetchers.sync import PyPIClient

_MAX_SDIST_BYTES = 200 * 1024 * 1024
_MAX_PYPROJECT_BYTES = 1024 * 1024
_DEFAULT_BUILD_REQUIRES = ("setuptools>=40.8",)
_BUILD_LIMITS = Limits(timeout_s=900, memory_mib=3072, work_mib=1536, pids=512)
_BUILD = """
python3 -m pip wheel --no-index --find-links wheels --no-deps --no-cache-dir --no-input \
  --disable-pip-version-check --wheel-dir out "$1" || exit 1
set -- out/*.whl
basename "$1" > name && mv "$1" built.whl
"""
_NEEDS_NETWORK = re.compile(
    r"Temporary failure in name resolution|Name or service not known|Network is unreachable"
    r"|Could not resolve host|getaddrinfo failed|nodename nor servname"
    r"|Failed to establish a new connection|urlopen error",
)
_NO_COMPILER = re.compile(
    r"(?:command|program) '?(?:gcc|cc|g\+\+|clang|x86_64\S*gcc)'? (?:failed: No such|not found)|error: command '(?:gcc|cc)"
)
_MISSING = re.compile(r"No matching distribution found for (?P<requirement>[^\n(]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sdist:
    """The source of one package, as a file's content."""

    name: str
    filename: str
    content: bytes
    build_requires: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """A wheel that came out of a box."""

    filename: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NeedsBuildRequirement:
    """The build asked for a package that was not provided."""

    requirement: str


def fetch_sdist(requirement: Requirement, extra: Path) -> Sdist:
    """Find the newest source archive that satisfies the requirement, and download it.

    Raises:
        ImageError: If there is none, or it cannot be fetched, or its hash is wrong.
    """
    with _finder(requirement.name, extra) as (finder, client):
        with _fetching(f"cannot look for the source of {requirement}"):
            best = finder.find_best_match(requirement).best
        if best is None or best.link.is_wheel:
            raise ImageError(
                f"{requirement} is neither available as a wheel for this image nor as source: "
                "check the name and version, or the package index that pip is configured with"
            )
        link = best.link
        with _fetching(f"cannot fetch the source of {requirement} from {link.redacted}"):
            content = link.file_path.read_bytes() if link.is_file else _download(client, link.url)
        hashes = link.hash_option or {}
    _check_hashes(link.filename, content, hashes)
    return Sdist(
        name=requirement.name,
        filename=link.filename,
        content=content,
        build_requires=_build_requires(link.filename, content),
    )


@contextmanager
def _fetching(what: str) -> Iterator[None]:
    """Say in one sentence what an index that refuses, breaks off or talks nonsense kept us from."""
    from httpx2 import HTTPError, InvalidURL

    try:
        yield
    except (HTTPError, InvalidURL, OSError, ValueError, RuntimeError) as error:
        raise ImageError(f"{what}: {error}; see the index that pip is configured with") from error


@contextmanager
def _finder(name: str, extra: Path) -> Iterator[tuple[PackageFinder, PyPIClient]]:
    """Open a finder of source archives that looks where the host's pip would."""
    from unearth import PackageFinder
    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers.sync import PyPIClient

    config = pip_config()
    indexes = [] if config.get("no-index") else [config.get("index-url") or _default_index()]
    if indexes:
        indexes += config.get("extra-index-url", "").split()
    trusted = config.get("trusted-host", "").split()
    verify: ssl.SSLContext | bool = True
    if cert := config.get("cert"):
        verify = ssl.create_default_context(cafile=cert)
    client = PyPIClient(trusted_hosts=trusted, verify=verify, follow_redirects=True, timeout=30)
    client.auth = MultiDomainBasicAuth(prompting=False, index_urls=indexes)
    try:
        yield (
            PackageFinder(
                session=cast("Any", client),  # its protocol and its own client disagree on types
                index_urls=indexes,
                find_links=[str(extra), *config.get("find-links", "").split()],
                trusted_hosts=trusted,
                no_binary=[name],
            ),
            client,
        )
    finally:
        client.close()


def _default_index() -> str:
    """Return the index that pip takes when nothing else is configured."""
    from pip._internal.models.index import PyPI

    return PyPI.simple_url


def _download(client: PyPIClient, url: str) -> bytes:
    chunks: list[bytes] = []
    size = 0
    with client.get_stream(url) as response:
        response.raise_for_status()
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > _MAX_SDIST_BYTES:
                raise ImageError(f"{url} is larger than {_MAX_SDIST_BYTES} bytes")
            chunks.append(chunk)
    return b"".join(chunks)


def _check_hashes(filename: str, content: bytes, hashes: dict[str, list[str]]) -> None:
    for algorithm, expected in hashes.items():
        if hashlib.new(algorithm, content).hexdigest() not in expected:
            raise ImageError(f"{filename} has the wrong {algorithm} hash: it was not used")


def _build_requires(filename: str, content: bytes) -> tuple[str, ...]:
    """Read what the build needs out of the archive, in memory."""
    text = _pyproject(filename, content)
    if text is None:
        return _DEFAULT_BUILD_REQUIRES
    try:
        requires: Any = tomllib.loads(text).get("build-system", {}).get("requires")
    except (tomllib.TOMLDecodeError, AttributeError, RecursionError) as error:
        raise ImageError(f"{filename} has an unreadable pyproject.toml: {error}") from error
    if not isinstance(requires, list):
        return _DEFAULT_BUILD_REQUIRES
    return tuple(str(Requirement(str(line))) for line in requires if is_from_index(line))


def _pyproject(filename: str, content: bytes) -> str | None:
    """Return the text of `<top>/pyproject.toml`, None if the archive has none."""
    try:
        if filename.endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for entry in archive.infolist():
                    if _is_pyproject(entry.filename) and entry.file_size < _MAX_PYPROJECT_BYTES:
                        return archive.read(entry).decode("utf-8", "replace")
            return None
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:*") as tar:
            for member in tar:
                if _is_pyproject(member.name) and member.isreg():
                    stream = tar.extractfile(member)
                    data = stream.read(_MAX_PYPROJECT_BYTES) if stream else b""
                    return data.decode("utf-8", "replace")
    except (tarfile.TarError, zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise ImageError(f"{filename} is not a readable archive: {error}") from error
    return None


def _is_pyproject(name: str) -> bool:
    return name.removeprefix("./").count("/") == 1 and name.endswith("/pyproject.toml")


def build_wheel(
    sdist: Sdist, wheels: Sequence[Path], *, url: str, image_id: str, network: bool
) -> Built | NeedsBuildRequirement:
    """Build the package in a box, from the given wheels of its build requirements.

    Raises:
        NeedsNetworkError: If the build wants the network and may not have it.
        ImageError: If the build fails.
    """
    files = [SourceFile(path=f"wheels/{wheel.name}", content=wheel) for wheel in wheels]
    files += [
        SourceFile(path=f"sdist/{sdist.filename}", content=sdist.content),
        SourceFile(path="out/.keep", content=b""),
    ]
    job = Job(
        argv=["sh", "-c", _BUILD, "sh", f"sdist/{sdist.filename}"],
        files=files,
        limits=_BUILD_LIMITS,
        collect=["name", "built.whl"],
    )
    spec = BoxSpec(image_id=image_id, labels={"kind": "build"}, network=network)
    execution = run_job(url, job, spec)
    if execution.succeeded and {"name", "built.whl"} <= execution.collected.keys():
        return _built(sdist, execution.collected["name"], execution.collected["built.whl"])
    said = execution.stdout.text + execution.stderr.text
    if (match := _MISSING.search(said)) and is_from_index(match["requirement"].strip()):
        return NeedsBuildRequirement(requirement=match["requirement"].strip())
    if _NEEDS_NETWORK.search(said) and not network:
        raise NeedsNetworkError(
            f"building {sdist.filename} needs the network, and nobody was there to allow it: run "
            "this on a terminal to be asked, set sandbox.allow_network_builds, or provide a wheel",
            build=sdist.filename,
        )
    if _NO_COMPILER.search(said):
        raise ImageError(
            f"building {sdist.filename} needs a compiler, which the lite base image lacks: "
            "use the base image made from Debian or from the Dockerfile"
        )
    last = next((line for line in reversed(said.splitlines()) if line.strip()), "no output")
    raise ImageError(f"{sdist.filename} could not be built ({execution.ending}): {last.strip()}")


def _built(sdist: Sdist, name: bytes, content: bytes) -> Built:
    """Accept what came out only under the name it must have: it becomes a file name here."""
    filename = name.decode("utf-8", "replace").strip()
    try:
        project = parse_wheel_filename(filename)[0]
    except InvalidWheelFilename as error:
        raise ImageError(f"building {sdist.filename} gave no wheel: {error}") from error
    if "/" in filename or project != canonicalize_name(sdist.name):
        raise ImageError(f"building {sdist.filename} gave a wheel of something else: {filename!r}")
    return Built(filename=filename, content=content)
