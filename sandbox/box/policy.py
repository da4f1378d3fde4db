"""Turns limits into container options in one function; its result is the whole fence.

Pure data in the engine's own JSON form: no engine is needed to read or to test it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from sandbox.box.contract import Limits, SandboxError

JOB_USER = "65532:65532"
"""User of the untrusted command."""
KEEPER_USER = "65531:65531"
"""User of the box's main process. Not the job's, so that the job cannot signal it."""
SERVER_USER = "0:0"
"""User of a warm box's fork-server, with no more rights than these three."""
SERVER_RIGHTS = ("SETUID", "SETGID", "KILL")

LABEL_PREFIX = "dev.elagent."
WORK_DIR = "/box"
HARNESS_DIR = "/el"

TMP_MIB = 128
HARNESS_MIB = 16
SHM_MIB = 16
NAPKIN_MIB = 32
"""Memory that must remain when every tmpfs is full: tmpfs pages count against the limit."""

START_GRACE_S = 60.0
"""Added to the time limit before the box ends itself even if nobody comes back for it."""


class LimitsError(SandboxError):
    """The limits contradict each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxSpec:
    """Properties of one box, besides its limits."""

    image_id: str
    labels: Mapping[str, str]
    runtime: str | None = None
    """An OCI runtime the engine knows, such as `runsc`; None is the engine's default."""
    network: bool = False
    """True only for building a third-party package, and only when a person allowed it."""
    writable: bool = False
    """True only for installing wheels into a layer; such a box runs no untrusted command."""
    server: str | None = None
    """Source of the fork-server that makes this a warm box: many programs, a fresh user for each."""


def container_options(limits: Limits, spec: BoxSpec, *, now: float) -> dict[str, Any]:
    """Return the engine's "create container" request for a one-shot or a warm box.

    The main process only reads standard input: `StdinOnce` closes that when the client that
    started the box dies, the process ends, and `AutoRemove` takes the box away. In a warm box that
    process is the fork-server, which changes to a fresh user for each program: it, and nothing
    that it starts, holds the rights to do so.

    Raises:
        LimitsError: If the tmpfs mounts would not fit into the memory.
    """
    keep_s = int(limits.timeout_s + START_GRACE_S) + 1
    labels = {**spec.labels, "expires": str(int(now) + keep_s)}
    is_warm = spec.server is not None
    main = ["cat"] if spec.server is None else ["python3", "-I", "-c", spec.server]
    return {
        "Image": spec.image_id,
        "Entrypoint": ["timeout"],
        "Cmd": ["-s", "KILL", str(keep_s), *main],
        "User": SERVER_USER if is_warm else KEEPER_USER,
        "WorkingDir": "/",
        "Hostname": "box",
        "Env": [f"{name}={value}" for name, value in BASE_ENV.items()],
        "Labels": {f"{LABEL_PREFIX}{name}": value for name, value in labels.items()},
        "OpenStdin": True,
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": is_warm,
        "AttachStderr": is_warm,
        "Tty": False,
        "Healthcheck": {"Test": ["NONE"]},
        "StopSignal": "SIGKILL",
        "HostConfig": _host_options(limits, spec),
    }


def _host_options(limits: Limits, spec: BoxSpec) -> dict[str, Any]:
    mib = 1024 * 1024
    # an installed file may be larger than the compressed wheels it came in
    file_bytes = (limits.work_mib if not spec.writable else 64 * 1024) * mib
    options: dict[str, Any] = {
        "NetworkMode": "bridge" if spec.network else "none",
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges", f"seccomp={seccomp_profile()}"],
        "ReadonlyRootfs": not spec.writable,
        "Tmpfs": _tmpfs(limits, is_warm=spec.server is not None),
        "Memory": limits.memory_mib * mib,
        "MemorySwap": limits.memory_mib * mib,
        # a quota, not NanoCpus: the engine refuses that one when it exceeds the host's CPUs
        "CpuPeriod": 100_000,
        "CpuQuota": int(limits.cpus * 100_000),
        "PidsLimit": limits.pids,
        "OomScoreAdj": 500,
        "ShmSize": SHM_MIB * mib,
        "IpcMode": "private",
        "CgroupnsMode": "private",
        "Init": True,
        "AutoRemove": True,
        "Privileged": False,
        "LogConfig": {"Type": "none", "Config": {}},
        "RestartPolicy": {"Name": "no"},
        "Ulimits": [
            {"Name": "nofile", "Soft": 1024, "Hard": 1024},
            {"Name": "fsize", "Soft": file_bytes, "Hard": file_bytes},
            {"Name": "core", "Soft": 0, "Hard": 0},
        ],
    }
    if spec.server is not None:
        options["CapAdd"] = list(SERVER_RIGHTS)
    if spec.runtime is not None:
        options["Runtime"] = spec.runtime
    return options


def _tmpfs(limits: Limits, *, is_warm: bool) -> dict[str, str]:
    """Return every writable place, with its mount options.

    Where the directory exists in the image, the engine takes that one's mode and ignores `mode`:
    images must have `/tmp` with mode 1777, and neither of ours with any but 0755.
    """
    tmp_mib = min(TMP_MIB, max(16, limits.memory_mib // 8))
    needed = limits.work_mib + tmp_mib + HARNESS_MIB + SHM_MIB + NAPKIN_MIB
    if needed > limits.memory_mib:
        raise LimitsError(
            f"a work directory of {limits.work_mib} MiB does not fit into {limits.memory_mib} MiB"
            f" of memory: give the box at least {needed} MiB, or a smaller work directory"
        )
    uid, gid = (SERVER_USER if is_warm else JOB_USER).split(":")
    # in a warm box every user may make a directory there, and see none but its own
    mode, inodes = ("1733", "20k") if is_warm else ("0755", "100k")
    common = "rw,nosuid,nodev"
    # the engine's tmpfs is noexec unless told otherwise: compilers write programs into the work
    # directory, test suites write scripts into temporary ones
    return {
        WORK_DIR: f"{common},exec,size={limits.work_mib}m,nr_inodes={inodes},mode={mode},uid={uid},gid={gid}",
        "/tmp": f"{common},exec,size={tmp_mib}m,nr_inodes=20k,mode=1777",  # noqa: S108
        HARNESS_DIR: f"{common},noexec,size={HARNESS_MIB}m,nr_inodes=2k,mode=0755,uid=0,gid=0",
    }


BASE_ENV: Mapping[str, str] = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}
"""The whole environment of a box: a list of what is allowed, never a copy of the host's."""


def seccomp_profile() -> str:
    """Return the system calls a box may make, as the JSON the engine takes."""
    return resources.files("sandbox.box").joinpath("seccomp.json").read_text("utf-8")
