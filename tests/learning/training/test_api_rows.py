"""Rows about an API: what the learner is told of a verified use and its stale twin."""

from __future__ import annotations

from pathlib import Path

from learning.contexts.use import ApiUse, UseOrigin, first_difference
from learning.model.catalog import ModelIdentity
from learning.records import Message
from learning.training.job import (
    Example,
    ExampleKind,
    TrainingJob,
    api_example,
    read_examples,
    write_job,
)

CHOSEN = "```python\nimport numpy as np\n\nprint(np.trapezoid([1, 2]))\n```\n"
STALE = CHOSEN.replace("trapezoid", "trapz")


def _pair() -> Example:
    start = CHOSEN.index("trapezoid")
    use = ApiUse(
        api="numpy.trapz -> numpy.trapezoid",
        library="numpy",
        version="2.3.5",
        origin=UseOrigin.DOCSTRING,
        stale=STALE,
        error="AttributeError: module 'numpy' has no attribute 'trapz'",
        names=((start, start + len("trapezoid")),),
        experiences=("one", "two"),
    )
    prompt = [Message(role="user", content="The area below a curve.")]
    return api_example(ExampleKind.API_PAIR, use, messages=prompt, chosen=CHOSEN, model="tiny")


def test_a_row_says_where_the_new_name_stands_and_where_its_twin_leaves_it() -> None:
    row = _pair()
    assert row.use is not None
    assert [row.chosen[start:end] for start, end in row.use.names] == ["trapezoid"]
    assert row.differs_at == CHOSEN.index("ezoid")
    assert row.chosen[: row.differs_at] == row.use.stale[: row.differs_at]
    assert row.experience_ids == ("one", "two")


def test_a_call_that_never_changed_has_no_place_where_a_twin_differs() -> None:
    use = ApiUse(api="numpy.cumsum", library="numpy", version="2.3.5", origin=UseOrigin.OWN)
    anchor = api_example(ExampleKind.API_ANCHOR, use, messages=(), chosen="x", model="tiny")
    assert anchor.differs_at is None
    assert anchor.experience_ids == ()


def test_equal_texts_differ_at_their_end() -> None:
    assert first_difference("abc", "abc") == 3
    assert first_difference("abc", "ab") == 2


def test_a_job_keeps_rows_as_they_were(tmp_path: Path) -> None:
    job = TrainingJob(
        id="job",
        model="tiny",
        model_folder="/nowhere",
        base=ModelIdentity(weights_sha256="w", tokenizer_sha256="t", template_sha256="c"),
        adapter_prefix="a",
        created_at=0.0,
    )
    write_job(tmp_path / "job", job, [_pair()])
    assert read_examples(tmp_path / "job") == (_pair(),)
