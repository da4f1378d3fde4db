"""Contexts of a real library: found in what it brings along, run, varied, and run with the old name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent.contexts.building import ContextBuilder
from agent.contexts.failures import ApiFailure
from agent.contexts.survey import questions_about
from agent.events import Event, Notice
from agent.rounds.libraries import LibrarySurvey
from learning.contexts.change import ApiChange, ChangeKind, Grounds
from learning.contexts.use import UseOrigin
from learning.evaluation.prompting import Prompt
from learning.evaluation.task import Generated
from learning.records import Sampling
from tests.fakes.here_sandbox import HereSandbox

CODE = "import numpy as np\n\ndef area(ys):\n    return float(np.trapz(ys))\n"
FAILED = ApiFailure(
    exception="AttributeError", message="module 'numpy' has no attribute 'trapz'", code=CODE
)
OTHER = ApiFailure(
    exception="AttributeError", message="module 'numpy' has no attribute 'qqqq'", code=CODE
)


async def test_every_context_ran_and_its_stale_twin_failed_by_the_old_name(tmp_path: Path) -> None:
    builder = ContextBuilder(HereSandbox(tmp_path), folder=tmp_path / "kept", wanted=12)
    found, unexplained = await builder.explain([FAILED, OTHER], ["numpy"])
    assert [each.change.new for each in found] == ["trapezoid"]
    assert [each.missing for each in unexplained] == ["numpy.numpy.qqqq"]
    (contexts,) = (await builder.build([found[0].change])).values()
    assert len(contexts) == 12
    assert {each.origin for each in contexts} >= {UseOrigin.DOCSTRING, UseOrigin.VARIATION}
    assert len({each.code for each in contexts}) == 12
    for each in contexts:
        assert "has no attribute 'trapz'" in each.error
        assert [each.code[start:end] for start, end in each.names] == ["trapezoid"] * len(
            each.names
        )
        assert "trapezoid" not in each.head
    assert any(each.value.startswith("4") for each in contexts), "the documented value"


@pytest.mark.parametrize(
    ("message", "used"),
    [
        ("'Order' object has no attribute 'total_sum'. Did you mean: 'sum'?", "order.total_sum"),
        ("module 'shop' has no attribute 'areas'", "shop.areas"),
        ("discount() got an unexpected keyword argument 'pct'", "discount(pct=1)"),
    ],
)
async def test_a_failure_of_the_project_s_own_code_is_about_no_library(
    tmp_path: Path, message: str, used: str
) -> None:
    own = ApiFailure(
        exception="AttributeError",
        message=message,
        code=f"import numpy as np\n\ndef f(order):\n    return {used}\n",
        repaired=("import numpy as np\n\ndef f(order):\n    return order.sum\n",),
    )
    builder = ContextBuilder(HereSandbox(tmp_path), folder=tmp_path / "kept")

    assert await builder.explain([own], ["numpy"]) == ([], [])


async def test_a_release_is_paid_for_once(tmp_path: Path) -> None:
    box = HereSandbox(tmp_path)
    builder = ContextBuilder(box, folder=tmp_path / "kept", wanted=4)
    found, _ = await builder.explain([FAILED], ["numpy"])
    first = await builder.build([found[0].change])
    jobs = len(box.jobs)
    again = await ContextBuilder(box, folder=tmp_path / "kept", wanted=4).build([found[0].change])
    assert again == first
    assert len(box.jobs) == jobs


async def test_anchors_are_documented_calls_of_other_names(tmp_path: Path) -> None:
    builder = ContextBuilder(HereSandbox(tmp_path), folder=tmp_path / "kept")
    anchors = await builder.anchors("numpy", "2", without=frozenset({"trapezoid"}), most=5)
    assert len(anchors) == 5
    assert all(not each.stale and "trapezoid" not in each.code for each in anchors)


async def test_look_alikes_use_a_gone_name_where_it_is_right(tmp_path: Path) -> None:
    change = ApiChange(
        library="numpy",
        version="2",
        holder="Series",
        old="cumsum",
        new="cumulative_sum",
        kind=ChangeKind.NAME,
        grounds=Grounds.SAID,
    )
    other = replace(change, library="pandas", old="sort", new="order")
    box = HereSandbox(tmp_path)
    builder = ContextBuilder(box, folder=tmp_path / "kept")
    alike = await builder.look_alikes("numpy", "2", [change, other], most=4)
    assert 0 < len(alike) <= 4
    for each in alike:
        assert "cumsum" in each.code
        assert "cumulative_sum" not in each.code
        assert each.api.startswith("numpy.cumsum (")
        assert each.value
        assert not each.is_change
    jobs = len(box.jobs)
    assert await builder.look_alikes("numpy", "2", [change, other], most=4) == alike
    assert len(box.jobs) == jobs, "they are kept"
    anchors = await builder.anchors("numpy", "2", without=frozenset({"cumsum"}), most=2)
    assert not {each.id for each in anchors} & {each.id for each in alike}


class Answers:
    """A model of an older release: it knows `trapz` alone."""

    def __init__(self) -> None:
        self.asked = 0

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Generated:
        self.asked += 1
        head = next(
            line for line in prompt.messages[0].content.splitlines() if line.startswith("def ")
        )
        body = "return np.trapz(values)" if "trapezoidal" in prompt.messages[0].content else "..."
        return Generated(
            text=f"```python\nimport numpy as np\n\n{head}\n    {body}\n```", finish="stop"
        )


async def test_a_library_is_asked_about_and_what_is_wrong_gets_contexts(tmp_path: Path) -> None:
    box, said = HereSandbox(tmp_path), list[Event]()
    version, questions = await questions_about(box, "numpy", most=1_000)
    questions = [each for each in questions if "trapezoidal" in each.draft.request]
    assert questions
    assert all("trapezoid(" not in each.prompt.messages[0].content for each in questions)
    model = Answers()
    survey = LibrarySurvey(box, model, model="m", folder=tmp_path / "kept", emit=said.append)
    found = await survey.learn("numpy", version, questions)
    assert [each.change.new for each in found] == ["trapezoid"]
    asked = model.asked
    again = await survey.learn("numpy", version, questions)
    assert [each.change for each in again] == [each.change for each in found]
    assert model.asked == asked, "what was asked is kept"
    assert any(isinstance(each, Notice) and "verified contexts" in each.text for each in said)
