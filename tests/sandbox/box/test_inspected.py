"""What the engine says about a box of each kind, key by key: nothing is left to its defaults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sandbox.box.contract import Limits
from sandbox.box.engine import connect
from sandbox.box.policy import BoxSpec, container_options, seccomp_profile

pytestmark = pytest.mark.docker

MIB = 1024 * 1024
LIMITS = Limits(timeout_s=10, memory_mib=1024, cpus=1.5, pids=99, work_mib=256)
MASKED = {"/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"}
READ_ONLY = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}
CHECKED_APART = {"SecurityOpt", "MaskedPaths", "ReadonlyPaths", "Tmpfs", "Ulimits", "Runtime"}
HOST: dict[str, Any] = {
    "NetworkMode": "none",
    "CapDrop": ["ALL"],
    "ReadonlyRootfs": True,
    "Memory": 1024 * MIB,
    "MemorySwap": 1024 * MIB,
    "CpuPeriod": 100_000,
    "CpuQuota": 150_000,
    "PidsLimit": 99,
    "OomScoreAdj": 500,
    "ShmSize": 16 * MIB,
    "IpcMode": "private",
    "CgroupnsMode": "private",
    "Init": True,
    "AutoRemove": True,
    "LogConfig": {"Type": "none", "Config": {}},
    "RestartPolicy": {"Name": "no", "MaximumRetryCount": 0},
}
CONFIG: dict[str, Any] = {
    "Hostname": "box",
    "User": "65531:65531",
    "AttachStdin": True,
    "OpenStdin": True,
    "StdinOnce": True,
    "Entrypoint": ["timeout"],
    "Cmd": ["-s", "KILL", "71", "cat"],
    "WorkingDir": "/",
    "StopSignal": "SIGKILL",
    "Healthcheck": {"Test": ["NONE"]},
}
WARM = {
    "User": "0:0",
    "AttachStdout": True,
    "AttachStderr": True,
    "Cmd": ["-s", "KILL", "71", "python3", "-I", "-c", "pass"],
}
ENVIRONMENT = {"PATH", "HOME", "LANG", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


def inspected(image: str, kind: Mapping[str, Any]) -> dict[str, Any]:
    spec = BoxSpec(image_id=image, labels={"kind": "inspected", "session": "none"}, **kind)
    options = container_options(LIMITS, spec, now=1000)
    with connect() as client:
        made = client.create_container_from_config(options)  # type: ignore[no-untyped-call]
        try:
            data: dict[str, Any] = client.inspect_container(made["Id"])
        finally:
            client.remove_container(made["Id"], force=True, v=True)
    return data


@pytest.mark.parametrize(
    ("kind", "host", "config"),
    [
        ({}, {}, {}),
        ({"runtime": "runc"}, {}, {}),
        ({"network": True}, {"NetworkMode": "bridge"}, {}),
        ({"writable": True}, {"ReadonlyRootfs": False}, {}),
        ({"server": "pass"}, {"CapAdd": ["CAP_KILL", "CAP_SETGID", "CAP_SETUID"]}, WARM),
    ],
    ids=["one-shot", "runtime", "network build", "install", "warm"],
)
def test_every_key_of_the_inspected_container_is_what_the_fence_says(
    sandbox_image: str, kind: dict[str, Any], host: dict[str, Any], config: dict[str, Any]
) -> None:
    data = inspected(sandbox_image, kind)
    options = data["HostConfig"]
    options["CapAdd"] = sorted(
        name if name.startswith("CAP_") else f"CAP_{name}" for name in options["CapAdd"] or ()
    )
    expected = HOST | {"CapAdd": []} | host
    assert {key: options[key] for key in expected} == expected
    others = options.keys() - expected.keys() - CHECKED_APART
    assert {key: options[key] for key in others if options[key] not in _NOTHING} == {}
    assert options["Runtime"] == "runc"

    (profile,) = (o for o in options["SecurityOpt"] if o.startswith("seccomp="))
    assert json.loads(profile.removeprefix("seccomp=")) == json.loads(seccomp_profile())
    assert set(options["SecurityOpt"]) == {"no-new-privileges", profile}
    assert set(options["MaskedPaths"]) >= MASKED
    assert set(options["ReadonlyPaths"]) >= READ_ONLY
    assert {limit["Name"]: limit["Hard"] for limit in options["Ulimits"]}["core"] == 0
    assert all(limit["Soft"] == limit["Hard"] for limit in options["Ulimits"])
    assert set(options["Tmpfs"]) == {"/box", "/tmp", "/el"}  # noqa: S108
    assert all("nosuid,nodev" in mount and "size=" in mount for mount in options["Tmpfs"].values())

    described = data["Config"]
    expected = CONFIG | config
    assert {key: described[key] for key in expected} == expected
    others = described.keys() - expected.keys() - {"Env", "Labels", "Image"}
    assert {key: described[key] for key in others if described[key] not in _NOTHING} == {}
    assert {entry.partition("=")[0] for entry in described["Env"]} == ENVIRONMENT
    assert described["Labels"]["dev.elagent.expires"] == "1071"
    assert data["Image"] == sandbox_image
    assert data["Mounts"] == []
    assert set(data["NetworkSettings"]["Networks"]) == {options["NetworkMode"]}


_NOTHING: tuple[object, ...] = (None, "", [], {}, 0, False, [0, 0])
