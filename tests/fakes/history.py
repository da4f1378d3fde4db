"""A small real git repository of one function and one test per module, and a judge that reads it."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.fixing.verify import TestRunner
from sandbox.verdict.report import TestReport
from tests.fakes.sandbox import FakeTestRunner, failed, only_of, passed, report

_BODY = re.compile(r"return x \+ (\d+)$", re.MULTILINE)


def git(root: Path, *words: str, at: int = 0) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    when = f"{1_700_000_000 + at} +0000"
    env = {**os.environ, "GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    argv = ["/usr/bin/env", "git", *identity, *words]
    subprocess.run(argv, cwd=root, env=env, check=True, capture_output=True)


def commit(root: Path, files: Mapping[str, str], *, at: int) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    if not (root / ".git").exists():
        git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", f"at {at}", at=at)


def module(number: int, added: int | None = None) -> str:
    added = number if added is None else added
    return f'def plus{number}(x):\n    """Return x plus {number}."""\n    return x + {added}\n'


def checks_of(number: int) -> str:
    return (
        f"from plus{number} import plus{number}\n\n\n"
        f"def test_plus{number}():\n    assert plus{number}(1) == {number + 1}\n"
    )


def files_of(number: int, added: int | None = None) -> dict[str, str]:
    return {
        f"plus{number}.py": module(number, added),
        f"tests/test_plus{number}.py": checks_of(number),
    }


def id_of(number: int) -> str:
    return f"tests/test_plus{number}.py::test_plus{number}"


def build_history(root: Path, count: int, *, first: int = 1) -> Path:
    """One commit for each of `count` functions, in order."""
    for number in range(first, first + count):
        commit(root, files_of(number), at=number)
    return root


@dataclass
class ReadingRunners:
    """Judges the modules of `build_history` by their text; runs nothing."""

    started: list[str] = field(default_factory=list)
    """The commit of every run."""

    def at_commit(self, commit: str, folder: Path) -> TestRunner:
        def judge(only: Sequence[str]) -> TestReport:
            self.started.append(commit)
            tests = sorted(folder.glob("tests/test_plus*.py"), key=lambda path: path.stem)
            results = []
            for path in tests:
                number = int(path.stem.removeprefix("test_plus"))
                text = (folder / f"plus{number}.py").read_text()
                right = [int(found) for found in _BODY.findall(text)] == [number]
                frames = [(f"plus{number}.py", 3, f"plus{number}")]
                id_ = id_of(number)
                results.append(passed(id_) if right else failed(id_, frames=frames))
            return only_of(report(*results), only)

        return FakeTestRunner(judge=judge)
