from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.approval import Decision, ModeApprover, Question
from agent.errors import WorkspaceError
from agent.workspace.commits import Commits
from agent.workspace.committing import Committer, commit_message

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def git(root: Path, *args: str) -> str:
    return subprocess.run(
        ["git", *args],  # noqa: S607 - found on the PATH
        cwd=root,
        env=ENVIRON,
        capture_output=True,
        text=True,
        check=True,
    ).stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "-b", "main")
    git(folder, "config", "user.name", "Ann")
    git(folder, "config", "user.email", "ann@example.org")
    (folder / "a.py").write_text("a = 1\n")
    (folder / "old.py").write_text("old = 1\n")
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "start")
    return folder


@dataclass
class Person:
    """Answers every question in the same way, and remembers them."""

    allowed: bool
    questions: list[Question] = field(default_factory=list)

    async def decide(self, question: Question) -> Decision:
        self.questions.append(question)
        return Decision(allowed=self.allowed)


def test_a_turn_becomes_one_commit_and_what_was_staged_stays_staged(root: Path) -> None:
    (root / "mine.txt").write_text("mine\n")
    git(root, "add", "mine.txt")
    committer = Committer(root, ENVIRON)
    not_ours = committer.uncommitted()
    (root / "a.py").write_text("a = 2\n")
    (root / "new [1].py").write_text("new = 1\n")
    (root / "old.py").unlink()
    message = commit_message("Change a", model="m", adapter="el-x")
    committer.commit(["a.py", "new [1].py", "old.py"], message, not_ours=not_ours)
    assert git(root, "show", "--format=%an <%ae>%n%B", "--name-status").split("\n") == [
        "Ann <ann@example.org>",
        "Change a",
        "",
        "Assisted-by: elagent (m, adapter el-x)",
        "",
        "",
        "M\ta.py",
        "A\tnew [1].py",
        "D\told.py",
        "",
    ]
    assert git(root, "status", "--porcelain") == "A  mine.txt\n"


def test_a_file_with_changes_of_the_user_is_not_committed(root: Path) -> None:
    (root / "a.py").write_text("mine = 1\n")
    committer = Committer(root, ENVIRON)
    not_ours = committer.uncommitted()
    (root / "a.py").write_text("mine = 1\nits = 2\n")
    with pytest.raises(WorkspaceError, match=r"a\.py had changes of your own"):
        committer.commit(["a.py"], "x", not_ours=not_ours)


@pytest.mark.parametrize("hook", ["pre-commit", "commit-msg", "post-commit", "prepare-commit-msg"])
def test_nothing_of_the_repository_is_executed(root: Path, tmp_path: Path, hook: str) -> None:
    evil = tmp_path / "evil"
    for place in (root / ".git" / "hooks" / hook, tmp_path / "program"):
        place.write_text(f"#!/bin/sh\ntouch {evil}\n")
        place.chmod(0o755)
    program = str(tmp_path / "program")
    for key in ("gpg.program", "core.editor", "core.fsmonitor", "filter.x.clean"):
        git(root, "config", key, program)
    git(root, "config", "commit.gpgSign", "true")
    committer = Committer(root, ENVIRON)
    committer.uncommitted()
    (root / "a.py").write_text("a = 2\n")
    committer.commit(["a.py"], "x")
    assert not evil.exists()


def test_a_file_that_goes_through_a_filter_is_left_to_the_user(root: Path) -> None:
    (root / ".gitattributes").write_text("*.bin filter=lfs\n")
    (root / "x.bin").write_bytes(b"1")
    with pytest.raises(WorkspaceError, match=r"x\.bin goes through a filter"):
        Committer(root, ENVIRON).commit(["x.bin"], "x")
    assert "x.bin" in git(root, "status", "--porcelain")


def test_a_refused_commit_leaves_nothing_staged(root: Path) -> None:
    git(root, "config", "--unset", "user.name")
    (root / "new.py").write_text("new = 1\n")
    with pytest.raises(WorkspaceError, match="git does not know your name"):
        Committer(root, ENVIRON).commit(["new.py"], "x")
    assert git(root, "status", "--porcelain") == "?? new.py\n"


