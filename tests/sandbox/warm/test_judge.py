"""The judge says pass only to code that is right, whatever else the code does."""

from __future__ import annotations

import textwrap

import pytest

from sandbox.box.status import Status, VerdictTrust
from sandbox.warm.judge import CheckTask, score
from sandbox.warm.pool import WarmSandbox
from sandbox.warm.values import Program, ProgramLimits

pytestmark = [pytest.mark.docker, pytest.mark.asyncio(loop_scope="module")]

QUICK = ProgramLimits(timeout_s=30)
CHECK = """
def check(candidate):
    assert candidate(1, 2) == 3
    assert candidate(-1, 1) == 0
    assert candidate(2.5, 0) == 2.5
"""
RIGHT = "def add(a, b):\n    return a + b\n"

# Each is wrong, and each but the first tries to be called right nevertheless.
WRONG = {
    "honestly wrong": "def add(a, b): return a - b",
    "sys.exit(0) while loading": "import sys; sys.exit(0)",
    "os._exit(0) while loading": "import os; os._exit(0)",
    "sys.exit(0) in the function": "import sys\ndef add(a, b): sys.exit(0)",
    "os._exit(0) in the function": "import os\ndef add(a, b): os._exit(0)",
    "exit at exit": "import atexit, os\natexit.register(os._exit, 0)\ndef add(a, b): return 7",
    "equal to everything": """
        class Always(int):
            def __eq__(self, other): return True
            def __ne__(self, other): return False
            __hash__ = int.__hash__
        def add(a, b): return Always(99)
        """,
    "an object equal to everything": """
        class Always:
            def __eq__(self, other): return True
        def add(a, b): return Always()
        """,
    "patched comparison and encoder": """
        import json, builtins
        json.dumps = lambda *a, **k: '{"value": 3}'
        builtins.AssertionError = ValueError
        def add(a, b): return 7
        """,
    "a printed verdict": """
        import os
        print('{"status": "pass"}'); print("1 passed in 0.01s")
        def add(a, b): return 7
        """,
    "verdict frames on every file": """
        import json, os, struct
        text = json.dumps({"status": "pass", "nonce": "", "note": "", "calls": 3}).encode()
        for fd in range(3, 256):
            try: os.write(fd, struct.pack(">I", len(text)) + text)
            except OSError: pass
        def add(a, b): return 7
        """,
    "answers given before the questions": """
        import json, os, struct
        for fd in range(3, 256):
            for answer in ({"ready": True}, *({"id": n, "value": 3} for n in range(9))):
                text = json.dumps(answer).encode()
                try: os.write(fd, struct.pack(">I", len(text)) + text)
                except OSError: pass
        def add(a, b): return 7
        """,
    "a fault of the sandbox on every file": """
        import json, os, struct
        def confess():
            for text in (json.dumps({"fault": "RuntimeError: no room"}).encode(), b"settled"):
                for fd in range(3, 256):
                    try: os.write(fd, struct.pack(">I", len(text)) + text)
                    except OSError: pass
        confess()
        def add(a, b):
            confess()
            os._exit(70)
        """,
    "no value where an exception is expected": "def add(a, b): return object()",
    "noise on every file": """
        import os
        for fd in range(3, 256):
            try: os.write(fd, b'\\xff' * 4096)
            except OSError: pass
        def add(a, b): return 7
        """,
    "StopIteration to end the check early": "def add(a, b): raise StopIteration",
    "a thread that leaves": """
        import os, threading
        threading.Timer(0.05, os._exit, [0]).start()
        def add(a, b):
            import time; time.sleep(1)
        """,
    "a fork that answers twice": """
        import os
        def add(a, b):
            os.fork()
            return 7
        """,
    "the judge's process stopped and killed": """
        import os, signal
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            if pid != os.getpid():
                for number in (signal.SIGSTOP, signal.SIGKILL):
                    try: os.kill(pid, number)
                    except OSError: pass
        def add(a, b): return 7
        """,
    "a frame that walks the stack": """
        import gc, sys
        for thing in gc.get_objects():
            if isinstance(thing, dict) and "nonce" in thing: thing["status"] = "pass"
        def add(a, b):
            frame = sys._getframe()
            while frame:
                frame.f_locals.update(status="pass", value=3); frame = frame.f_back
            return 7
        """,
    "deep nesting": "def add(a, b):\n    x = []\n    for _ in range(9000): x = [x]\n    return x",
    "a value too large": "def add(a, b): return 'x' * (9 << 20)",
    "no function at all": "x = 1",
    "a syntax error": "def add(a, b) return a + b",
    "an exception": "def add(a, b): raise ValueError('3')",
}
ALWAYS_TRUE = """
def check(candidate):
    assert all(map(lambda pair: candidate(*pair) == sum(pair), [(1, 2), (3, 4)]))
"""


def check(source: str, script: str = CHECK, *, prelude: str = "") -> CheckTask:
    source = textwrap.dedent(source)
    return CheckTask(source=source, entry_point="add", check=script, prelude=prelude, limits=QUICK)


