"""Finds the container engine and says in one sentence why there is none; there is no fallback."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.box.contract import EngineUnavailableError, SandboxError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import APIClient

API_TIMEOUT_S = 30.0
DEFAULT_SOCKET = "/var/run/docker.sock"
_FIT: set[str] = set()
"""Addresses of engines that were found to be able to fence a box."""
_LONGEST_REASON = 300
_START = "install and start Docker (on Debian or Ubuntu: apt-get install docker.io)"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """The engine that answered."""

    url: str
    version: str
    cgroup_version: str
    architecture: str
    cpus: int
    memory_bytes: int
    runtimes: tuple[str, ...]


def engine_url(environ: Mapping[str, str] | None = None) -> str:
    """Return the address of the engine: `DOCKER_HOST`, else the first socket that exists.

    Raises:
        EngineUnavailableError: If there is no socket, or the address is of an unsupported kind.
    """
    environ = os.environ if environ is None else environ
    if host := environ.get("DOCKER_HOST"):
        if host.partition("://")[0] not in ("unix", "tcp", "http", "https"):
            raise EngineUnavailableError(
                f"DOCKER_HOST={host} is not a unix:// or tcp:// address: point it to a local engine"
            )
        return host
    for path in _sockets(environ):
        if _is_socket(path):
            return f"unix://{path}"
    raise EngineUnavailableError(f"no Docker engine at {DEFAULT_SOCKET}: {_START}")


def _sockets(environ: Mapping[str, str]) -> list[Path]:
    """Return the sockets of a rootful, a rootless and a desktop engine."""
    sockets = [Path(DEFAULT_SOCKET)]
    if runtime_dir := environ.get("XDG_RUNTIME_DIR"):
        sockets.append(Path(runtime_dir, "docker.sock"))
    if home := environ.get("HOME"):
        sockets.append(Path(home, ".docker", "run", "docker.sock"))
    return sockets


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False


@contextmanager
def connect(url: str | None = None, *, timeout_s: float = API_TIMEOUT_S) -> Iterator[APIClient]:
    """Open a client of the engine; every call of it ends within `timeout_s`.

    Raises:
        EngineUnavailableError: If nothing answers there, or this user may not ask.
    """
    from docker import APIClient
    from docker.errors import DockerException

    url = engine_url() if url is None else url
    try:
        _knock(url)
        client = APIClient(base_url=url, version="auto", timeout=int(timeout_s))
    except (DockerException, OSError, ValueError) as error:
        raise _unavailable(url, error) from error
    with closing(client):
        try:
            _check_fences(client, url)
        except (DockerException, OSError, ValueError) as error:
            raise _unavailable(url, error) from error
        yield client


def _check_fences(client: APIClient, url: str) -> None:
    """Refuse what speaks Docker's API and cannot fence a box; each address is asked once.

    Raises:
        EngineUnavailableError: If it is Podman, which reads a seccomp profile as the name of a file and takes
            no limit on the files in a box's memory; or if it cannot limit memory and processes.
    """
    if url in _FIT:
        return
    version: dict[str, Any] = client.version()
    info: dict[str, Any] = client.info()
    path = url.removeprefix("unix://")
    if any(part.get("Name") == "Podman Engine" for part in version.get("Components") or ()):
        raise EngineUnavailableError(
            f"the engine at {path} is Podman, which cannot fence a box as Docker does: set DOCKER_HOST to"
            f" the socket of a Docker engine, or {_START}"
        )
    if info.get("MemoryLimit") is False or info.get("PidsLimit") is False:
        raise EngineUnavailableError(
            f"the engine at {path} cannot limit the memory and the processes of a box, as a rootless one"
            " without control groups of version 2: set DOCKER_HOST to an engine that can"
        )
    _FIT.add(url)


def _knock(url: str) -> None:
    """Connect and hang up: the system's own error is clearer than what the SDK makes of it."""
    if url.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(API_TIMEOUT_S)
            probe.connect(url.removeprefix("unix://"))


def check_engine(environ: Mapping[str, str] | None = None) -> EngineInfo:
    """Ask the engine what it is.

    Raises:
        EngineUnavailableError: If no engine answers; the message says what to do.
    """
    url = engine_url(environ)
    with connect(url, timeout_s=10) as client, engine_errors("the engine did not say what it is"):
        version: dict[str, Any] = client.version()
        info: dict[str, Any] = client.info()
    return EngineInfo(
        url=url,
        version=str(version.get("Version", "")),
        cgroup_version=str(info.get("CgroupVersion", "1")),
        architecture=str(info.get("Architecture", "")),
        cpus=int(info.get("NCPU", 0)),
        memory_bytes=int(info.get("MemTotal", 0)),
        runtimes=tuple(sorted(info.get("Runtimes") or {})),
    )


def check_runtime(name: str | None) -> None:
    """See that the engine has this OCI runtime; None is the engine's own choice.

    Names with a dot are those of shims (`io.containerd.kata.v2`), which the engine does not list:
    whether they work shows when a box is made.

    Raises:
        SandboxError: If it has not; the message says which ones there are.
    """
    if name is None or "." in name:
        return
    known = check_engine().runtimes
    if name not in known:
        raise SandboxError(
            f"sandbox.runtime: the Docker engine has no runtime {name!r}, only {', '.join(known)}: "
            "install it and name it in /etc/docker/daemon.json, or unset sandbox.runtime"
        )


@contextmanager
def engine_errors(what: str) -> Iterator[None]:
    """Turn whatever the SDK raises into a SandboxError that begins with `what`.

    Raises:
        EngineUnavailableError: If the engine died or did not answer in time.
        SandboxError: If it refused.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        reason = " ".join(str(error.explanation or error).split())
        if len(reason) > _LONGEST_REASON:
            reason = f"{reason[:_LONGEST_REASON]} [...]"
        raise SandboxError(f"{what}: {reason}") from error
    except (DockerException, RequestException, OSError) as error:
        raise EngineUnavailableError(
            f"{what}: the Docker engine does not answer ({_reason(error)})"
        ) from error


def _unavailable(url: str, error: BaseException) -> EngineUnavailableError:
    path = url.removeprefix("unix://")
    cause = _os_error(error)
    if isinstance(cause, PermissionError):
        return EngineUnavailableError(
            f"no permission to use the Docker engine at {path}: "
            "add yourself to its group (sudo usermod -aG docker $USER) and log in again"
        )
    if isinstance(cause, FileNotFoundError):
        return EngineUnavailableError(f"no Docker engine at {path}: {_START}")
    if isinstance(cause, ConnectionRefusedError):
        return EngineUnavailableError(
            f"the Docker engine at {path} is not running: start it (sudo systemctl start docker)"
        )
    return EngineUnavailableError(
        f"the Docker engine at {path} does not answer ({_reason(error)}): {_START}"
    )


def _os_error(error: BaseException) -> OSError | None:
    """Dig the operating system's own error out of what requests and the SDK wrapped round it."""
    seen: set[int] = set()
    queue: list[object] = [error]
    while queue:
        item = queue.pop()
        if not isinstance(item, BaseException) or id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, OSError) and item.errno is not None:
            return item
        queue += [item.__cause__, item.__context__, getattr(item, "reason", None), *item.args]
    return None


def _reason(error: BaseException) -> str:
    return str(_os_error(error) or error).splitlines()[0][:200]
