"""Past sessions are found by their words, and read well as Markdown."""

from __future__ import annotations

from tui.show.retold import found_lines, markdown_of

RECORDS: list[dict[str, object]] = [
    {"event": "session_started", "t": 0.0},
    {"event": "turn_started", "t": 60.0, "text": "Repair ops.py\nand say why"},
    {"event": "message", "role": "user", "t": 61.0, "content": "Repair ops.py\n\nWHOLE FILE"},
    {"event": "stage_started", "t": 61.5, "text": "tiny answers"},
    {"event": "reply_finished", "t": 62.0, "text": "ops.py\n```python\nx = 1"},
    {"event": "edit_applied", "t": 63.0, "path": "ops.py", "diff": "-a\n+```\n"},
    {"event": "message", "role": "assistant", "t": 64.0, "content": "ops.py\n```python\nx = 1"},
    {"event": "notice", "t": 65.0, "text": "Changed \x1b[31mops.py"},
    {"event": "turn_finished", "t": 66.0, "reason": "done"},
    {"event": "unknown", "t": "soon", "text": "ops.py"},
]


def test_all_words_have_to_stand_in_one_line_whatever_their_case() -> None:
    assert [hit.line for hit in found_lines(RECORDS, ["repair", "OPS"])] == ["> Repair ops.py"]
    assert [hit.at for hit in found_lines(RECORDS, ["say"])] == [60.0]
    assert list(found_lines(RECORDS, ["repair", "why"])) == []


def test_what_the_model_was_shown_is_not_searched() -> None:
    assert list(found_lines(RECORDS, ["WHOLE"])) == []


def test_markdown_tells_a_session_in_order_and_no_block_swallows_the_next() -> None:
    text = "\n".join(markdown_of("s1", RECORDS))
    turned = [*RECORDS[:4], RECORDS[6], RECORDS[5], RECORDS[4], *RECORDS[7:]]
    assert "\n".join(markdown_of("s1", turned)).count("x = 1") == 1, "in whichever order"
    assert text.index("> and say why") < text.index("x = 1") < text.index("Changed ops.py:")
    assert text.count("x = 1") == 1
    assert "x = 1\n```\n" in text, "the open fence is closed"
    assert "````diff\n-a\n+```\n````" in text
    assert "WHOLE FILE" not in text
    assert "\x1b" not in text
    assert text.rstrip().endswith("*Done.*")
