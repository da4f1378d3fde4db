"""The parts of the app that need no screen: diffs, completion, history, keys, earlier sessions."""

from __future__ import annotations

import difflib
import io
import json
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st
from rich.console import Console

from agent.events import (
    EditApplied,
    Event,
    Notice,
    ReplyFinished,
    TestsFinished,
    TextDelta,
    TurnFinished,
    to_json,
)
from agent.workspace.dirtiness import is_dirty
from sandbox.box.status import VerdictTrust
from sandbox.verdict.report import RunStatus, TestOutcome, TestReport, TestResult
from tui.app.editor import EditorError, at_line, place
from tui.app.keys import APP_KEYS, read_keymap, shown
from tui.app.prompt import TypedLines
from tui.app.status import StatusFields
from tui.app.transcript.earlier import entries_of
from tui.app.transcript.entries import (
    MOST_OUTPUT,
    ChangeEntry,
    EventEntry,
    OutputEntry,
    ReplyEntry,
    SaidEntry,
    TestsEntry,
)
from tui.show.diffs import draw_diff, parse_diff
from tui.slash import SLASH_COMMANDS, find, mentioned, nearest, split, suggest

FILES = ["src/one.py", "src/two.py", "tests/test_one.py", "README.md"]
LINES = st.lists(
    st.sampled_from(["a", "b", "end", "", "--- x", "+++ y", "@@ -1 +1 @@"]), max_size=12
)


def made(before: list[str], after: list[str]) -> str:
    return "\n".join(difflib.unified_diff(before, after, "a/f", "b/f", lineterm=""))


@settings(max_examples=60, deadline=None)
@given(LINES, LINES)
def test_every_line_of_a_diff_is_read_and_drawn_whatever_it_looks_like(
    before: list[str], after: list[str]
) -> None:
    diff = made(before, after)
    files = parse_diff(diff)
    body = diff.splitlines()[2:]
    assert sum(f.added for f in files) == sum(line.startswith("+") for line in body)
    assert sum(f.removed for f in files) == sum(line.startswith("-") for line in body)
    for columns in (80, 130):
        console = Console(width=columns, record=True, file=io.StringIO())
        console.print(draw_diff(diff, columns=columns))
        text = console.export_text()
        assert text.count("end") >= sum(line[1:] == "end" for line in body if line[:1] in "+-")


def test_text_that_is_no_diff_has_no_hunks() -> None:
    assert parse_diff("hello\n@@ nothing @@\n") == []


def test_commands_files_and_choices_are_completed() -> None:
    assert [item.text for item in suggest("/te", FILES)] == ["/test"]
    assert [item.text for item in suggest("/mode a", FILES)] == ["ask", "auto"]
    assert [item.text for item in suggest("/add te", FILES)] == ["tests/test_one.py"]
    assert [item.text for item in suggest("look at @src/t", FILES)] == ["src/two.py"]
    assert [item.text for item in suggest("see\n@one", FILES)] == [
        "src/one.py",
        "tests/test_one.py",
    ]
    assert suggest("plain text", FILES) == []


def test_every_command_is_found_by_its_name_and_near_ones_are_guessed() -> None:
    for command in SLASH_COMMANDS:
        assert find(command.name) is command
        assert split(f"{command.name} x y") == (command.name, "x y")
    assert nearest("/tset") == "/test"
    assert nearest("/zzzzzz") == ""
    assert split("no command") == ("", "no command")


def test_files_after_an_at_sign_are_those_of_the_repository() -> None:
    text = "fix @src/one.py, not @etc/passwd or a@src/two.py"
    assert mentioned(text, FILES) == ["src/one.py"]


def test_history_is_shared_with_later_sessions_and_keeps_the_draft(tmp_path: Path) -> None:
    path = tmp_path / "history"
    first = TypedLines(path)
    first.add("one\nwith two lines")
    first.add("two")
    later = TypedLines(path)
    assert later.back("draft") == "two"
    assert later.back("two") == "one\nwith two lines"
    assert later.back("one") is None
    assert later.forward() == "two"
    assert later.forward() == "draft"
    assert later.forward() is None


