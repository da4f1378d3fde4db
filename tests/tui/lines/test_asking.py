"""Whoever is at a terminal is asked; programs and pipes are not."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.approval import Question
from tui.lines.asking import terminal_approver
from tui.show.plain import make_presenter

ROOT = Path(__file__).parents[3]
QUESTION = Question(kind="network build", subject="x\x1b[2J-1.tar.gz", detail="What it means.")
ASK = """
import asyncio
from tests.tui.lines.test_asking import QUESTION
from tui.lines.asking import terminal_approver
from tui.show.plain import make_presenter
approver = terminal_approver(make_presenter(as_json=False), as_json=False)
print("allowed:", asyncio.run(approver.decide(QUESTION)).allowed)
"""


@pytest.mark.parametrize("as_json", [True, False])
async def test_without_a_terminal_the_answer_is_no(*, as_json: bool) -> None:
    approver = terminal_approver(make_presenter(as_json=as_json), as_json=as_json)
    assert not (await approver.decide(QUESTION)).allowed


def answered(program: str, typed: bytes, *, meanwhile: Callable[[], object] = int) -> str:
    """Run a program at a terminal, answer its question, and give all that it showed."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(sys.executable, [sys.executable, "-c", program])  # noqa: S606
    shown, sent = b"", False
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if b"[y/N]" in shown and not sent:
            meanwhile()
            os.write(terminal, typed)
            sent = True
    os.close(terminal)
    os.waitpid(child, 0)
    return shown.decode("utf-8", "replace")


@pytest.mark.parametrize(("typed", "allowed"), [(b"y\r", "True"), (b"\r", "False")])
def test_at_a_terminal_one_question_is_asked_and_no_is_the_default(
    typed: bytes, allowed: str
) -> None:
    text = answered(ASK, typed)
    assert f"allowed: {allowed}" in text
    assert "What it means." in text
    assert "x\x1b[2J" not in text


@pytest.mark.parametrize("name", ["AGENTS.md", ".elagent.toml", "sub/AGENTS.md"])
def test_words_that_change_while_they_are_asked_about_are_not_obeyed(
    tmp_path: Path, name: str
) -> None:
    root = tmp_path / "project"
    (root / "sub").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "AGENTS.md").write_text("Answer in rhymes.\n")
    read = f"""
import os
from pathlib import Path
from agent.errors import ConfigError
from tui.wiring import context
os.environ["ELAGENT_HOME"] = {str(tmp_path / "home")!r}
for _ in range(2):
    try:
        print("obeyed:", context(Path({str(root / "sub")!r})).instructions)
    except ConfigError as err:
        print("refused:", err)
        break
"""
    text = answered(read, b"y\r", meanwhile=lambda: (root / name).write_text("[fix]\n"))
    assert "Answer in rhymes." in text
    assert "refused: the configuration that this repository brings changed" in text
    assert "obeyed" not in text
    same = answered(read, b"y\r")
    assert "[fix]" in same
    assert same.count("obeyed:") == 2
