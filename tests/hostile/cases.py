"""What a hostile program is: code, and the words that either shape of box may use for its end.

Most check by themselves that what they tried was refused: those are expected to pass. `warm` and
`once` are the words that the two shapes of box may use; after each program the next one must find
nothing of it (`CLEAN`).
"""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.box.status import Status

PASS, FAIL, ERROR = Status.PASS, Status.FAIL, Status.ERROR
TIMEOUT, OOM, OUTPUT, CRASH = (
    *(Status.TIMEOUT, Status.OOM, Status.OUTPUT_LIMIT),
    Status.CRASH_SIGNAL,
)
RED = (FAIL, ERROR)

PRELUDE = """\
import ctypes, os, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)

def refused(call, *values):
    try:
        answer = call(*values)
    except (OSError, ValueError, OverflowError):
        return
    assert type(answer) is int and answer < 0, (call, values, answer)
"""

CLEAN = """\
import os, sys
me = os.getpid()
uid = os.getuid()
mine = [p for p in os.listdir('/proc') if p.isdigit() and int(p) != me and os.stat('/proc/' + p).st_uid == uid]
assert not mine, [open(f'/proc/{p}/cmdline').read() for p in mine]
for place in ('/tmp', '/dev/shm', '/dev/mqueue'):
    if os.path.isdir(place):
        assert os.listdir(place) == [], (place, os.listdir(place)[:5])
assert sorted(os.listdir('.')) in ([], ['main.py']), os.listdir('.')
assert all(line.split()[0] == 'key' for line in open('/proc/sysvipc/shm'))
assert all(line.split()[0] == 'key' for line in open('/proc/sysvipc/sem'))
assert sum(v.startswith('@elagent-hostile') for line in open('/proc/net/unix') for v in line.split()) == 0
with open('written', 'w') as file:
    file.write('x' * 100000)
"""
"""What the program after a hostile one sees: no process, file, shared memory or socket of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hostile:
    """One program and the words for its end."""

    name: str
    code: str
    warm: tuple[Status, ...]
    once: tuple[Status, ...]
    alone: bool = False
    """It works on the whole box: as a one-shot program it gets one of its own."""
    timeout_s: float = 1.0
    """Only programs that would never end run into it."""
    kept: int | None = None
    """If given, the most bytes of its output that may be kept."""


def ends(name: str, code: str, *both: Status, **more: object) -> Hostile:
    """A program on whose end both shapes of box agree."""
    fields: dict[str, object] = {"warm": both, "once": both, **more}
    return Hostile(name=name, code=code, **fields)  # type: ignore[arg-type]


def tries(name: str, code: str, **more: object) -> Hostile:
    """A program that passes if what it tries is refused."""
    return ends(name, PRELUDE + code, PASS, **{"timeout_s": 10.0, **more})
