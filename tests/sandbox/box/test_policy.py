"""The fence as data."""

from __future__ import annotations

import json
import os

import pytest

from sandbox.box.contract import Limits
from sandbox.box.policy import BoxSpec, LimitsError, container_options, seccomp_profile

SPEC = BoxSpec(image_id="sha256:x", labels={"kind": "box"})


def test_no_variable_of_this_process_enters_the_box() -> None:
    os.environ["ELAGENT_TEST_VALUE"] = "hidden-value"
    try:
        options = container_options(Limits(), SPEC, now=0)
    finally:
        del os.environ["ELAGENT_TEST_VALUE"]
    assert "hidden-value" not in json.dumps(options)
    names = {entry.partition("=")[0] for entry in options["Env"]}
    assert names == {"PATH", "HOME", "LANG", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


@pytest.mark.parametrize(("work_mib", "memory_mib"), [(512, 512), (1024, 256), (200, 256)])
def test_tmpfs_that_would_eat_the_memory_is_refused(work_mib: int, memory_mib: int) -> None:
    limits = Limits(work_mib=work_mib, memory_mib=memory_mib)
    with pytest.raises(LimitsError, match="give the box at least"):
        container_options(limits, SPEC, now=0)


def test_every_tmpfs_together_leaves_memory_for_processes() -> None:
    host = container_options(Limits(), SPEC, now=0)["HostConfig"]
    sizes = [
        int(part.removeprefix("size=").removesuffix("m"))
        for options in host["Tmpfs"].values()
        for part in options.split(",")
        if part.startswith("size=")
    ]
    assert len(sizes) == 3
    assert sum(sizes) * 1024**2 + host["ShmSize"] < host["Memory"]


def test_only_the_work_and_temporary_directories_can_hold_programs() -> None:
    tmpfs = container_options(Limits(), SPEC, now=0)["HostConfig"]["Tmpfs"]
    executable = {path for path, options in tmpfs.items() if "exec" in options.split(",")}
    assert executable == {"/box", "/tmp"}  # noqa: S108


def test_the_runtime_is_named_only_if_asked_for() -> None:
    plain = container_options(Limits(), SPEC, now=0)["HostConfig"]
    spec = BoxSpec(image_id="x", labels={}, runtime="runsc")
    chosen = container_options(Limits(), spec, now=0)["HostConfig"]
    assert "Runtime" not in plain
    assert chosen["Runtime"] == "runsc"


def test_the_box_ends_itself_soon_after_its_limit() -> None:
    options = container_options(Limits(timeout_s=10), SPEC, now=1000)
    assert options["Entrypoint"] == ["timeout"]
    assert options["Cmd"] == ["-s", "KILL", "71", "cat"]
    assert options["Labels"]["dev.elagent.expires"] == "1071"


@pytest.mark.parametrize(
    "name", ["mount", "ptrace", "bpf", "keyctl", "unshare", "setns", "io_uring_setup", "shmget"]
)
def test_dangerous_calls_are_not_on_the_list(name: str) -> None:
    profile = json.loads(seccomp_profile())
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {
        call
        for rule in profile["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW"
        for call in rule["names"]
    }
    assert "read" in allowed
    assert name not in allowed