def test_no_commit_without_a_branch_or_in_the_middle_of_something(
    root: Path, tmp_path: Path
) -> None:
    with pytest.raises(WorkspaceError, match="no git repository on a branch"):
        Committer(tmp_path, ENVIRON).uncommitted()
    (root / ".git" / "MERGE_HEAD").write_text(git(root, "rev-parse", "HEAD"))
    with pytest.raises(WorkspaceError, match="MERGE_HEAD"):
        Committer(root, ENVIRON).uncommitted()
    (root / ".git" / "MERGE_HEAD").unlink()
    git(root, "checkout", "--quiet", "--detach")
    with pytest.raises(WorkspaceError, match="on a branch"):
        Committer(root, ENVIRON).uncommitted()


@pytest.mark.parametrize(("allowed", "ran"), [(True, True), (False, False)])
async def test_hooks_run_only_after_one_question_that_shows_the_command(
    root: Path, tmp_path: Path, *, allowed: bool, ran: bool
) -> None:
    hook = root / ".git" / "hooks" / "pre-commit"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    person = Person(allowed)
    commits = Commits(committer=Committer(root, ENVIRON), approver=person, hooks=True)
    for text in ("a = 2\n", "a = 3\n"):
        await commits.turn_begins()
        (root / "a.py").write_text(text)
        said = await commits.turn_accepted("Change a", ["a.py"], model="m", adapter=None)
        assert said is not None
        assert said.text.startswith("committed ")
    (question,) = person.questions
    assert question.subject == "git commit --only -m ... -- a.py"
    assert str(hook) in question.detail
    assert (tmp_path / "ran").exists() is ran
    assert git(root, "rev-list", "--count", "HEAD").strip() == "3"


async def test_a_hook_that_changed_is_asked_about_again(root: Path) -> None:
    hook = root / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    person = Person(allowed=True)
    commits = Commits(committer=Committer(root, ENVIRON), approver=person, hooks=True)
    for text in ("a = 2\n", "a = 3\n"):
        await commits.turn_begins()
        (root / "a.py").write_text(text)
        await commits.turn_accepted("Change a", ["a.py"], model="m", adapter=None)
        hook.write_text("#!/bin/sh\ntrue\n")
    assert len(person.questions) == 2


async def test_leaving_the_sandbox_is_asked_in_every_mode_and_can_be_forbidden(root: Path) -> None:
    question = Question(kind="host command", subject="git commit")
    assert not (await ModeApprover("auto").decide(question)).allowed
    hook = root / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    person = Person(allowed=True)
    committer = Committer(root, ENVIRON)
    commits = Commits(committer=committer, approver=person, hooks=True, allow_host=False)
    (root / "a.py").write_text("a = 2\n")
    said = await commits.turn_accepted("Change a", ["a.py"], model="m", adapter=None)
    assert said is not None
    assert said.text.startswith("committed ")
    assert person.questions == []


async def test_a_turn_that_changed_nothing_is_no_commit(root: Path) -> None:
    commits = Commits(committer=Committer(root, ENVIRON), approver=ModeApprover("auto"))
    assert await commits.turn_accepted("Hi", [], model="m", adapter=None) is None


def test_a_long_request_has_a_short_subject_and_stands_whole_below() -> None:
    message = commit_message("word " * 40, model="m", adapter=None)
    subject, blank, *rest = message.split("\n")
    assert len(subject) <= 72
    assert blank == ""
    assert "word " * 39 in rest[0]
    assert message.endswith("\n\nAssisted-by: elagent (m)\n")


async def test_ignored_files_and_repositories_inside_are_never_committed(root: Path) -> None:
    (root / ".git" / "info" / "exclude").write_text(".env\n")
    (root / "inner").mkdir()
    git(root / "inner", "init", "--quiet")
    commits = Commits(committer=Committer(root, ENVIRON), approver=ModeApprover("auto"))
    await commits.turn_begins()
    for path in ("a.py", ".env", "inner/i.py"):
        (root / path).write_text("changed = 1\n")
    said = await commits.turn_accepted("x", [".env", "a.py", "inner/i.py"], model="m", adapter=None)
    assert said is not None
    assert said.text.startswith("committed ")
    assert git(root, "show", "--format=", "--name-only") == "a.py\n"
