from __future__ import annotations

from agent.turn.stuck import Step, stuck_reason


def step(action: str, observation: str = "ok", **more: object) -> Step:
    return Step(action=action, observation=observation, **more)  # type: ignore[arg-type]


def test_different_steps_are_progress() -> None:
    assert stuck_reason([step("ls"), step("cat a"), step("cat b")]) == ""


def test_the_same_action_with_the_same_result_is_stuck() -> None:
    assert "same action" in stuck_reason([step("make", "failed"), step("make", "failed")])


def test_times_addresses_and_temporary_names_do_not_make_a_result_new() -> None:
    first = step("make", "failed in 0.31s at 0x7f12 in /tmp/abc")
    second = step("make", "failed in 12.4s at 0x9a00 in /tmp/xyz")
    assert "same action" in stuck_reason([first, second])


def test_the_same_action_with_another_result_is_progress() -> None:
    assert stuck_reason([step("pytest", "3 failed"), step("pytest", "1 failed")]) == ""


def test_going_back_and_forth_is_stuck() -> None:
    assert "back and forth" in stuck_reason([step("a"), step("b"), step("a"), step("b")])


def test_the_same_error_three_times_is_stuck_whatever_was_tried() -> None:
    steps = [step(name, "no such file", failed=True) for name in ("a", "b", "c")]
    assert stuck_reason(steps[:2]) == ""
    assert "same error came 3 times" in stuck_reason(steps)


def test_two_changes_that_leave_the_same_failures_are_stuck() -> None:
    red = frozenset({"t.py::test_x assert 1 == 2"})
    before = step("pytest", "one", red=red, failed=True)
    first = step("edit 1", "two", red=red, edits=1, failed=True)
    second = step("edit 2", "three", red=red, edits=1, failed=True)
    assert stuck_reason([before, first]) == ""
    assert "same tests failing" in stuck_reason([before, first, second])


def test_a_change_that_makes_the_tests_fail_differently_is_progress() -> None:
    first = step("edit 1", "two", red=frozenset({"x"}), edits=1)
    second = step("edit 2", "three", red=frozenset({"y"}), edits=1)
    assert stuck_reason([first, second]) == ""
