"""The one function is asked for where small changes do not help, placed, and spliced if need be."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.advice.existing import ExistingNames
from agent.advice.failure import FailureContext
from agent.editing.python_source import FunctionNode, find_function, head_of, source_of
from agent.events import ChangeChosen
from agent.fixing.fix import fix
from agent.fixing.function_anew import OldFunction, likely_functions, with_function
from agent.fixing.options import FixOptions
from agent.localisation.places import FaultPlace
from agent.model.protocol import Reply
from learning.records import Message, Origin, Sampling
from sandbox.search.values import ChangeTrial, LineCounts, Searched, TrialResult, UsualRun
from sandbox.verdict.report import TestResult
from tests.agent.fixing.test_fix import (
    IDS,
    ListRecorder,
    Project,
    finished,
    flags,
    of_type,
    reply,
)
from tests.agent.fixing.test_search import repaired
from tests.fakes.model import ScriptedModel
from tests.fakes.sandbox import failed

SOURCE = '''"""Prices."""
import math


class Order:
    @property
    def net(self):
        """Text."""
        return self.gross

    def other(self):
        return 1


def total(rows):
    return sum(rows)
'''


def old(name: str) -> OldFunction:
    node = find_function(SOURCE, name)
    assert node is not None
    return OldFunction(path="a.py", name=name, node=node, source=source_of(SOURCE, node))


def fenced(code: str) -> str:
    return f"Here it is:\n```python\n{code}```\n"


def test_a_function_is_put_where_the_old_one_stands_and_nothing_else_changes() -> None:
    after = with_function(SOURCE, old("total"), fenced("def total(rows):\n    return 2\n"))
    assert after == SOURCE.replace("return sum(rows)", "return 2")


def test_a_method_keeps_its_decorator_and_its_indentation() -> None:
    new = "def net(self):\n    return self.gross - 1\n"
    after = with_function(SOURCE, old("Order.net"), fenced(new))
    assert after == SOURCE.replace(
        '        """Text."""\n        return self.gross\n', "        return self.gross - 1\n"
    )
    in_class = "class Order:\n    @property\n    def net(self):\n        return self.gross - 1\n"
    assert with_function(SOURCE, old("Order.net"), fenced(in_class)) == after


def test_a_new_import_goes_to_the_top_and_a_known_one_is_not_repeated() -> None:
    new = "import math\nimport json\n\ndef total(rows):\n    return json.dumps(rows)\n"
    after = with_function(SOURCE, old("total"), fenced(new))
    assert after is not None
    assert after.count("import math") == 1
    assert after.count("import json") == 1
    assert after.index("import json") < after.index("class Order")


@pytest.mark.parametrize(
    "said",
    [
        "No code.",
        fenced("def other_name(rows):\n    return 1\n"),
        fenced("def total(rows):\n    ...\n"),
        fenced("def total(rows:\n"),
        fenced("def total(rows):\n    return 1\n") * 2,
    ],
)
def test_what_is_not_that_one_function_is_not_taken(said: str) -> None:
    assert with_function(SOURCE, old("total"), said) is None


def test_the_functions_of_the_likeliest_places_come_first_and_each_once() -> None:
    places = [
        FaultPlace(path="a.py", line=line, end_line=line, score=1.0) for line in (16, 2, 15, 9, 12)
    ]
    found = likely_functions(places, {"a.py": SOURCE}.get)
    assert [item.name for item in found] == ["total", "Order.net"]


START = f"{flags(one=True, two=True)}\n\ndef value():\n    three = bool(0)\n    return three\n"
ANEW = "def value():\n    three = True  # anew\n    return three\n"
WRONG = "def value():\n    import math\n    return math.truth(1)\n"
LACKS = "AttributeError: module 'math' has no attribute 'truth'"
GOES_ON = "(1)\n    three = True  # anew\n    return three\n```"


@dataclass
class LineTester:
    """Believes a change with `# anew` in it, and says of all others that a name is absent."""

    tried: list[str] = field(default_factory=list)

    async def try_changes(
        self,
        trials: Sequence[ChangeTrial],
        *,
        red: Sequence[str],
        known_red: Sequence[str],
        budget_s: float,
        beside: Sequence[str] = (),
        endless: Sequence[str] = (),
        trace: bool = False,
        enough: int = 3,
        usual: UsualRun | None = None,
    ) -> Searched:
        texts = [trial.content.decode() for trial in trials]
        self.tried += texts
        good = {n: "True  # anew" in text for n, text in enumerate(texts)}
        return Searched(
            red=1,
            green=2,
            lines={("flags.py", 7): LineCounts(red=1, green=0)},
            results={
                n: TrialResult(solves_red=ok, breaks_none=ok, message="" if ok else LACKS)
                for n, ok in good.items()
            },
        )


@dataclass(kw_only=True)
class GoingOn(ScriptedModel):
    """A model whose replies can be begun: it then says the next words of its script."""

    continues: bool = True
    begun: list[str] = field(default_factory=list)

    async def choose(
        self,
        messages: Sequence[Message],
        begun: str,
        choices: Sequence[str],
        *,
        timeout_s: float = 60.0,
    ) -> str:
        return choices[0]

    async def stream(
        self, messages: Sequence[Message], *, sampling: Sampling, begun: str = ""
    ) -> AsyncIterator[str | Reply]:
        self.begun += [begun] if begun else []
        async for piece in super().stream(messages, sampling=sampling):
            yield piece


async def names(failure: FailureContext) -> ExistingNames:
    assert "'truth'" in failure.message
    return ExistingNames(successors=("isclose",), names=("isclose", "sqrt"))


class WithErrors(Project):
    """Its tests fail with a missing name wherever the module uses one."""

    def result(self, name: str, text: str) -> TestResult:
        found = super().result(name, text)
        return (
            failed(found.id, LACKS) if "math.truth" in text and found.id in IDS["three"] else found
        )


async def test_where_nothing_small_helps_the_function_alone_is_asked_for(tmp_path: Path) -> None:
    project, recorder = Project(tmp_path, START), ListRecorder()
    model = ScriptedModel(script=[fenced(ANEW)])
    events = await repaired(project, model, LineTester(), recorder=recorder)
    assert [event.origin for event in of_type(events, ChangeChosen)] == ["function"]
    assert project.module.read_text() == START.replace("three = bool(0)", "three = True  # anew")
    (request,) = model.requests
    assert "def value()" in request.messages[-1].content
    assert "two = True" not in request.messages[-1].content
    assert finished(events).reason == "all green"
    assert [kept.origin for kept in recorder.kept] == [Origin.FUNCTION]


async def test_a_function_with_an_absent_name_is_spliced_before_anything_else_is_asked(
    tmp_path: Path,
) -> None:
    project, recorder = Project(tmp_path, START), ListRecorder()
    model = GoingOn(script=[fenced(WRONG), GOES_ON])
    events = await repaired(project, model, LineTester(), recorder=recorder, names=names)
    assert [begun.rpartition("\n")[2] for begun in model.begun] == ["    return math.isclose"]
    assert finished(events).reason == "all green"
    assert [kept.origin for kept in recorder.kept] == [Origin.SPLICE]


@pytest.mark.parametrize("continues", [True, False])
async def test_a_whole_file_with_an_absent_name_is_spliced_where_the_server_can(
    tmp_path: Path, *, continues: bool
) -> None:
    project, recorder = WithErrors(tmp_path, START), ListRecorder()
    file = START.replace("three = bool(0)", "import math\n    three = math.truth(1)")
    model = GoingOn(script=[reply(file), GOES_ON], continues=continues)
    found = fix(
        root=project.root,
        files=project.files,
        runner=project.runner(),
        model=model,
        options=FixOptions(max_attempts=1),
        recorder=recorder,
        names=names,
    )
    events = [event async for event in found]
    assert (finished(events).reason == "all green") is continues
    assert [kept.origin for kept in recorder.kept][1:] == [Origin.SPLICE][:continues]
    assert ("three = True  # anew" in project.module.read_text()) is continues


async def test_a_function_is_sampled_again_behind_its_head_while_there_is_time(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path, START)
    same = fenced("def value():\n    return 0\n")
    rest = ANEW.partition("\n")[2]
    model = GoingOn(script=[same, f"{rest}```", "unused"])
    found = fix(
        root=project.root,
        files=project.files,
        runner=project.runner(),
        model=model,
        options=FixOptions(max_attempts=0, draws_s=20.0),
        tester=LineTester(),
    )
    events = [event async for event in found]
    assert finished(events).reason == "all green"
    assert "True  # anew" in project.module.read_text()
    assert model.begun == ["```python\ndef value():\n"]
    assert [request.sampling.temperature for request in model.requests] == [0.0, 0.8]


async def test_a_fault_that_a_person_describes_is_written_anew_with_it_before_small_changes(
    tmp_path: Path,
) -> None:
    project, tester = Project(tmp_path, START), LineTester()
    model = ScriptedModel(script=[fenced(ANEW)])
    said = "the value has to be true as soon as somebody asks"
    found = fix(
        root=project.root,
        files=project.files,
        runner=project.runner(),
        model=model,
        options=FixOptions(max_attempts=0, said=said),
        tester=tester,
    )
    events = [event async for event in found]
    assert [event.origin for event in of_type(events, ChangeChosen)] == ["function"]
    assert ["True  # anew" in text for text in tester.tried] == [True]
    (request,) = model.requests
    assert said in request.messages[-1].content
    assert finished(events).reason == "all green"


async def test_small_changes_follow_where_no_function_passes(tmp_path: Path) -> None:
    project, tester = Project(tmp_path, START), LineTester()
    wrong = fenced("def value():\n    return 0\n")
    model = GoingOn(script=[wrong, wrong, wrong, fenced(ANEW)])
    found = fix(
        root=project.root,
        files=project.files,
        runner=project.runner(),
        model=model,
        options=FixOptions(max_attempts=0, said="it is never true"),
        tester=tester,
    )
    events = [event async for event in found]
    assert len(tester.tried) > 3
    assert finished(events).reason == "all green"


async def test_without_time_of_its_own_a_function_is_asked_for_once(tmp_path: Path) -> None:
    project = Project(tmp_path, START)
    model = GoingOn(script=[fenced("def value():\n    return 0\n")])
    found = fix(
        root=project.root,
        files=project.files,
        runner=project.runner(),
        model=model,
        options=FixOptions(max_attempts=0),
        tester=LineTester(),
    )
    events = [event async for event in found]
    assert finished(events).reason == "no small change makes it pass"
    assert len(model.requests) == 1


def test_a_function_of_one_line_is_not_begun() -> None:
    assert head_of("def f(): return 1\n", function_of("def f(): return 1\n")) == ""
    method = 'class A:\n    @property\n    def f(self):\n        """Text."""\n        return 1\n'
    head = '@property\ndef f(self):\n    """Text."""'
    assert head_of(method, function_of(method)) == head


def function_of(source: str) -> FunctionNode:
    node = find_function(source, "f") or find_function(source, "A.f")
    assert node is not None
    return node
