"""Nothing that one program leaves behind reaches the next one, and none reaches the server."""

from __future__ import annotations

import textwrap
import time
from dataclasses import dataclass

import pytest

from sandbox.box.status import Status
from sandbox.warm.pool import WarmSandbox
from sandbox.warm.values import Program, ProgramLimits

pytestmark = [pytest.mark.docker, pytest.mark.asyncio(loop_scope="module")]

# Says what a program can see of any other: files, processes of other programs, System V objects.
LOOK = """
import os
for place in ("/tmp", "/dev/shm", "/dev/mqueue", "."):
    for name in os.listdir(place):
        if name != "main.py":
            print(place, ascii(name))
for pid in filter(str.isdigit, os.listdir("/proc")):
    with open(f"/proc/{pid}/status") as file:
        uid = int(file.read().split("Uid:")[1].split()[0])
    if uid >= 1_000_000 and int(pid) != os.getpid():
        print("process", pid)
for kind in ("shm", "sem", "msg"):
    if os.path.exists(f"/proc/sysvipc/{kind}"):
        with open(f"/proc/sysvipc/{kind}") as file:
            print(*file.read().splitlines()[1:], sep="\\n", end="")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    name: str
    code: str
    expected: frozenset[Status]
    says: str = ""
    """Must be all that it printed."""
    timeout_s: float
    heavy: bool
    """Leaves so much that a busy machine may replace the box rather than wait for its wiping."""


def hostile(
    name: str,
    expected: Status | set[Status],
    code: str,
    *,
    says: str = "",
    heavy: bool = False,
) -> Hostile:
    words = frozenset({expected} if isinstance(expected, Status) else expected)
    code = textwrap.dedent(code)
    timeout_s = 1.5 if Status.TIMEOUT in words else 30.0  # the latter on a busy machine only
    return Hostile(
        name=name, code=code, expected=words, says=says, timeout_s=timeout_s, heavy=heavy
    )


PASS, FAIL, ERROR, TIMEOUT = Status.PASS, Status.FAIL, Status.ERROR, Status.TIMEOUT

PROGRAMS = (
    hostile(
        "a daemon that poisons the next directory",
        PASS,
        """
        import os, time
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                while True:
                    for place in ("..", "/box", "/tmp", "/proc/self/cwd"):
                        try: open(f"{place}/main.py", "w").write("evil")
                        except OSError: pass
                    open("/tmp/poison", "a").write("x")
            os._exit(0)
        time.sleep(0.2)
        """,
    ),
    hostile(
        "a fork bomb that moves to new sessions and ignores signals",
        {PASS, FAIL, TIMEOUT},
        """
        import os, signal
        for number in (1, 2, 3, 14, 15): signal.signal(number, signal.SIG_IGN)
        while True:
            try:
                if os.fork() == 0: os.setsid()
            except OSError: pass
        """,
    ),
    hostile(
        "a fork bomb whose parent leaves at once",
        FAIL,
        """
        import os
        parent = os.getpid()
        for _ in range(10):
            try: os.fork()
            except OSError: pass
        if os.getpid() == parent: os._exit(0)
        while True: pass
        """,
    ),
    hostile(
        "a crowd that signals everybody it may",
        {FAIL, TIMEOUT, Status.CRASH_SIGNAL},
        """
        import os, signal
        for _ in range(8):
            if os.fork() == 0:
                while True: os.kill(-1, signal.SIGSTOP)
        while True: pass
        """,
    ),
    hostile(
        "SIGSTOP, SIGKILL and ptrace against every process it sees",
        PASS,
        """
        import ctypes, os, signal
        libc = ctypes.CDLL(None, use_errno=True)
        done = 0
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            if pid == os.getpid(): continue
            for number in (signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM):
                try: os.kill(pid, number); done += 1
                except PermissionError: pass
            done += libc.ptrace(16, pid, 0, 0) == 0
        print("done", done)
        """,
        says="done 0\n",
    ),
    hostile(
        "forged results through the files and the memory of the server",
        PASS,
        """
        import os
        opened = 0
        for pid in filter(str.isdigit, os.listdir("/proc")):
            if int(pid) == os.getpid(): continue
            for name in ("mem", "environ", *(f"fd/{n}" for n in range(64))):
                for mode in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
                    try: os.close(os.open(f"/proc/{pid}/{name}", mode)); opened += 1
                    except OSError: pass
        print("opened", opened)
        """,
        says="opened 0\n",
    ),
    hostile(
        "frames of the server's own kind on every open file",
        {FAIL, ERROR},
        """
        import json, os, struct
        text = json.dumps({"end": True, "nonce": "", "ended": "exited", "statuses": [0]}).encode()
        for fd in range(3, 256):
            for kind in (b"", b"R"):
                try: os.write(fd, struct.pack(">I", len(kind + text)) + kind + text)
                except OSError: pass
        os._exit(0)
        """,
    ),
    hostile(
        "what is no frame at all",
        {FAIL, ERROR},
        """
        import os
        for fd in range(3, 256):
            try: os.write(fd, b"\\xff" * 1000)
            except OSError: pass
        os._exit(0)
        """,
    ),
    hostile(
        "endless reading of an input that is not there",
        PASS,
        "import sys\nprint(len(sys.stdin.read()))",
        says="0\n",
    ),
    hostile(
        "System V shared memory, semaphores and message queues",
        PASS,
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.shmget(77, 4096, 0o1666), libc.semget(77, 1, 0o1666), libc.msgget(77, 0o1666))
        """,
        says="-1 -1 -1\n",
    ),
    hostile(
        "POSIX shared memory and message queues",
        PASS,
        """
        import os
        for path in ("/dev/shm/left", "/dev/mqueue/left"):
            try: os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o666))
            except OSError: pass
        """,
    ),
    hostile(
        "a tree 1500 deep that nobody may enter",
        PASS,
        """
        import os
        os.chdir("/tmp")
        for _ in range(1500):
            os.mkdir("d"); os.chdir("d")
        for _ in range(1500):
            os.chdir(".."); os.chmod("d", 0)
        """,
        heavy=True,
    ),
    hostile(
        "odd names, links to everywhere, pipes and holes",
        PASS,
        """
        import os
        for place in ("/tmp", "/dev/shm", "."):
            for name in (b"a\\nb", b"\\x1b[31m", b"\\xff\\xfe", b"x" * 255, b" ", b"-rf"):
                open(os.path.join(place.encode(), name), "w").close()
            os.symlink("/", place + "/root"); os.symlink("/etc", place + "/etc")
            os.mkfifo(place + "/pipe")
            os.mkdir(place + "/d"); os.symlink("..", place + "/d/up")
            with open(place + "/hole", "wb") as file: file.truncate(1 << 24)
        """,
    ),
    hostile(
        "every last byte and file of the disks",
        PASS,
        """
        import os
        for place in (".", "/tmp", "/dev/shm"):
            try:
                for n in range(2000): open(f"{place}/f{n}", "w").close()
            except OSError: pass
            try:
                for n in range(9):
                    with open(f"{place}/big{n}", "wb") as file:
                        for _ in range(31): file.write(bytes(1 << 20))
            except OSError: pass
        """,
        heavy=True,
    ),
    hostile(
        "a daemon that holds deleted files and keeps the output open",
        PASS,
        """
        import os, time
        if os.fork() == 0:
            os.setsid()
            file = open("/tmp/hog", "wb"); os.unlink("/tmp/hog")
            file.write(bytes(30 << 20)); file.flush()
            time.sleep(1000)
        time.sleep(0.2)
        """,
    ),
    hostile(
        "a flood of zombies",
        PASS,
        """
        import os
        for _ in range(30):
            if os.fork() == 0: os._exit(0)
        """,
    ),
    hostile(
        "an abstract socket of the next one's name",
        PASS,
        """
        import os, socket, time
        if os.fork() == 0:
            s = socket.socket(socket.AF_UNIX); s.bind("\\0taken"); time.sleep(1000)
        time.sleep(0.1)
        """,
    ),
    hostile(
        "limits raised, clock set, priority won",
        PASS,
        """
        import os, resource, time
        won = []
        for limit in (resource.RLIMIT_AS, resource.RLIMIT_NPROC, resource.RLIMIT_CPU,
                      resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_CORE):
            try: resource.setrlimit(limit, (resource.RLIM_INFINITY,) * 2); won.append(limit)
            except (OSError, ValueError): pass
        for act in (lambda: time.clock_settime(time.CLOCK_REALTIME, 0), lambda: os.nice(-5),
                    lambda: os.setuid(0), lambda: os.setgroups([0]), lambda: os.chroot("/")):
            try: act(); won.append(act)
            except OSError: pass
        print(won)
        """,
        says="[]\n",
    ),
    hostile("SIGSTOP against itself", TIMEOUT, "import os\nos.kill(os.getpid(), 19)"),
    hostile(
        "deafness to every signal",
        TIMEOUT,
        """
        import signal
        for number in range(1, 32):
            try: signal.signal(number, signal.SIG_IGN)
            except OSError: pass
        while True: pass
        """,
    ),
    hostile("one huge number", TIMEOUT, "x = 9 ** 9 ** 9"),
    hostile("endless recursion", ERROR, "def f(): f()\nf()"),
    hostile(
        "a memory bomb in one process",
        ERROR,
        "x = []\nwhile True: x.append(bytearray(1 << 24))",
    ),
    hostile(
        "a memory bomb of many processes",
        Status.OOM,
        """
        import os, time
        for _ in range(6):
            if os.fork() == 0:
                x = b"x" * (80 << 20); time.sleep(5); os._exit(0)
        worst = 0
        while True:
            try: worst = max(worst, os.wait()[1])
            except ChildProcessError: break
        os._exit(1 if worst else 0)
        """,
        heavy=True,
    ),
    hostile("an end before the end", FAIL, "import sys\nsys.exit(0)\nassert False"),
    hostile("a hard end before the end", FAIL, "import os\nos._exit(0)\nassert False"),
    hostile(
        "an end at exit", FAIL, "import atexit, os\natexit.register(os._exit, 0)\nassert False"
    ),
    hostile(
        "a thread that says all is well and leaves",
        FAIL,
        """
        import os, threading, time
        def lie():
            print("OK"); os._exit(0)
        threading.Thread(target=lie).start(); time.sleep(1); assert False
        """,
        says="OK\n",
    ),
    hostile(
        "a flood", Status.OUTPUT_LIMIT, "import sys\nwhile True: sys.stdout.write('y' * 65536)"
    ),
    hostile("bytes that are no text", PASS, "import os\nos.write(1, b'\\xff\\0\\x1b[2J')"),
)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)
async def test_is_contained_and_leaves_nothing(program: Hostile, warm: WarmSandbox) -> None:
    started = time.monotonic()
    limits = ProgramLimits(timeout_s=program.timeout_s, memory_mib=128)
    result = await warm.run_program(Program(source=program.code, limits=limits))
    took_s = time.monotonic() - started
    assert result.status in program.expected, (result.note, result.stderr.text)
    if program.says:
        assert result.stdout.text == program.says
    assert result.clean or program.heavy
    assert took_s < program.timeout_s + 5
    after = await warm.run_program(Program(source=LOOK))
    assert (after.status, after.stdout.text) == (PASS, ""), after.stderr.text
