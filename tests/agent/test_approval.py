"""The mode, and what the person allowed beforehand, decide what is asked about."""

from __future__ import annotations

import pytest

from agent.approval import Decision, Mode, ModeApprover, Question
from agent.settings.schema import ApprovalSettings

SETTLED = ApprovalSettings(edits="tests/*, docs/*.md", commands="pytest*,ls *")
NO = Decision(allowed=False, reason="the person said no")


async def says_no(_question: Question) -> Decision:
    return NO


def edit(*paths: str, host_use: str = "", unasked: str = "") -> Question:
    subject = ", ".join(paths)
    several = paths if len(paths) > 1 else ()
    return Question(kind="edit", subject=subject, paths=several, host_use=host_use, unasked=unasked)


@pytest.mark.parametrize(
    ("question", "allowed"),
    [
        (edit("tests/deep/test_a.py"), True),
        (edit("docs/a.md"), True),
        (edit("docs/a.rst"), False),
        (edit("tests/a.py", "docs/a.md"), True),
        (edit("tests/a.py", "src/a.py"), False),
        (edit("tests/conftest.py", host_use="pytest runs it"), False),
        (edit("tests/a.py", unasked="the request names another file"), False),
        (Question(kind="command", subject="pytest -x tests"), True),
        (Question(kind="command", subject="lsof"), False),
        (Question(kind="command", subject="pytest -q; rm -rf src"), False),
        (Question(kind="command", subject="ls .\nrm -rf src"), False),
        (Question(kind="command", subject="ls $(rm -rf src)"), False),
        (Question(kind="edit", subject="docs/link.md", linked=True), False),
        (Question(kind="command", subject="rm -rf x"), False),
        (Question(kind="host command", subject="pytest"), False),
        (Question(kind="outside tool", subject="ls x"), False),
    ],
)
async def test_mode_ask_does_not_ask_about_what_was_allowed_beforehand(
    question: Question, *, allowed: bool
) -> None:
    approver = ModeApprover("ask", says_no, SETTLED)
    assert (await approver.decide(question)).allowed == allowed
    nobody = ModeApprover("ask", settled=SETTLED)
    assert (await nobody.decide(question)).allowed == allowed


@pytest.mark.parametrize("mode", ["plan"])
async def test_plan_mode_reads_only_whatever_was_allowed(mode: Mode) -> None:
    approver = ModeApprover(mode, says_no, SETTLED)
    assert not (await approver.decide(edit("tests/a.py"))).allowed


async def test_without_patterns_everything_is_asked_about() -> None:
    approver = ModeApprover("ask", says_no)
    assert await approver.decide(edit("tests/a.py")) == NO
    assert await approver.decide(Question(kind="command", subject="")) == NO


async def test_a_star_that_a_comma_left_over_is_no_pattern() -> None:
    settled = ApprovalSettings(commands="git log --format=%h,*")
    approver = ModeApprover("ask", says_no, settled)
    assert await approver.decide(Question(kind="command", subject="rm -rf src")) == NO
