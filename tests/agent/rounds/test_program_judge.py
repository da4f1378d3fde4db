from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.paths import from_environ
from agent.rounds.trial.program_judge import judge_all, open_judge
from agent.rounds.trial.regression import check_task, program_judge
from learning.evaluation.humaneval import Problem, fetch_problems

pytestmark = pytest.mark.docker

HOSTILE = {
    "leaves with exit code 0": "    import sys\n    sys.exit(0)\n",
    "leaves without clean-up": "    import os\n    os._exit(0)\n",
    "leaves when loaded": "    return True\nimport os\nos._exit(0)\n",
    "prints a summary": "    print('164 passed')\n    print('result: passed')\n",
    "equals everything": (
        "    return _Any()\n\nclass _Any:\n"
        "    def __eq__(self, other):\n        return True\n"
        "    def __bool__(self):\n        return True\n"
    ),
    "patches the check": (
        "    return None\nimport builtins, sys\n"
        "builtins.AssertionError = type('Quiet', (Exception,), {})\n"
        "sys.modules['__main__'].check = lambda candidate: None\n"
        "globals()['check'] = lambda candidate: None\n"
    ),
    "swallows assertions with a trace": (
        "    return None\nimport sys\nsys.settrace(lambda *_: None)\n"
        "sys.excepthook = lambda *_: None\n"
    ),
    "reads the check from the stack": (
        "    import inspect\n    frames = inspect.stack()\n"
        "    for frame in frames:\n        frame.frame.f_globals['check'] = lambda c: None\n"
    ),
    "exits by a thread": (
        "    import threading, os\n    threading.Thread(target=os._exit, args=(0,)).start()\n"
        "    return None\n"
    ),
    "exits when the process ends": "    return None\nimport atexit, os\natexit.register(os._exit, 0)\n",
    "kills its parent": "    import os, signal\n    os.kill(os.getppid(), signal.SIGKILL)\n",
    "raises SystemExit in disguise": "    raise SystemExit(0)\n",
}


@pytest.fixture(scope="module")
def problems() -> tuple[Problem, ...]:
    return fetch_problems(from_environ(os.environ).home / "datasets", environ=os.environ)


@pytest.mark.slow
async def test_every_canonical_solution_passes(
    problems: tuple[Problem, ...], sandbox_image: str, tmp_path: Path
) -> None:
    async with open_judge(sandbox_image, lock_dir=tmp_path, session="canonical") as judge:
        judges = [program_judge(problem, judge) for problem in problems]
        # the first that does not pass raises
        checks = [await each.check_of(p.prompt) for each, p in zip(judges, problems, strict=True)]
    assert len(checks) == 164
    assert min(check.limits.timeout_s for check in checks) >= 3.0


async def test_no_hostile_sample_passes(
    problems: tuple[Problem, ...], sandbox_image: str, tmp_path: Path
) -> None:
    problem = problems[0]
    tasks = [check_task(problem, body, timeout_s=10.0) for body in HOSTILE.values()]
    async with open_judge(sandbox_image, lock_dir=tmp_path, session="hostile", boxes=2) as judge:
        results = await judge_all(judge, tasks)
    passed = [name for name, result in zip(HOSTILE, results, strict=True) if result.passed]
    assert passed == []