def test_keys_can_be_changed_in_a_file_and_mistakes_are_named(tmp_path: Path) -> None:
    names = [binding.id or "" for binding in APP_KEYS]
    path = tmp_path / "keys.toml"
    assert read_keymap(path, names) == {}
    path.write_text('[keys]\n"app.search" = "ctrl+s"\n')
    assert read_keymap(path, names) == {"app.search": "ctrl+s"}
    path.write_text('[keys]\n"app.serch" = "ctrl+s"\n')
    with pytest.raises(ValueError, match=r"app\.serch"):
        read_keymap(path, names)
    path.write_text("[keys\n")
    with pytest.raises(ValueError, match="cannot be read"):
        read_keymap(path, names)


def test_every_key_has_a_name_and_a_description() -> None:
    assert all(binding.id and binding.description for binding in APP_KEYS)
    assert shown("ctrl+y") == "Ctrl+Y"
    assert shown("f3,ctrl+f") == "F3, Ctrl+F"


def test_a_test_can_only_send_the_editor_to_files_of_the_repository(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.py").touch()
    (tmp_path / "secret").touch()
    (root / "link").symlink_to(tmp_path / "secret")
    assert place(root, "a.py") == root / "a.py"
    for file in ("../secret", "link", "/etc/passwd", "missing.py"):
        with pytest.raises(EditorError):
            place(root, file)


def test_each_editor_gets_the_line_in_its_own_manner() -> None:
    file = Path("/x/a.py")
    assert at_line(["vim"], file, 7) == ["vim", "+7", "/x/a.py"]
    assert at_line(["code", "--wait"], file, 7) == ["code", "--wait", "--goto", "/x/a.py:7"]
    assert at_line(["/usr/bin/hx"], file, 7) == ["/usr/bin/hx", "/x/a.py:7"]


def test_output_keeps_head_and_tail_and_counts_the_rest() -> None:
    output = OutputEntry("yes")
    for number in range(3000):
        output.add(f"line {number:06}\n" * 10)
    assert len(output.text) <= 2 * MOST_OUTPUT
    assert output.shown.startswith("line 000000")
    assert output.shown.endswith("line 002999\n")
    assert len(output.text) + output.cut == 3000 * 10 * 12


def test_an_earlier_session_looks_as_it_did() -> None:
    report = TestReport(
        status=RunStatus.COMPLETE, runner="pytest", trust=VerdictTrust.PINNED, duration_s=1.0,
        results=(TestResult(id="t::a", outcome=TestOutcome.FAILED, message="no", file="a", line=3),),
    )  # fmt: skip
    reply = ReplyFinished("Hello", "tiny", "el-x-v0001-ab", 10, 0, 5, 4096, 1.0)
    events: list[Event] = [reply, EditApplied("a.py", "diff"), TestsFinished(report, ("t::a",)), Notice("n"),
              TextDelta("never logged"), TurnFinished("done")]  # fmt: skip
    lines = ['{"event": "turn_started", "text": "hi"}', '{"event": "from the future"}']
    lines += [json.dumps(to_json(event)) for event in events[:-2]]
    said, answered, changed, tested, noted = entries_of([json.loads(line) for line in lines])
    assert isinstance(said, SaidEntry)
    assert isinstance(answered, ReplyEntry)
    assert answered.finished == reply
    assert isinstance(changed, ChangeEntry)
    assert isinstance(tested, TestsEntry)
    assert tested.event.report.red[0].line == 3
    assert isinstance(noted, EventEntry)
    assert (
        entries_of([{"event": "turn_started", "text": "x"}, {"event": "conversation_cleared"}])
        == []
    )


def test_a_narrow_status_line_keeps_what_matters_most() -> None:
    standing = StatusFields(model="qwen", mode="ask", used=10, limit=100, branch="main", dirty=True)
    wide, narrow = standing.line(200), standing.line(40)
    assert "main (changed)" in wide
    assert "sandbox not started" in wide
    assert len(narrow) <= 40
    assert narrow.startswith("mode ask")
    assert "10/100 tokens" in narrow


def test_asking_whether_files_differ_runs_no_filter_of_the_repository(tmp_path: Path) -> None:
    def git(*args: str) -> None:
        person = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", *person, *args]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / ".gitattributes").write_text("* filter=evil\n")
    (tmp_path / "file").write_text("one\n")
    git("add", ".")
    git("commit", "-m", "x")
    git("config", "filter.evil.clean", "touch ran; cat")
    os.utime(tmp_path / "file", (0, 0))  # makes git compare the content
    assert not is_dirty(tmp_path, os.environ)
    (tmp_path / "file").write_text("two\n")
    assert is_dirty(tmp_path, os.environ)
    assert not (tmp_path / "ran").exists()
