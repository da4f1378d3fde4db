"""Which past repairs are shown as hints, and that nothing unverified or foreign is."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from agent.advice.lessons import Hints, hints_for, lessons_of
from agent.advice.signature import likeness, signature_of
from learning.records import Experience, Message, Trust, Verdict
from tests.fakes.experiences import make_evidence, make_experience

PROMPT = (
    "Failing test: tests/test_a.py::test_a\n"
    "AttributeError: module 'numpy' has no attribute 'product'\n\nThe file a.py:\n..."
)
ERROR = ("AttributeError", "module 'numpy' has no attribute 'product'")


def repair(id_: str = "e1", /, **changes: object) -> Experience:
    given = {
        "verdict": Verdict.PASS,
        "messages": (Message(role="user", content=PROMPT),),
        "path": "a.py",
        "before": "import numpy as np\nx = np.product(v)\n",
        "after": "import numpy as np\nx = np.prod(v)\n",
        "evidence": (),
        **changes,
    }
    return make_experience(id_, **given)


def found(*experiences: Experience, error: tuple[str, str] = ERROR, budget: int = 240) -> Hints:
    return hints_for([error], lessons_of(experiences), budget_tokens=budget)


def test_the_repair_of_a_like_error_becomes_a_hint() -> None:
    hints = found(repair())
    assert hints.ids == ("e1",)
    assert "-x = np.product(v)" in hints.text
    assert "+x = np.prod(v)" in hints.text


def test_a_repair_after_a_failing_step_is_found_by_what_that_step_failed_with() -> None:
    failing = make_experience(
        "bad", evidence=(make_evidence(exception="AttributeError", message=ERROR[1]),)
    )
    fix = repair("good", fixes="bad", messages=(Message(role="user", content="Repair a.py"),))
    assert found(fix, failing).ids == ("good",)


@pytest.mark.parametrize(
    "changes",
    [
        {"verdict": Verdict.UNKNOWN},
        {"verdict": Verdict.FAIL},
        {"trust": Trust.PLAIN},
        {"path": ""},
        {"after": "".join(f"y{n} = {n}\n" for n in range(40))},
    ],
)
def test_what_is_not_a_verified_small_repair_is_no_lesson(changes: dict[str, object]) -> None:
    assert found(repair(**changes)) == Hints()


@pytest.mark.parametrize(
    "error",
    [
        ("KeyError", "'product'"),
        ("AttributeError", "'Order' object has no attribute 'lines'"),
        ("AssertionError", "assert 9 == 6"),
        ("", ""),
    ],
)
def test_another_error_gets_no_hint(error: tuple[str, str]) -> None:
    assert found(repair(), error=error) == Hints()


def test_hints_stay_within_their_budget_and_are_few() -> None:
    many = [repair(f"e{n}", after=f"import numpy as np\nx = np.prod(v, {n})\n") for n in range(9)]
    assert len(found(*many).ids) == 2
    assert found(*many, budget=10) == Hints()


def test_equal_lessons_count_once_and_the_newest_is_named() -> None:
    assert found(repair("new"), repair("old")).ids == ("new",)


def test_two_failed_checks_are_alike_only_by_the_names_in_them() -> None:
    one = signature_of("AssertionError", "assert 9 == 6\n +  where 9 = total([1, 2, 3])")
    same = signature_of("AssertionError", "assert 7 == 5\n +  where 7 = total([4])")
    other = signature_of("AssertionError", "assert 7 == 5\n +  where 7 = mean([4])")
    assert likeness(one, same) > 0
    assert likeness(one, other) == 0


@given(st.text(max_size=300), st.text(max_size=300))
def test_any_two_messages_can_be_compared(one: str, other: str) -> None:
    assert 0 <= likeness(signature_of("", one), signature_of("", other)) <= 1
