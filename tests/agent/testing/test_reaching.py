"""The tests that a change can reach: never fewer than those that run it, as far as imports tell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.fixing.sources import Sources
from agent.testing.reaching import reached_tests
from agent.turn.checking import Closing
from sandbox.verdict.report import TestOutcome, TestReport
from tests.fakes.sandbox import failed, report

FILES = {
    "shop/__init__.py": "",
    "shop/prices.py": "LIMIT = 3\n",
    "shop/basket.py": "from .prices import LIMIT\n",
    "shop/users.py": "import json\n",
    "shop/cli.py": "import shop.basket\n",
    "tests/conftest.py": "import pytest\n",
    "tests/test_basket.py": "from shop.basket import LIMIT\n",
    "tests/test_cli.py": "import shop.cli as c\n",
    "tests/test_users.py": "from shop import users\n",
    "tests/test_started.py": "import subprocess\n",
    "tests/test_words.py": "def test_words():\n    assert open('shop/prices.py')\n",
    "data.json": "{}",
}


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return Sources(tmp_path, FILES)


def passes(*ids: str) -> TestReport:
    return report(*(failed(name, "", outcome=TestOutcome.PASSED) for name in ids))


WHOLE = passes(*(f"{path}::test_it" for path in FILES if path.startswith("tests/test_")))


def test_imports_are_followed_through_the_modules_of_the_project(sources: Sources) -> None:
    assert reached_tests(["shop/prices.py"], WHOLE, sources) == (
        "tests/test_basket.py",
        "tests/test_cli.py",
        "tests/test_started.py",
        "tests/test_words.py",
    )
    assert reached_tests(["shop/users.py"], WHOLE, sources) == (
        "tests/test_started.py",
        "tests/test_users.py",
    )


def test_a_changed_test_reaches_itself(sources: Sources) -> None:
    found = reached_tests(["tests/test_users.py"], WHOLE, sources)
    assert found == ("tests/test_started.py", "tests/test_users.py")


@pytest.mark.parametrize(
    "changed",
    [[], ["data.json"], ["tests/conftest.py"], ["setup.py"], ["tests/test_new.py"],
     ["shop/prices.py", "data.json"]],
)  # fmt: skip
def test_where_it_is_not_known_every_test_is_meant(sources: Sources, changed: list[str]) -> None:
    assert reached_tests(changed, WHOLE, sources) is None


def test_a_conftest_that_uses_the_change_means_every_test(sources: Sources) -> None:
    (sources.root / "tests/conftest.py").write_text("from shop import users\n")
    assert reached_tests(["shop/users.py"], WHOLE, sources) is None


def test_modules_of_unittest_are_told_by_their_dotted_names(sources: Sources) -> None:
    whole = replace(
        passes("tests.test_users.Users.test_it", "tests.test_basket.Basket.test_it"),
        runner="unittest",
    )
    assert reached_tests(["shop/users.py"], whole, sources) == ("tests.test_users",)


def test_the_closing_line_says_that_a_part_of_the_tests_ran() -> None:
    part = passes("tests/test_users.py::test_it")
    closing = Closing(changed=["shop/users.py"], before=WHOLE, after=part, seconds=7, in_part=True)
    assert closing.line == (
        "Changed shop/users.py; tests before: 5 passed; 1 of 5 tests reach the change: all pass; "
        "/test runs all; 7 s; /undo takes it back."
    )
    worse = report(failed("tests/test_users.py::test_it"))
    assert "reach the change: 1 failed;" in replace(closing, after=worse).line
