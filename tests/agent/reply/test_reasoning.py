"""Reasoning stands before an answer and never inside it; code keeps whatever tags it holds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from agent.reply.parse import parse_reply
from agent.reply.parsed import FileEdits, PlainAnswer, Unusable
from agent.reply.reasoning import part_reply

DRAFT = "First a draft:\ncalc.py\n```python\nx = 'draft'\n```\nNo, not that.\n"
ANSWER = "calc.py\n```python\nx = 2\n```"
HARMONY = "<|end|><|start|>assistant<|channel|>final<|message|>"


@pytest.mark.parametrize(
    "reply",
    [
        f"<think>\n{DRAFT}</think>\n\n{ANSWER}",
        f"\n <THINK>{DRAFT}</THINK>{ANSWER}",
        f"<thinking>{DRAFT}</thinking>\n{ANSWER}",
        f"<thought>\n{DRAFT}\n</thought>\n{ANSWER}",
        f"<seed:think>{DRAFT}</seed:think>{ANSWER}",
        f"<reasoning>{DRAFT}</reasoning>\n{ANSWER}",
        f"[THINK]{DRAFT}[/THINK]{ANSWER}",
        f"◁think▷{DRAFT}◁/think▷{ANSWER}",
        f"<|START_THINKING|>{DRAFT}<|END_THINKING|>\n{ANSWER}",
        f"<|channel>thought\n{DRAFT}<channel|>{ANSWER}",
        f"<unused94>thought\n{DRAFT}<unused95>{ANSWER}",
        f"<analysis>\n{DRAFT}</analysis>\n{ANSWER}",
        f"<think >\n{DRAFT}</think >\n{ANSWER}",
        f"<think>one</think>\n<think>{DRAFT}</think>\n{ANSWER}",
        f"<think>\n\n</think>\n\n{ANSWER}",
        f"<think>\nIt says `</think>` here.\n{DRAFT}</think>\n{ANSWER}",
        f"<think>\na draft:\n```python\ns = '''\n</think>\n'''\n```\n{DRAFT}</think>\n{ANSWER}",
        f"<think>\na draft:\n```python\nx = 'cut\n</think>\n{ANSWER}",
        f"{DRAFT}</think>\n{ANSWER}",
        f"{DRAFT}[/THINK]\n{ANSWER}",
        f"{DRAFT}</think>\nmore\n</think>\n\n{ANSWER}",
        f"<|channel|>analysis<|message|>{DRAFT}{HARMONY}{ANSWER}<|return|>",
        f"<|start|>assistant<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant"
        f"<|channel|>commentary<|message|>{DRAFT}{HARMONY}{ANSWER}",
        f"<|channel|>final<|message|>{ANSWER}",
        f"analysisWe need it. {DRAFT}assistantfinal{ANSWER}",
        *(f"{ANSWER}{end}" for end in ("<|im_end|>", "\n<|im_end|>\n", "</s>", "<|eot_id|>")),
        *(
            f"{ANSWER}\n{end}"
            for end in ("<end_of_turn>", "<|endoftext|>", "<eos>", "<|END_OF_TURN_TOKEN|>")
        ),
        f"{ANSWER}\n<|im_end|>\n<|im_start|>user\nNow {DRAFT}",
        f"<|im_start|>assistant\n{ANSWER}<|im_end|>",
        f"<|assistant|>\n{ANSWER}",
    ],
)
def test_the_answer_alone_is_applied(reply: str) -> None:
    reading = parse_reply(reply, known_paths=["calc.py"])
    assert isinstance(reading, FileEdits), reading
    assert [(edit.path, edit.content) for edit in reading.edits] == [("calc.py", "x = 2\n")]


@pytest.mark.parametrize(
    "reply",
    [
        f"<think>\n{DRAFT}",
        f"<think>{DRAFT}<think>",
        f"[THINK]{DRAFT}",
        f"<|channel|>analysis<|message|>{DRAFT}",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|>",
        f"<thought>{DRAFT}",
    ],
)
@pytest.mark.parametrize("default", [None, "calc.py"])
def test_a_reply_that_ends_in_its_reasoning_is_named_so(reply: str, default: str | None) -> None:
    reading = parse_reply(reply, known_paths=["calc.py"], default_path=default)
    assert isinstance(reading, Unusable)
    assert "still thinking" in reading.reason


def test_a_draft_before_a_closing_tag_is_never_applied() -> None:
    reading = parse_reply(f"{DRAFT}</think>\n\nWhich value should x have?", known_paths=["calc.py"])
    assert isinstance(reading, PlainAnswer)
    assert reading.text == "Which value should x have?"


CODE = st.lists(
    st.sampled_from(
        [
            *(
                "<think>",
                "</think>",
                "[THINK]",
                "<|im_end|>",
                "</s>",
                "<|channel|>final<|message|>",
            ),
            *("</thought>", "<|endoftext|>", "x = '<think>'", "    # </think>", "pass", ""),
        ]
    ),
    max_size=8,
).map("\n".join)


@settings(max_examples=300)
@given(CODE, st.sampled_from(["", "<think>why</think>\n", "because\n</think>\n", "Here it is:\n"]))
def test_what_stands_in_a_fence_is_never_touched(code: str, lead: str) -> None:
    body = f"# begin\n{code}\n# end"
    reading = parse_reply(f"{lead}notes.txt\n````text\n{body}\n````\n", known_paths=["notes.txt"])
    assert isinstance(reading, FileEdits), reading
    assert reading.edits[0].content == f"{body}\n"


@given(CODE)
def test_what_stands_in_a_block_or_a_call_is_never_touched(code: str) -> None:
    body = f"# begin\n{code}\n# end"
    block = f"f.txt\n<<<<<<< SEARCH\nold\n=======\n{body}\n>>>>>>> REPLACE\n"
    reading = parse_reply(block, known_paths=["f.txt"], take_patches=True)
    assert isinstance(reading, FileEdits), reading
    assert reading.patches[0].hunks[0].replace == f"{body}\n"
    assert part_reply(f'<file path="f.txt">\n{body}\n</file>').answer == (
        f'<file path="f.txt">\n{body}\n</file>'
    )


@pytest.mark.parametrize(
    "text",
    [
        "Use `</think>` to end it, and <think> to begin.",
        "The tag <think> opens.",
        "It prints <|im_start|> twice and `<|im_end|>` once.",
        "analysis is what it does",
    ],
)
def test_prose_about_tags_is_prose(text: str) -> None:
    assert part_reply(text).answer.startswith(text[:12])
    assert not part_reply(text).unfinished