async def test_right_code_passes(warm: WarmSandbox) -> None:
    for task in (check(RIGHT), check(RIGHT, "assert add(1, 2) == 3")):
        result = await score(warm, task)
        assert result.passed, result.note
        assert result.trust is VerdictTrust.JUDGE
        assert result.calls_made in (1, 3)


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_code_never_passes(name: str, warm: WarmSandbox) -> None:
    for task in (check(WRONG[name]), check(WRONG[name], ALWAYS_TRUE)):
        result = await score(warm, task)
        assert result.status.is_evidence, (result.status, result.note)
        assert not result.passed
        assert result.note


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("def add(a, b): return a - b", Status.FAIL),
        ("def add(a, b): return True", Status.FAIL),
        ("def add(a, b): return 1 / 0", Status.ERROR),
        ("def add(a, b)", Status.ERROR),
        ("def add(a, b):\n while True: pass", Status.TIMEOUT),
        ("import os\ndef add(a, b): os.abort()", Status.CRASH_SIGNAL),
        ("def add(a, b):\n while True: print('y' * 9999)", Status.OUTPUT_LIMIT),
        ("def add(a, b): return bytearray(1 << 33)", Status.ERROR),
        (
            "import os\nfor n in range(50, 99):\n try: os.write(n, b'\\xff' * 64)\n except OSError: pass"
            "\ndef add(a, b): return 3",
            Status.TAMPERED,
        ),
    ],
)
async def test_says_why_it_is_no_pass(source: str, status: Status, warm: WarmSandbox) -> None:
    limits = ProgramLimits(timeout_s=2 if status is Status.TIMEOUT else 30)
    task = CheckTask(source=source, entry_point="add", check=CHECK, limits=limits)
    result = await score(warm, task)
    assert result.status is status, result.note


async def test_memory_beyond_the_box_is_told_apart_from_a_memory_error(warm: WarmSandbox) -> None:
    source = "def add(a, b): return len(b'x' * (1 << 30))"
    for memory_mib, status in ((128, Status.ERROR), (4096, Status.OOM)):
        limits = ProgramLimits(timeout_s=30, memory_mib=memory_mib)
        script = CheckTask(source=source, entry_point="add", check=CHECK, limits=limits)
        assert (await score(warm, script)).status is status


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 2**200, 1.5, float("inf"), 1 - 2j, "ü\ud800\0", b"\xff",
        bytearray(b"x"), [1, [2]], (1, (2,)), {1, "a"}, frozenset({(1, 2)}), range(3, 9, 2),
        {"a": [1], 2: None, (3, frozenset({4, 5})): {"b": ()}}, [], (), set(), {}, "",
    ],
    ids=repr,
)  # fmt: skip
async def test_values_come_back_with_their_types(value: object, warm: WarmSandbox) -> None:
    text = repr(value).replace("inf", "float('inf')")
    task = CheckTask(
        source="def same(x): return x",
        entry_point="same",
        check=f"x = same([{text}])\nassert x == [{text}]\nassert type(x[0]) is type({text})",
        limits=QUICK,
    )
    result = await score(warm, task)
    assert result.passed, result.note


NEEDLE = "needle-" + "4711" * 8
SEARCH = """
import re
def add(a, b):
    word = b"needle" + b"-4711"
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", 0) as memory:
        for line in maps:
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if not match or "[v" in line: continue
            start, end = (int(word, 16) for word in match.groups())
            try:
                memory.seek(start); data = memory.read(end - start)
            except (OSError, ValueError, OverflowError): continue
            found = re.search(rb"needle" + rb"-[0-9]{32}", data)
            if found: return found.group().decode()
    return "not found"
"""


async def test_what_is_expected_is_nowhere_in_the_candidates_memory(warm: WarmSandbox) -> None:
    script = f"assert candidate(1, 2) == {NEEDLE!r}"
    for _ in range(3):  # the second one would find what the first left
        result = await score(warm, check(SEARCH, script))
        assert result.status is Status.FAIL, result.note
    program = await warm.run_program(Program(source=f"{SEARCH}\nprint(add(1, 2))"))
    assert program.stdout.text == "not found\n"


async def test_a_search_of_that_kind_does_find_what_is_there(warm: WarmSandbox) -> None:
    source = f"secret = {NEEDLE!r}\n{SEARCH}\nprint(add(1, 2))"
    assert (await warm.run_program(Program(source=source))).stdout.text == f"{NEEDLE}\n"


async def test_a_check_may_use_the_tasks_own_helpers(warm: WarmSandbox) -> None:
    prelude = "def double(x):\n    return 2 * x\ndef add(a, b):\n    '''Adds.'''\n"
    script = "def check(candidate):\n    assert candidate(double(1), 1) == 3"
    assert (await score(warm, check(RIGHT, script, prelude=prelude))).passed


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("x = 1", "never called"),
        ("def check(candidate): pass", "never called"),
        ("import no_such_module", "cannot run: ModuleNotFoundError"),
        ("assert add(1, 2) == undefined", "cannot run: NameError"),
        ("assert (", "cannot run: SyntaxError"),
    ],
)
async def test_a_broken_check_is_no_evidence(script: str, says: str, warm: WarmSandbox) -> None:
    result = await score(warm, check(RIGHT, script))
    assert result.status is Status.SANDBOX_ERROR
    assert says in result.note


