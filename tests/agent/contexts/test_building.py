"""Contexts of a real library: found in what it brings along, run, varied, and run with the old name."""

from __future__ import annotations

from pathlib import Path

from agent.contexts.building import ContextBuilder
from agent.contexts.failures import ApiFailure
from learning.contexts.use import UseOrigin
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
