from __future__ import annotations

from pathlib import Path

from agent.context.compaction import summarised
from agent.context.instructions import read_instructions
from learning.records import Message


def test_instructions_are_read_from_the_root_to_the_current_folder(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "AGENTS.md").write_text("Root.\n")
    (inner / "AGENTS.md").write_text("Inner.\n")
    (tmp_path / "a" / "other").mkdir()
    assert read_instructions(tmp_path, inner) == "AGENTS.md:\nRoot.\n\na/b/AGENTS.md:\nInner."
    assert read_instructions(tmp_path, tmp_path) == "AGENTS.md:\nRoot."
    assert read_instructions(tmp_path / "a", tmp_path / "a") == ""


def test_the_nearest_instructions_keep_their_room_and_the_rest_is_said_to_be_cut(
    tmp_path: Path,
) -> None:
    inner = tmp_path / "a"
    inner.mkdir()
    (tmp_path / "AGENTS.md").write_text("r" * 100)
    (inner / "AGENTS.md").write_text("i" * 40)
    text = read_instructions(tmp_path, inner, cap=50)
    assert f"a/AGENTS.md:\n{'i' * 40}" in text
    assert f"AGENTS.md:\n{'r' * 10}\n[90 more characters of AGENTS.md are not shown]" in text


def test_a_link_that_leads_out_is_not_read(tmp_path: Path) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    (tmp_path / "secret").write_text("secret")
    (root / "AGENTS.md").symlink_to(tmp_path / "secret")
    assert read_instructions(root, root) == ""


def test_a_summary_keeps_the_requests_and_the_files(tmp_path: Path) -> None:
    messages = [Message(role="assistant", content="Done. " * 100)]
    text = summarised(messages, requests=[f"do {n}" for n in range(20)], changed=["a.py", "a.py"])
    assert "8 older requests are left out" in text
    assert "the user asked: do 19" in text
    assert "files that were changed: a.py\n" in text
    assert len(text) < 1500