@pytest.mark.parametrize(
    "script",
    [
        "eval(add(1, 2))",
        "exec(add(1, 2))",
        "assert add(1, 2) == 3 or not_reached",
    ],
)
@pytest.mark.parametrize("answer", ["no_such_name", "((", "import no_such_module"])
async def test_an_answer_cannot_pass_for_a_broken_check(
    script: str, answer: str, warm: WarmSandbox
) -> None:
    result = await score(warm, check(f"def add(a, b): return {answer!r}", script))
    expected = Status.SANDBOX_ERROR if "not_reached" in script else Status.FAIL
    if "import" in answer and "exec" in script:
        expected = Status.SANDBOX_ERROR
    assert result.status is expected, result.note


EXPECTS = """
def check(candidate):
    try:
        candidate(1, 2)
    except {expected}:
        return
    raise RuntimeError("nothing of that kind")
"""


@pytest.mark.parametrize(
    ("raised", "expected", "passes"),
    [
        ("ValueError('x')", "ValueError", True),
        ("json.JSONDecodeError('x', 'y', 0)", "ValueError", True),
        ("UnicodeDecodeError('utf-8', b'x', 0, 1, 'y')", "ValueError", True),
        ("Mine('x')", "LookupError", True),
        ("Mine('x')", "KeyError", True),
        ("Mine('x')", "ValueError", True),
        ("Mine('x')", "Exception", True),
        ("Mine('x')", "TypeError", False),
        ("ExceptionGroup('x', [ValueError()])", "Exception", True),
        ("KeyError('x')", "LookupError", True),
        ("LookupError('x')", "KeyError", False),
        ("type('ValueError', (Exception,), {})('x')", "ValueError", False),
        ("type('a\\0b', (ValueError,), {})('x')", "Exception", True),
        ("SystemExit(0)", "Exception", False),
        ("KeyboardInterrupt()", "Exception", False),
        ("StopIteration()", "Exception", False),
        ("type('Stop', (StopIteration,), {})()", "Exception", False),
    ],
)
async def test_a_check_meets_exceptions_as_in_one_process(
    raised: str, expected: str, passes: bool, warm: WarmSandbox
) -> None:
    source = f"import json\nclass Mine(KeyError, ValueError): pass\ndef add(a, b): raise {raised}\n"
    result = await score(warm, check(source, EXPECTS.format(expected=expected)))
    assert result.passed is passes, (result.status, result.note)
    assert result.status.is_evidence


async def test_a_check_can_tell_a_class_from_its_base(warm: WarmSandbox) -> None:
    script = (
        "try:\n    add(1, 2)\nexcept ValueError as error:\n"
        "    assert type(error).__name__ == 'Mine' and type(error) is not ValueError\n"
        "    assert str(error) == 'x'\n"
    )
    source = "class Mine(ValueError): pass\ndef add(a, b): raise Mine('x')\n"
    assert (await score(warm, check(source, script))).passed


async def test_a_failed_check_names_its_line(warm: WarmSandbox) -> None:
    result = await score(warm, check("def add(a, b): return 3"))
    assert "line 4 of the check: assert candidate(-1, 1) == 0" in result.note


async def test_what_the_candidate_prints_is_kept_apart(warm: WarmSandbox) -> None:
    source = "print('loaded')\ndef add(a, b):\n    print(a)\n    return a + b"
    result = await score(warm, check(source))
    assert (result.passed, result.stdout.text) == (True, "loaded\n1\n-1\n2.5\n")


@pytest.mark.parametrize(
    ("source", "wanted", "said"),
    [
        ("x = 1\n", "KeyError", "NameError: name 'add' is not defined"),
        ("x = 1\n", "NameError", "NameError: name 'add' is not defined"),
        ("add = None\n", "TypeError", "TypeError: 'add' is of type NoneType and cannot be called"),
        ("def __getattr__(name): raise KeyError(name)\n", "KeyError", "KeyError: 'add'"),
    ],
)
async def test_a_missing_function_passes_no_check_that_wants_an_exception(
    source: str, wanted: str, said: str, warm: WarmSandbox
) -> None:
    check = (
        f"def check(candidate):\n    try:\n        candidate({{}})\n    except {wanted}:\n"
        "        return\n    assert False\n"
    )
    task = CheckTask(source=source, entry_point="add", check=check, limits=QUICK)
    result = await score(warm, task)
    assert (result.status, result.note, result.calls_made) == (Status.ERROR, said, 0)


async def test_a_function_may_come_from_the_modules_own_getattr(warm: WarmSandbox) -> None:
    source = "def __getattr__(name):\n    return lambda a, b: a + b\n"
    task = CheckTask(source=source, entry_point="add", check=CHECK, limits=QUICK)
    assert (await score(warm, task)).passed
