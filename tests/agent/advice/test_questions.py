"""Which questions an error raises, and that the project's own code is never asked about."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from agent.advice.failure import FailureContext, failure_of_command, failure_of_test
from agent.advice.messages import CompilerNotes
from agent.advice.python_questions import Question, python_questions
from agent.fixing.sources import Sources
from sandbox.box.contract import Captured, Ending, Execution
from tests.fakes.sandbox import failed

SOURCE = """\
import numpy as np
import json
from shop.prices import net
from httpx import Client


def load(text):
    client = Client(proxies={})
    return json.loads(text, strictly=True), np.product([1]), net()
"""


def asked(exception: str, message: str, *, texts: tuple[str, ...] = (SOURCE,)) -> list[Question]:
    failure = FailureContext(
        exception=exception,
        message=message,
        texts=texts,
        project_modules=frozenset({"shop", "tests"}),
    )
    return list(python_questions(failure))


@pytest.mark.parametrize(
    ("exception", "message", "question"),
    [
        ("AttributeError", "module 'numpy' has no attribute 'product'",
         {"kind": "attribute", "object": "numpy", "name": "product"}),
        ("ImportError", "cannot import name 'Mapping' from 'collections' (/usr/lib/x.py)",
         {"kind": "attribute", "object": "collections", "name": "Mapping"}),
        ("ModuleNotFoundError", "No module named 'numpi'", {"kind": "module", "name": "numpi"}),
    ],
)  # fmt: skip
def test_a_missing_name_is_asked_for_where_it_was_looked_for(
    exception: str, message: str, question: Question
) -> None:
    assert asked(exception, message) == [question]


def test_a_missing_method_is_asked_for_in_what_the_file_imports() -> None:
    (question,) = asked("AttributeError", "'ndarray' object has no attribute 'flat_map'")
    assert (question["class"], question["name"]) == ("ndarray", "flat_map")
    assert question["modules"] == ["numpy", "json", "httpx"]


def test_a_wrong_keyword_is_asked_of_the_function_that_the_file_calls() -> None:
    message = "Client.__init__() got an unexpected keyword argument 'proxies'"
    (question,) = asked("TypeError", message)
    assert question["keyword"] == "proxies"
    assert question["candidates"] == ["httpx.Client"]


def test_a_deprecation_is_asked_for_what_it_recommends() -> None:
    (question,) = asked("DeprecationWarning", "parse is gone, use `json.loads` instead")
    assert (question["function"], question["candidates"][0]) == ("json.loads", "json.loads")


@pytest.mark.parametrize(
    ("exception", "message"),
    [
        ("AttributeError", "module 'shop.prices' has no attribute 'gross'"),
        ("ImportError", "cannot import name 'gross' from 'shop.prices' (/box/shop/prices.py)"),
        ("ModuleNotFoundError", "No module named 'shop.taxes'"),
        ("TypeError", "load() missing 1 required positional argument: 'text'"),
        ("AssertionError", "assert 5 == 6"),
        ("ValueError", "invalid literal for int() with base 10: 'x'"),
    ],
)
def test_the_project_itself_is_not_asked_about(exception: str, message: str) -> None:
    assert asked(exception, message) == []


@given(st.text(max_size=200), st.text(max_size=200), st.text(max_size=200))
def test_any_text_can_be_asked_about(exception: str, message: str, source: str) -> None:
    assert len(asked(exception, message, texts=(source,))) <= 4


def test_a_red_test_is_read_with_the_files_that_it_went_through(sources: Sources) -> None:
    result = failed(
        "tests/test_a.py::test_a",
        "module 'numpy' has no attribute 'product'",
        exception="AttributeError",
        frames=[("tests/test_a.py", 1, "test_a"), ("shop/a.py", 2, "load")],
    )
    failure = failure_of_test(result, sources)
    assert failure.texts[0] == SOURCE
    assert {"shop", "tests"} <= failure.project_modules


def test_a_command_is_read_by_its_last_traceback(sources: Sources) -> None:
    printed = (
        "Traceback (most recent call last):\n"
        '  File "/box/shop/a.py", line 2, in load\n    x\n'
        "AttributeError: module 'numpy' has no attribute 'product'\n"
    )
    failure = failure_of_command(ended(printed), sources)
    assert failure is not None
    assert (failure.exception, failure.texts[:1]) == ("AttributeError", (SOURCE,))
    assert failure_of_command(ended(""), sources) is None


@pytest.mark.parametrize(
    ("line", "fact"),
    [
        ("a.c:3:5: error: 'lenght' undeclared; did you mean 'length'?",
         "compiler: 'lenght' undeclared; did you mean 'length'?"),
        ("  = help: consider using `iter()` instead", "rustc: consider using `iter()` instead"),
        ("a.ts(3,5): error TS2551: Property 'lenght' does not exist. Did you mean 'length'?",
         "tsc: Property 'lenght' does not exist. Did you mean 'length'?"),
    ],
)  # fmt: skip
async def test_what_a_compiler_suggests_is_passed_on(line: str, fact: str) -> None:
    failure = FailureContext(exception="", message="", output=f"building\n{line}\n1 error\n")
    notes = await CompilerNotes().facts(failure, sandbox=None)  # type: ignore[arg-type]
    assert [note.text for note in notes or ()] == [fact]


def ended(printed: str) -> Execution:
    return Execution(
        argv=("sh",),
        ending=Ending.EXITED,
        exit_code=1,
        stdout=Captured(head=printed.encode()),
        stderr=Captured(head=b""),
        duration_s=0.1,
        image_id="image",
    )


@pytest.fixture
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    root = tmp_path_factory.mktemp("project")
    for path, text in {"shop/a.py": SOURCE, "tests/test_a.py": "import shop.a\n"}.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
    return Sources(root, ["shop/a.py", "tests/test_a.py"])
