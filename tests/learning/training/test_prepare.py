"""The right tokens are trained, and what is cut is cut in the right order and counted."""

from __future__ import annotations

import dataclasses

import pytest

from learning.model.chat import ChatFormat
from learning.records import Experience, Origin, Tier, Verdict
from learning.training.job import Example, ExampleKind
from learning.training.prepare import Prepared, Skipped, prepare
from tests.fakes.experiences import make_action, make_evidence
from tests.fakes.tiny_llama import spoken

_BEFORE = "def total(prices):\n    result = 1\n    return result\n"
_AFTER = "def total(prices):\n    result = 0\n    return result\n"


def _reply(source: str) -> str:
    return f"Here it is:\n```python\n{source}```\n"


def _failed(chat: ChatFormat, **changes: object) -> Experience:
    step = spoken(chat, "f", _reply(_BEFORE), before=_BEFORE, after=_BEFORE)
    return dataclasses.replace(step, **changes)  # type: ignore[arg-type]


def _hindsight(chat: ChatFormat, after: str = _AFTER, **changes: object) -> Example:
    fix = spoken(
        chat,
        "p",
        _reply(after),
        asked="Repair it. Once more.",
        before=_BEFORE,
        after=after,
        verdict=Verdict.PASS,
        evidence=(),
        fixes="f",
    )
    return Example(
        kind=ExampleKind.HINDSIGHT,
        step=_failed(chat),
        fix=dataclasses.replace(fix, **changes),  # type: ignore[arg-type]
    )


def _evidence(chat: ChatFormat, **changes: object) -> Example:
    return Example(kind=ExampleKind.EVIDENCE, step=_failed(chat, **changes), weight=0.5)


def _prepared(example: Example, chat: ChatFormat, *, max_tokens: int = 1000) -> Prepared:
    result = prepare(example, chat, max_tokens=max_tokens, note_tokens=400)
    assert isinstance(result, Prepared), result
    return result


def _skipped(example: Example, chat: ChatFormat, *, max_tokens: int = 1000) -> str:
    result = prepare(example, chat, max_tokens=max_tokens, note_tokens=400)
    assert isinstance(result, Skipped), result
    return result.reason


def _trained_text(prepared: Prepared, chat: ChatFormat) -> str:
    return chat.decode([prepared.ids[position] for position in prepared.positions])


def test_hindsight_trains_the_changed_line_and_nothing_else(chat: ChatFormat) -> None:
    assert _trained_text(_prepared(_hindsight(chat), chat), chat) == "    result = 0\n"


def test_of_a_new_file_only_what_differs_from_the_failed_one_is_trained(chat: ChatFormat) -> None:
    example = _hindsight(chat, before="")
    example = dataclasses.replace(example, step=_failed(chat, before=""))
    assert _trained_text(_prepared(example, chat), chat) == "    result = 0\n"


def test_hindsight_stands_at_the_prompt_of_the_failing_step(chat: ChatFormat) -> None:
    example = _hindsight(chat)
    prompt = example.step.action.prompt_ids
    prepared = _prepared(example, chat)
    assert prepared.ids[: len(prompt)] == prompt
    assert example.fix
    rest = prepared.ids[len(prompt) :]
    assert rest == example.fix.action.token_ids[: len(rest)]
    assert prepared.positions[-1] == len(prepared.ids) - 1
    assert [ids[-len(rest) :] for ids in prepared.teacher_contexts] == [rest]


def test_after_a_deletion_the_line_that_follows_is_trained(chat: ChatFormat) -> None:
    after = "def total(prices):\n    return result\n"
    prepared = _prepared(_hindsight(chat, after), chat)
    assert _trained_text(prepared, chat) == "    return result\n"


def test_a_character_of_several_tokens_is_trained_whole(chat: ChatFormat) -> None:
    after = _BEFORE.replace("result = 1", "result = '£€😀'")
    prepared = _prepared(_hindsight(chat, after), chat)
    assert _trained_text(prepared, chat) == "    result = '£€😀'\n"


def test_evidence_trains_every_token_of_the_action(chat: ChatFormat) -> None:
    example = _evidence(chat)
    prepared = _prepared(example, chat)
    assert prepared.ids == example.step.action.prompt_ids + example.step.action.token_ids
    assert [prepared.ids[i] for i in prepared.positions] == list(example.step.action.token_ids)
    assert prepared.weight == 0.5


def test_the_teacher_reads_the_same_window_with_the_note_in_it(chat: ChatFormat) -> None:
    prepared = _prepared(_evidence(chat), chat)
    with_note = chat.tokenizer.decode(list(prepared.teacher_contexts[0]), skip_special_tokens=False)
    without = chat.tokenizer.decode(list(prepared.ids), skip_special_tokens=False)
    start = with_note.index("\n\n[Review note")
    end = with_note.index("[Now do the step correctly.]") + len("[Now do the step correctly.]")
    assert with_note[:start] + with_note[end:] == without
    action = len(prepared.positions)
    assert prepared.teacher_contexts[0][-action:] == prepared.ids[-action:]


