"""Every sandbox must pass these checks: `await check(make)` for each of CHECKS, with a factory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

from sandbox.box.contract import Ending, Execution, Job, Limits, Sandbox, SourceFile

Make = Callable[[], AbstractAsyncContextManager[Sandbox]]
Check = Callable[[Make], Awaitable[None]]

QUICK = Limits(timeout_s=30)


async def _sh(make: Make, script: str, *, limits: Limits = QUICK, stdin: bytes = b"") -> Execution:
    async with make() as sandbox:
        return await sandbox.run(Job(argv=["sh", "-c", script], limits=limits, stdin=stdin))


async def streams_stay_apart_and_complete(make: Make) -> None:
    execution = await _sh(make, "echo out; echo err >&2")
    assert execution.succeeded
    assert (execution.stdout.data, execution.stderr.data) == (b"out\n", b"err\n")


async def exit_code_is_an_answer(make: Make) -> None:
    execution = await _sh(make, "exit 7")
    assert (execution.ending, execution.exit_code) == (Ending.EXITED, 7)
    assert not execution.succeeded


async def death_by_signal_is_negative(make: Make) -> None:
    assert (await _sh(make, "kill -11 $$")).exit_code == -11


async def missing_program_is_an_answer(make: Make) -> None:
    async with make() as sandbox:
        execution = await sandbox.run(Job(argv=["no-such-program"], limits=QUICK))
    assert execution.exit_code == 127


async def arguments_are_not_interpreted(make: Make) -> None:
    tricky = ["$HOME", "a b", "'", '"', "*", "ü", ""]
    async with make() as sandbox:
        execution = await sandbox.run(Job(argv=["printf", "%s|", *tricky], limits=QUICK))
    assert execution.stdout.text == "".join(f"{word}|" for word in tricky)


async def input_arrives_whole_and_ends(make: Make) -> None:
    data = bytes(range(256)) * 8192
    execution = await _sh(make, "wc -c; cat", stdin=data)
    assert execution.stdout.data.split()[0] == str(len(data)).encode()


async def without_input_reading_ends_at_once(make: Make) -> None:
    assert (await _sh(make, "cat; echo end")).stdout.data == b"end\n"


async def files_arrive_where_the_command_starts(make: Make) -> None:
    job = Job(
        argv=["sh", "-c", "cat in/a.txt; ./run; test -x in/a.txt || echo plain"],
        files=[
            SourceFile(path="in/a.txt", content=b"hello\n"),
            SourceFile(path="run", content=b"#!/bin/sh\necho ran\n", executable=True),
        ],
        limits=QUICK,
    )
    async with make() as sandbox:
        execution = await sandbox.run(job)
    assert execution.stdout.data == b"hello\nran\nplain\n"


async def files_arrive_and_results_leave(make: Make) -> None:
    job = Job(
        argv=["sh", "-c", "tr a-z A-Z < in/a.txt > result; mkdir sub; cp result sub/copy; ./run"],
        files=[
            SourceFile(path="in/a.txt", content=b"hello"),
            SourceFile(path="run", content=b"#!/bin/sh\necho ran\n", executable=True),
        ],
        limits=QUICK,
        collect=["result", "sub/copy", "absent"],
    )
    async with make() as sandbox:
        execution = await sandbox.run(job)
    assert execution.stdout.data == b"ran\n"
    assert dict(execution.collected) == {"result": b"HELLO", "sub/copy": b"HELLO"}


async def harness_can_be_read_but_not_changed(make: Make) -> None:
    job = Job(
        argv=[
            "sh",
            "-c",
            "cat /el/h; echo x > /el/h; rm -f /el/h; touch /el/new; cat /el/h; ls /el",
        ],
        harness=[SourceFile(path="h", content=b"ours\n")],
        limits=QUICK,
    )
    async with make() as sandbox:
        execution = await sandbox.run(job)
    assert execution.stdout.data == b"ours\nours\nh\n"


async def environment_is_only_what_was_given(make: Make) -> None:
    job = Job(argv=["env"], env={"GIVEN": "yes"}, limits=QUICK)
    async with make() as sandbox:
        execution = await sandbox.run(job)
    names = {line.partition("=")[0] for line in execution.stdout.text.splitlines()}
    assert "GIVEN" in names
    assert names <= {"GIVEN", "PATH", "HOME", "LANG", "HOSTNAME", "PWD"} | {
        name for name in names if name.startswith("PYTHON")
    }


async def nothing_is_left_for_the_next_job(make: Make) -> None:
    async with make() as sandbox:
        script = "ls -A /box; touch /box/left /tmp/left; ls -A /tmp"
        first = await sandbox.run(Job(argv=["sh", "-c", script], limits=QUICK))
        second = await sandbox.run(Job(argv=["sh", "-c", script], limits=QUICK))
    assert first.stdout.data == second.stdout.data == b"left\n"


async def timeout_ends_everything_in_time(make: Make) -> None:
    started = time.monotonic()
    script = "trap '' TERM INT HUP; setsid sleep 1000 & echo before; while :; do :; done"
    execution = await _sh(make, script, limits=Limits(timeout_s=1.0))
    assert (execution.ending, execution.exit_code) == (Ending.TIMEOUT, None)
    assert execution.stdout.data == b"before\n"
    assert time.monotonic() - started < 5


async def a_daemon_does_not_keep_the_job(make: Make) -> None:
    started = time.monotonic()
    execution = await _sh(make, "setsid sleep 1000 & echo done")
    assert execution.succeeded
    assert time.monotonic() - started < 8


async def memory_is_limited(make: Make) -> None:
    script = "python3 -c 'x = bytearray(600 << 20); print(len(x))'"
    limits = Limits(timeout_s=30, memory_mib=256, work_mib=32)
    execution = await _sh(make, script, limits=limits)
    assert execution.ending is Ending.OOM
    assert execution.stdout.data == b""


async def memory_killed_child_is_told_apart(make: Make) -> None:
    script = "python3 -c 'bytearray(600 << 20)' & wait $!; exit 1"
    limits = Limits(timeout_s=30, memory_mib=256, work_mib=32)
    assert (await _sh(make, script, limits=limits)).ending is Ending.OOM


async def flood_is_ended_and_kept_at_both_ends(make: Make) -> None:
    limits = Limits(timeout_s=60, output_kib=64, output_limit_mib=16)
    started = time.monotonic()
    execution = await _sh(make, "echo first; yes | head -c 1000000000", limits=limits)
    assert execution.ending is Ending.OUTPUT_LIMIT
    assert execution.stdout.data.startswith(b"first\ny\n")
    assert len(execution.stdout.head) + len(execution.stdout.tail) <= 64 * 1024
    assert execution.stdout.dropped_bytes > 15 * 1024 * 1024
    assert time.monotonic() - started < 10


async def long_output_within_the_limit_keeps_head_and_tail(make: Make) -> None:
    limits = Limits(timeout_s=30, output_kib=4)
    execution = await _sh(make, "echo head; seq 100000; echo tail", limits=limits)
    assert execution.succeeded
    assert execution.stdout.head.startswith(b"head\n")
    assert execution.stdout.tail.endswith(b"100000\ntail\n")


async def disk_is_limited(make: Make) -> None:
    limits = Limits(timeout_s=30, work_mib=16)
    execution = await _sh(make, "head -c 100000000 /dev/zero > /box/big; echo $?", limits=limits)
    assert execution.ending is Ending.EXITED
    assert execution.stdout.data.strip() != b"0"


async def fork_bomb_is_contained(make: Make) -> None:
    script = "import os\nwhile True:\n try: os.fork()\n except OSError: pass\n"
    started = time.monotonic()
    async with make() as sandbox:
        limits = Limits(timeout_s=2.0, pids=64)
        bomb = await sandbox.run(Job(argv=["python3", "-c", script], limits=limits))
        after = await sandbox.run(Job(argv=["echo", "fine"], limits=QUICK))
    assert bomb.ending is Ending.TIMEOUT
    assert after.stdout.data == b"fine\n"
    assert time.monotonic() - started < 20


async def there_is_no_network(make: Make) -> None:
    script = (
        "import socket\n"
        "for host in ('1.1.1.1', '172.17.0.1', '169.254.169.254'):\n"
        "    try: socket.create_connection((host, 80), 2); print('reached', host)\n"
        "    except OSError: pass\n"
        "try: print(socket.getaddrinfo('example.com', 80))\n"
        "except OSError: print('no names')\n"
    )
    async with make() as sandbox:
        execution = await sandbox.run(Job(argv=["python3", "-c", script], limits=QUICK))
    assert execution.stdout.data == b"no names\n"


async def the_system_is_read_only_and_rights_are_none(make: Make) -> None:
    script = (
        "for d in / /etc /usr /var /root; do touch $d/x 2>/dev/null && echo wrote $d; done\n"
        "grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; id -u"
    )
    execution = await _sh(make, script)
    words = execution.stdout.text.split()
    assert "wrote" not in words
    assert words[words.index("CapEff:") + 1] == "0000000000000000"
    assert words[words.index("CapBnd:") + 1] == "0000000000000000"
    assert words[words.index("NoNewPrivs:") + 1] == "1"
    assert words[words.index("Seccomp:") + 1] == "2"
    assert words[-1] != "0"


async def no_right_is_held_and_none_can_be_won(make: Make) -> None:
    execution = await _sh(make, "cat /proc/self/status; id -u; cat /proc/1/environ /etc/shadow")
    status = dict(line.split(":\t") for line in execution.stdout.text.splitlines() if ":\t" in line)
    held = {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")}
    assert held == {"0000000000000000"}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert int(execution.stdout.text.split()[-1]) > 1000


async def forbidden_calls_are_refused(make: Make) -> None:
    script = (
        "import ctypes, os, socket\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "def no(name, call):\n"
        "    try: result = call()\n"
        "    except OSError: return\n"
        "    if isinstance(result, int) and result < 0: return\n"
        "    print('allowed', name)\n"
        "no('alg', lambda: socket.socket(38, socket.SOCK_SEQPACKET))\n"
        "no('vsock', lambda: socket.socket(40, socket.SOCK_STREAM))\n"
        "no('packet', lambda: socket.socket(17, socket.SOCK_RAW))\n"
        "no('unshare', lambda: libc.unshare(0x10000000))\n"
        "no('mount', lambda: libc.mount(b'none', b'/tmp', b'tmpfs', 0, None))\n"
        "no('ptrace', lambda: libc.ptrace(0, 0, 0, 0))\n"
        "no('io_uring', lambda: libc.syscall(425, 1, 0))\n"
        "no('bpf', lambda: libc.syscall(321, 0, 0, 0))\n"
        "no('shmget', lambda: libc.shmget(1, 4096, 0o1666))\n"
        "no('setuid', lambda: os.setuid(0))\n"
        "no('mknod', lambda: os.mknod('/tmp/d', 0o20666, os.makedev(1, 3)))\n"
        "no('kill keeper', lambda: os.kill(1, 9))\n"
        "print('asked')\n"
    )
    async with make() as sandbox:
        execution = await sandbox.run(Job(argv=["python3", "-c", script], limits=QUICK))
    assert execution.stdout.data == b"asked\n"


async def a_symbolic_link_is_not_brought_back(make: Make) -> None:
    job = Job(
        argv=["sh", "-c", "ln -s /etc/passwd a; mkfifo b; mkdir c; echo ok > real"],
        limits=QUICK,
        collect=["a", "b", "c", "real"],
    )
    async with make() as sandbox:
        execution = await sandbox.run(job)
    assert dict(execution.collected) == {"real": b"ok\n"}


async def output_is_told_while_it_runs(make: Make) -> None:
    seen: list[bytes] = []
    arrived = asyncio.Event()

    def take(data: bytes) -> None:
        seen.append(data)
        arrived.set()

    async with make() as sandbox:
        job = Job(argv=["sh", "-c", "echo now; sleep 30"], limits=QUICK)
        task = asyncio.ensure_future(sandbox.run(job, on_output=take))
        await asyncio.wait_for(arrived.wait(), 20)
        assert not task.done()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert b"".join(seen) == b"now\n"


async def stderr_can_be_taken_whole(make: Make) -> None:
    out: list[bytes] = []
    err: list[bytes] = []
    limits = Limits(timeout_s=30, output_kib=1)
    async with make() as sandbox:
        job = Job(argv=["sh", "-c", "echo out; seq 20000 >&2"], limits=limits)
        await sandbox.run(job, on_output=out.append, on_stderr=err.append)
    assert b"".join(out) == b"out\n"
    assert b"".join(err).split()[-1] == b"20000"
    assert len(b"".join(err).split()) == 20000


async def cancelling_ends_the_run(make: Make) -> None:
    async with make() as sandbox:
        started = asyncio.Event()
        job = Job(argv=["sh", "-c", "echo up; sleep 600"], limits=Limits(timeout_s=600))
        task = asyncio.ensure_future(sandbox.run(job, on_output=lambda _: started.set()))
        await asyncio.wait_for(started.wait(), 20)
        begun = time.monotonic()
        task.cancel()
        result = (await asyncio.gather(task, return_exceptions=True))[0]
        assert isinstance(result, asyncio.CancelledError)
        assert time.monotonic() - begun < 3


async def bytes_that_are_not_text_survive(make: Make) -> None:
    execution = await _sh(make, r"printf '\377\376\000\033]0;x\007\r\n'")
    assert execution.stdout.data == b"\xff\xfe\x00\x1b]0;x\x07\r\n"
    assert execution.stdout.text.startswith("\\xff\\xfe")


CHECKS: tuple[Check, ...] = (
    streams_stay_apart_and_complete,
    exit_code_is_an_answer,
    death_by_signal_is_negative,
    missing_program_is_an_answer,
    arguments_are_not_interpreted,
    input_arrives_whole_and_ends,
    without_input_reading_ends_at_once,
    files_arrive_where_the_command_starts,
    environment_is_only_what_was_given,
    nothing_is_left_for_the_next_job,
    timeout_ends_everything_in_time,
    a_daemon_does_not_keep_the_job,
    flood_is_ended_and_kept_at_both_ends,
    long_output_within_the_limit_keeps_head_and_tail,
    disk_is_limited,
    fork_bomb_is_contained,
    there_is_no_network,
    no_right_is_held_and_none_can_be_won,
    forbidden_calls_are_refused,
    output_is_told_while_it_runs,
    stderr_can_be_taken_whole,
    cancelling_ends_the_run,
    bytes_that_are_not_text_survive,
    files_arrive_and_results_leave,
    harness_can_be_read_but_not_changed,
    memory_is_limited,
    memory_killed_child_is_told_apart,
    the_system_is_read_only_and_rights_are_none,
    a_symbolic_link_is_not_brought_back,
)
