"""Where a fault probably is: by the lines that red tests run, and by what tracebacks name."""

from __future__ import annotations

import math

from agent.editing.source_files import is_test_path
from agent.localisation.places import FaultPlace, lines_run, rank, vagueness
from sandbox.search.values import LineCounts, Searched
from sandbox.verdict.report import Frame, TestOutcome, TestResult

SOURCE = """\
LIMIT = 3


def price(n, step=1):
    if n > LIMIT:
        return n * 2
    return (
        n
        + step
    )
"""


def red(*frames: Frame, exception: str = "AssertionError") -> TestResult:
    return TestResult(
        id="tests/test_a.py::test", outcome=TestOutcome.FAILED, frames=frames, exception=exception
    )


def ranked(
    lines: dict[int, tuple[int, int]], *frames: Frame, text: str = SOURCE
) -> list[FaultPlace]:
    counts = {("a.py", n): LineCounts(red=r, green=g) for n, (r, g) in lines.items()}
    counts["tests/test_a.py", 5] = LineCounts(red=1, green=0)
    searched = Searched(red=1, green=4, lines=counts)
    return list(rank(searched, [red(*frames)], {"a.py": text}.get, is_test=is_test_path))


def test_what_only_the_red_test_runs_comes_first() -> None:
    places = ranked({5: (1, 4), 6: (1, 0), 7: (0, 4)})
    assert (places[0].line, places[0].score) == (6, 1.0)
    assert {place.path for place in places} == {"a.py"}
    by_line = {place.line: place.score for place in places}
    assert math.isclose(by_line[5], 1 / math.sqrt(5))
    assert 7 not in by_line


def test_a_statement_of_several_lines_is_one_place() -> None:
    (first, *_) = ranked({9: (1, 0)})
    assert (first.line, first.end_line) == (7, 10)


def test_module_level_statements_and_defaults_count_where_their_module_ran() -> None:
    lines = [place.line for place in ranked({6: (1, 0)})]
    assert lines[0] == 6
    assert set(lines) == {6, 4, 1}


def test_a_traceback_raises_its_places_and_its_end_most() -> None:
    frames = (
        Frame(file="a.py", line=5, function="price"),
        Frame(file="a.py", line=7, function="p"),
    )
    places = ranked({5: (1, 0), 6: (1, 0), 7: (1, 0)}, *frames)
    assert [place.line for place in places[:3]] == [7, 5, 6]
    assert places[0].ranked.label == "a.py:7 (1.00)"


def test_a_file_that_does_not_parse_has_the_place_that_its_error_names() -> None:
    frame = Frame(file="a.py", line=2, function="<module>")
    (place,) = ranked({}, frame, text="x = 1\ny = (\n")
    assert (place.line, place.end_line) == (2, 2)


HELPER = """\
def helper(n):
    return n + 1


def other(n):
    return n


def asked(n):
    return helper(n)
"""


def test_what_a_suspicious_statement_calls_comes_before_what_nobody_suspicious_calls() -> None:
    lines = [place.line for place in ranked({2: (1, 8), 6: (1, 8), 10: (1, 0)}, text=HELPER)]
    assert lines.index(10) < lines.index(2) < lines.index(6)


def test_places_that_the_test_to_repair_does_not_run_come_last() -> None:
    mine, others = red(), TestResult(id="tests/test_a.py::test_b", outcome=TestOutcome.FAILED)
    lines = {
        ("a.py", 5): LineCounts(red=2, green=3, by=frozenset({mine.id, others.id})),
        ("a.py", 6): LineCounts(red=1, green=0, by=frozenset({others.id})),
    }
    searched = Searched(red=2, green=3, lines=lines)

    def order(*wanted: TestResult) -> list[int]:
        places = rank(searched, wanted, {"a.py": SOURCE}.get, is_test=is_test_path)
        return [place.line for place in places if place.line in (5, 6)]

    assert order(mine) == [5, 6]
    assert order(others) == [6, 5]
    assert lines_run(searched, [mine], is_test_path) == 1
    assert lines_run(searched, [others], is_test_path) == 2


def test_a_test_that_runs_the_project_in_another_process_runs_no_known_line() -> None:
    lines = {("tests/test_a.py", 5): LineCounts(red=1, green=0, by=frozenset({red().id}))}
    assert lines_run(Searched(red=1, lines=lines), [red()], is_test_path) is None


def test_failures_that_name_the_place_come_first() -> None:
    own, test = (
        Frame(file="a.py", line=1, function="f"),
        Frame(file="tests/test_a.py", line=5, function="test"),
    )
    failures = [red(test, own, exception="NameError"), red(test, own), red(test), red()]
    assert [vagueness(item, is_test_path) for item in failures] == [0, 1, 2, 3]