def test_the_teacher_does_not_read_the_failing_attempt_in_the_note(chat: ChatFormat) -> None:
    fact = make_evidence(message="assert 7 == 6\n>   def total(prices):")
    prepared = _prepared(_evidence(chat, evidence=(fact,)), chat)
    prompt = chat.decode(prepared.teacher_contexts[0][: -len(prepared.positions)])
    assert "assert 7 == 6" in prompt
    assert "def total" not in prompt


def test_a_long_prompt_loses_its_beginning_and_is_counted(chat: ChatFormat) -> None:
    example = _hindsight(chat)
    full = _prepared(example, chat)
    limit = len(full.ids) - 10
    prepared = _prepared(example, chat, max_tokens=limit)
    assert prepared.ids == full.ids[10:]
    assert prepared.history_cut == 10
    assert prepared.trained_cut == 0
    assert _trained_text(prepared, chat) == _trained_text(full, chat)


def test_a_cut_window_is_cut_alike_for_the_teacher(chat: ChatFormat) -> None:
    full = _prepared(_evidence(chat), chat)
    prepared = _prepared(_evidence(chat), chat, max_tokens=len(full.ids) - 20)
    assert prepared.history_cut == 20
    assert prepared.teacher_contexts[0] == full.teacher_contexts[0][20:]


def test_a_long_action_keeps_a_quarter_of_the_window_for_its_prompt(chat: ChatFormat) -> None:
    example = _evidence(chat)
    prepared = _prepared(example, chat, max_tokens=40)
    assert len(prepared.ids) == 40
    assert prepared.positions == tuple(range(10, 40))
    assert prepared.ids[:10] == example.step.action.prompt_ids[-10:]
    assert prepared.trained_cut == len(example.step.action.token_ids) - 30


def test_a_change_beyond_the_window_is_not_learned(chat: ChatFormat) -> None:
    assert "do not fit into 24 tokens" in _skipped(_hindsight(chat), chat, max_tokens=24)


def test_text_without_token_ids_is_never_encoded_anew(chat: ChatFormat) -> None:
    example = _hindsight(chat, action=make_action(_reply(_AFTER), token_ids=()))
    assert _skipped(example, chat) == "recorded without token ids"


def test_a_prompt_that_is_not_what_was_recorded_is_refused(chat: ChatFormat) -> None:
    example = _evidence(chat, action=make_action(_reply(_BEFORE), prompt_ids=(5, 6, 7)))
    assert _skipped(example, chat) == "its prompt cannot be rebuilt token by token"


def test_evidence_that_may_not_be_learned_from_is_refused(chat: ChatFormat) -> None:
    foreign = _evidence(chat, evidence=(make_evidence(tier=Tier.FOREIGN),))
    assert "says nothing" in _skipped(foreign, chat)


@pytest.mark.parametrize("remark", ["# as the error says", "# unlike the previous attempt"])
def test_a_fix_that_talks_about_the_failure_is_refused(chat: ChatFormat, remark: str) -> None:
    after = _AFTER.replace("result = 0", f"result = 0  {remark}")
    assert _skipped(_hindsight(chat, after), chat) == "mentions what it should not know"


def test_a_fix_that_changes_nothing_is_refused(chat: ChatFormat) -> None:
    assert _skipped(_hindsight(chat, _BEFORE), chat) == "changes no line of the file"


def test_a_first_try_is_trained_at_its_own_prompt(chat: ChatFormat) -> None:
    step = spoken(chat, "p", _reply(_AFTER), before=_BEFORE, after=_AFTER, verdict=Verdict.PASS)
    prepared = _prepared(Example(kind=ExampleKind.FIRST_TRY, step=step, weight=0.3), chat)
    assert prepared.ids[: len(step.action.prompt_ids)] == step.action.prompt_ids
    assert _trained_text(prepared, chat) == "    result = 0\n"


def test_a_fix_that_a_search_found_is_read_from_its_text(chat: ChatFormat) -> None:
    spoken_fix = _hindsight(chat).fix
    assert spoken_fix is not None
    bare = dataclasses.replace(spoken_fix.action, token_ids=(), prompt_ids=(), logprobs=None)
    found = _hindsight(chat, action=bare, origin=Origin.INFILL)
    assert _trained_text(_prepared(found, chat), chat) == "    result = 0\n"
    assert _skipped(_hindsight(chat, action=bare), chat) == "recorded without token ids"
