"""A conversation from end to end on the real command line; only the model is scripted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.openai_server import FakeServer, failure, serve, text
from tui.commands.sessions import _subject

ROOT = Path(__file__).resolve().parents[2]
EDIT = "ops.py\n```python\ndef add(a, b):\n    return a + b\n```"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "ops.py").write_text("def add(a, b):\n    return a - b\n")
    (folder / "pyproject.toml").touch()
    return folder


def talk(
    root: Path, server: FakeServer | str, *args: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    url = server if isinstance(server, str) else server.url
    return elagent(root, "--model", "fake", "--base-url", url, *args, stdin=stdin)


def elagent(root: Path, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "ELAGENT_HOME": str(root.parent / "home")}
    return subprocess.run(
        [sys.executable, str(ROOT / "elagent.py"), *args],
        cwd=root, env=environ, input=stdin,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def sent(server: FakeServer, number: int) -> list[str]:
    messages = server.requests[number]["messages"]
    assert isinstance(messages, list)
    return [str(message["content"]) for message in messages]


def test_a_task_from_standard_input_ends_with_0_and_json_lines(root: Path) -> None:
    with serve(FakeServer(script=[text(EDIT)])) as server:
        done = talk(root, server, "--json", stdin="Repair ops.py")
    assert (done.returncode, done.stderr) == (0, "")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {event["v"] for event in events} == {1}
    done_event = {"v": 1, "event": "turn_finished", "reason": "done", "ending": "done"}
    assert events[-1] == done_event | {"exit_code": None}
    assert (root / "ops.py").read_text() == "def add(a, b):\n    return a + b\n"


def test_a_turn_that_does_not_get_done_ends_with_1_and_says_why(root: Path) -> None:
    with serve(FakeServer(script=[text("ops.py\n```python\n# ... rest of code\n```")])) as server:
        done = talk(root, server, "-p", "Repair ops.py")
    assert done.returncode == 1
    assert "Stopped: the model repeated itself." in done.stdout


def test_a_conversation_is_resumed_with_its_history(root: Path) -> None:
    with serve(FakeServer(script=[text("It subtracts."), text("As I said.")])) as server:
        assert talk(root, server, "-p", "What does ops.py do?").returncode == 0
        assert talk(root, server, "--resume", "-p", "Say it again.").returncode == 0
        first, second = sent(server, 0), sent(server, 1)
        missing = talk(root, server, "--resume", "nope", "-p", "x")
    assert second[: len(first)] == first
    answer, asked = second[len(first) :]
    assert answer == "It subtracts."
    assert asked.startswith("Say it again.")
    assert missing.returncode == 3
    assert "there is no session 'nope'" in missing.stderr


def test_a_resumed_conversation_goes_on_in_its_mode(root: Path) -> None:
    before = (root / "ops.py").read_text()
    with serve(FakeServer(script=[text(EDIT)])) as server:
        talk(root, server, "--mode", "plan", "-p", "Repair ops.py")
        talk(root, server, "--resume", "-p", "Repair ops.py now")
        assert (root / "ops.py").read_text() == before
        talk(root, server, "--resume", "--mode", "auto", "-p", "Repair ops.py now")
    assert (root / "ops.py").read_text() != before


def test_instructions_of_a_repository_are_read_only_when_it_is_trusted(root: Path) -> None:
    (root / "AGENTS.md").write_text("Answer in rhymes.\n")
    with serve(FakeServer(script=[text("Yes.")])) as server:
        done = talk(root, server, "-p", "Hi")
        assert "not trusted, so not read: AGENTS.md" in done.stderr
        assert not any("rhymes" in content for content in sent(server, 0))
        assert talk(root, server, "--trust", "-p", "Hi").stderr == ""
        assert any("rhymes" in content for content in sent(server, 1))
        (root / "AGENTS.md").write_text("Answer in Latin.\n")
        done = talk(root, server, "-p", "Hi")
        assert "changed since you were asked, so not read: AGENTS.md" in done.stderr
        assert not any("Latin" in content for content in sent(server, 2))


def test_a_context_that_is_too_small_names_the_setting_of_that_server(root: Path) -> None:
    too_long = failure(400, "maximum context length is 2048", code="context_length_exceeded")
    models: list[dict[str, object]] = [{"id": "fake", "owned_by": "library"}]
    with serve(FakeServer(script=[too_long], models=models)) as server:
        done = talk(root, server, "-p", "Hi")
    assert done.returncode == 1
    assert "start Ollama with a larger OLLAMA_CONTEXT_LENGTH" in done.stdout
    assert done.stderr == ""


def test_a_wrong_address_is_said_and_ends_with_3(root: Path) -> None:
    done = talk(root, "http://127.0.0.1:9", "-p", "Hi")
    assert done.returncode == 3
    assert "no answer from the model server at http://127.0.0.1:9" in done.stderr


def test_a_session_is_named_after_its_first_request_or_what_was_run() -> None:
    tests: dict[str, object] = {"event": "tests_finished"}
    repair: dict[str, object] = {"event": "fix_finished", "reason": "all green"}
    request: dict[str, object] = {"event": "turn_started", "text": "Repair\n ops.py"}
    assert _subject([tests, repair, request]) == "Repair ops.py"
    assert _subject([tests, repair]) == "run-tests --fix: all green"
    assert _subject([tests]) == "run-tests"
    assert _subject([]) == ""


def test_what_a_session_did_is_listed_shown_exported_and_undone(root: Path) -> None:
    before = (root / "ops.py").read_text()
    with serve(FakeServer(script=[text(EDIT)])) as server:
        talk(root, server, "-p", "Repair ops.py")
    listed = elagent(root, "sessions", "ls").stdout
    assert listed.endswith("  Repair ops.py\n")
    session = listed.split()[0]
    shown = elagent(root, "sessions", "show", session).stdout
    assert "> Repair ops.py" in shown
    assert "changed: ops.py" in shown
    exported = elagent(root, "sessions", "export", session).stdout
    assert {"message", "turn_started", "edit_applied", "turn_finished"} <= {
        json.loads(line)["event"] for line in exported.splitlines()
    }
    readable = elagent(root, "sessions", "export", session, "--format", "markdown").stdout
    assert "## Request 1\n\n> Repair ops.py\n" in readable
    assert "Changed ops.py:\n\n```diff\n" in readable
    assert "Signatures of the repository" not in readable, "only what was said and done"
    assert readable.index("Repair ops.py") < readable.index("Changed ops.py")
    found = elagent(root, "sessions", "search", "REPAIR", "ops.py").stdout
    assert found.startswith(f"{session}  20")
    assert "> Repair ops.py" in found
    assert elagent(root, "sessions", "search", "no such words").stdout == (
        "no session says 'no such words'\n"
    )
    changed = elagent(root, "diff").stdout
    assert "-    return a - b\n+    return a + b\n" in changed
    assert elagent(root, "undo").returncode == 0
    assert (root / "ops.py").read_text() == before
    assert elagent(root, "diff").stdout == "nothing was changed yet\n"
