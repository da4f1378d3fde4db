"""What the model is shown, and which file it is asked to repair."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.fixing.context import FixPrompt, build_fix_messages, estimate_tokens, fenced
from agent.fixing.sources import Sources
from agent.fixing.targets import choose_targets, locate_test, project_facts
from agent.prompt_files import prompt
from agent.testing.failures import evidence_of
from sandbox.verdict.report import TestOutcome, TestResult
from tests.fakes.sandbox import failed

SHOP = {
    "shop/__init__.py": "from shop.prices import net\n",
    "shop/prices.py": "RATE = 19\n\n\ndef net(price, pieces=1):\n    return price * pieces\n",
    "shop/orders.py": (
        "from shop.prices import net\n\n\nclass Order:\n    def __init__(self):\n"
        "        self.lines = []\n\n    def total(self):\n"
        "        return sum(net(line) for line in self.lines) / len(self.lines)\n"
    ),
    "shop/stock.py": "class Stock:\n    def count(self):\n        return 0\n",
    "tests/test_prices.py": (
        "from shop import net, prices\n\n\ndef test_net():\n    assert net(2, 3) == 6\n\n\n"
        "def test_rate():\n    assert prices.RATE == 19\n"
    ),
    "tests/test_orders.py": (
        "import pytest\n\nfrom shop.orders import Order\nfrom shop.stock import Stock\n\n\n"
        "@pytest.fixture\ndef order():\n    return Order()\n\n\n"
        "def test_total(order):\n    stock = Stock()\n    assert order.total() == 0\n"
        "    assert stock.count() == 0\n\n\n"
        "class TestMore:\n    def test_inside(self, order):\n        assert order.total() == 1\n"
    ),
}


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return written(tmp_path, SHOP)


def written(root: Path, files: Mapping[str, str]) -> Sources:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return Sources(root, files)


TOTAL = failed(
    "tests/test_orders.py::test_total",
    "division by zero",
    exception="ZeroDivisionError",
    frames=[("tests/test_orders.py", 14, "test_total"), ("shop/orders.py", 9, "total")],
)
NET = failed(
    "tests/test_prices.py::test_net",
    "assert 5 == 6",
    frames=[("tests/test_prices.py", 5, "test_net")],
)


def built(result: TestResult, path: str, sources: Sources, **options: object) -> FixPrompt:
    return build_fix_messages(
        path=path,
        source=sources.text(path) or "",
        result=result,
        evidence=evidence_of(result),
        test=locate_test(result, sources),
        sources=sources,
        **options,  # type: ignore[arg-type]
    )


def test_an_exception_points_at_its_deepest_frame_in_the_project(sources: Sources) -> None:
    assert choose_targets(TOTAL, sources)[0] == "shop/orders.py"


def test_the_tests_own_file_comes_last_and_only_where_it_may_be_edited(sources: Sources) -> None:
    without = choose_targets(NET, sources)
    assert choose_targets(NET, sources, allow_tests=True) == (*without, "tests/test_prices.py")
    assert "tests/test_prices.py" not in without


def test_a_wrong_result_points_at_the_module_that_defines_what_the_test_calls(
    sources: Sources,
) -> None:
    assert choose_targets(NET, sources)[0] == "shop/prices.py"


def test_a_wrong_result_of_a_method_points_at_its_class(sources: Sources) -> None:
    result = failed(
        "tests/test_orders.py::test_total",
        frames=[("tests/test_orders.py", 15, "test_total")],
    )
    assert choose_targets(result, sources)[:2] == ("shop/orders.py", "shop/stock.py")


@pytest.mark.parametrize(
    ("message", "exception", "path"),
    [
        ("cannot import name 'gross' from 'shop.prices' (/x/shop/prices.py)", "ImportError",
         "shop/prices.py"),
        ("cannot import name 'Order' from 'shop' (/x/shop/__init__.py)", "ImportError",
         "shop/__init__.py"),
        ("module 'shop.prices' has no attribute 'gross'", "AttributeError", "shop/prices.py"),
        ("'Stock' object has no attribute 'add'", "AttributeError", "shop/stock.py"),
        ("No module named 'shop.taxes'", "ModuleNotFoundError", "shop/taxes.py"),
    ],
)  # fmt: skip
def test_a_missing_name_points_at_the_module_that_should_have_it(
    sources: Sources, message: str, exception: str, path: str
) -> None:
    result = failed(
        "tests/test_orders.py::test_total",
        message,
        exception=exception,
        frames=[("tests/test_orders.py", 13, "test_total")],
    )
    assert choose_targets(result, sources)[0] == path


def test_a_missing_library_points_at_no_file(sources: Sources) -> None:
    result = failed("tests/test_orders.py", "No module named 'numpy'", exception="ImportError")
    assert choose_targets(result, sources) == ()


def test_tests_are_never_the_file_to_repair(sources: Sources) -> None:
    for result in (TOTAL, NET):
        assert not [path for path in choose_targets(result, sources) if "test" in path]


def test_the_source_of_a_method_with_parameters_is_found(sources: Sources) -> None:
    result = failed("tests/test_orders.py::TestMore::test_inside[1-2]")
    assert locate_test(result, sources).source == (
        "    def test_inside(self, order):\n        assert order.total() == 1"
    )


def test_a_unittest_id_is_found(sources: Sources) -> None:
    test = locate_test(failed("tests.test_orders.TestMore.test_inside"), sources)
    assert (test.path, test.name) == ("tests/test_orders.py", "test_inside")
    assert "order.total() == 1" in test.source


def test_a_file_that_could_not_be_loaded_shows_the_test_that_needs_the_name(
    sources: Sources,
) -> None:
    result = failed(
        "tests/test_prices.py",
        "cannot import name 'net' from 'shop.prices'",
        outcome=TestOutcome.ERROR,
    )
    assert "assert net(2, 3) == 6" in locate_test(result, sources).source


def test_the_prompt_is_byte_stable(sources: Sources) -> None:
    messages = built(NET, "shop/prices.py", sources).messages
    assert [message.role for message in messages] == ["system", "user"]
    assert messages[0].content == (
        "You repair Python code. You get a failing test and one file. Answer with the whole"
        " corrected file in one fenced code block. Leave nothing out. Do not explain."
    )
    assert messages[1].content == (
        "Failing test: tests/test_prices.py::test_net\n"
        "AssertionError: assert 5 == 6\n"
        "Expected: 6\n"
        "Got: 5\n"
        "At tests/test_prices.py:5 in test_net: assert net(2, 3) == 6\n"
        "\n"
        "The test:\n"
        "```python\n"
        "def test_net():\n"
        "    assert net(2, 3) == 6\n"
        "```\n"
        "\n"
        "The file shop/prices.py:\n"
        "```python\n"
        "RATE = 19\n"
        "\n"
        "\n"
        "def net(price, pieces=1):\n"
        "    return price * pieces\n"
        "```\n"
        "\n"
        "Correct shop/prices.py so that the test passes. Keep all its other functions and"
        " classes. Answer with the whole file."
    )
    assert built(NET, "shop/prices.py", sources).messages == messages


def test_the_prompts_of_a_small_module_leave_room_for_training(sources: Sources) -> None:
    own_words = prompt("fix_system") + prompt("fix_user")
    assert estimate_tokens(own_words) <= 250
    whole = "".join(m.content for m in built(TOTAL, "shop/orders.py", sources).messages)
    assert estimate_tokens(whole) <= 512


def test_raw_output_of_the_runner_stays_out_of_the_prompt(sources: Sources) -> None:
    noisy = TestResult(
        id=NET.id,
        outcome=NET.outcome,
        message="assert 5 == 6\nSECOND LINE",
        exception="AssertionError",
        frames=NET.frames,
        detail="=== FAILURES ===\nRAW OUTPUT",
    )
    text = built(noisy, "shop/prices.py", sources).messages[1].content
    assert "RAW OUTPUT" not in text
    assert "SECOND LINE" not in text


def test_signatures_of_imported_functions_are_shown_while_they_fit(sources: Sources) -> None:
    with_room = built(TOTAL, "shop/orders.py", sources)
    assert "In shop/prices.py: net(price, pieces=1)" in with_room.messages[1].content
    without = built(TOTAL, "shop/orders.py", sources, optional_tokens=0)
    assert "In shop/prices.py" not in without.messages[1].content
    assert without.left_out == (
        "signatures of what shop/orders.py imports were left out of the prompt",
    )


def test_a_long_test_is_shortened_visibly(tmp_path: Path) -> None:
    lines = "".join(f"    assert {n} == {n}\n" for n in range(100))
    sources = written(tmp_path, SHOP | {"tests/test_long.py": f"def test_long():\n{lines}"})
    built_prompt = built(failed("tests/test_long.py::test_long"), "shop/prices.py", sources)
    assert "# [61 more lines of the test are not shown]" in built_prompt.messages[1].content
    assert built_prompt.left_out == (
        "61 lines of tests/test_long.py::test_long were left out of the prompt",
    )


def test_a_note_of_an_earlier_attempt_and_facts_are_shown(sources: Sources) -> None:
    text = built(NET, "shop/prices.py", sources, note="NOTE.", facts=["FACT."]).messages[1].content
    assert "\n\nFACT.\n\nNOTE.\n\n" in text


def test_a_missing_name_comes_with_the_names_that_exist(sources: Sources) -> None:
    result = failed("t.py::test", "module 'shop.prices' has no attribute 'nett'")
    assert project_facts(result, "shop/prices.py", sources) == (
        "shop/prices.py defines: net, RATE. It does not define nett.",
    )


def test_a_wrong_call_comes_with_the_signature(sources: Sources) -> None:
    result = failed("t.py::test", "net() takes from 1 to 2 positional arguments but 3 were given")
    assert project_facts(result, "shop/prices.py", sources) == (
        "In shop/prices.py: net(price, pieces=1)",
    )


def test_a_fence_is_longer_than_any_inside() -> None:
    assert fenced("a\n```\nb", "").startswith("````\n")


def test_the_system_prompt_is_short() -> None:
    assert estimate_tokens(prompt("system")) <= 500
