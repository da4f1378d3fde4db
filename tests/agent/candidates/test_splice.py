"""A reply is cut before what is absent, goes on behind what exists, and nothing is tried twice."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from agent.advice.existing import ExistingNames, existing_names
from agent.candidates.absence import Absence, absence_in
from agent.candidates.splice import cuts, with_import
from agent.candidates.splicing import Failed, Resumed, Spliced, SpliceLimits, spliced

USUAL = SpliceLimits()
LACKS = "AttributeError: module 'numpy' has no attribute 'trapz'"
NUMPY = ExistingNames(
    library="numpy 2", successors=("trapezoid",), names=("trapezoid", "trace", "sum")
)
REPLY = "Here:\n```python\nimport numpy as np\n\ndef f(y):\n    return np.trapz(y)\n```\nDone."


@pytest.mark.parametrize(
    ("message", "name", "stated"),
    [
        (LACKS, "trapz", ""),
        ("TypeError: percentile() got an unexpected keyword argument 'method'", "method", ""),
        ("cannot import name 'OldThing' from 'lib' (/x/lib.py)", "OldThing", ""),
        ("'a' is an invalid keyword argument for f()", "a", ""),
        (
            "AttributeError: `np.float_` was removed in the NumPy 2.0 release. Use `np.float64` instead.",
            "np.float_",
            "np.float64",
        ),
        ("ValueError: 'M' is no longer supported for offsets. Please use 'ME' instead.", "M", "ME"),
        (
            "ValueError: use of `how='outer'` should be replaced with `how='full'`.",
            "how='outer'",
            "how='full'",
        ),
        (
            "the argument 'columns' for 'F.pivot' was removed. It was renamed to 'on'",
            "columns",
            "on",
        ),
    ],
)
def test_what_is_absent_and_what_the_error_says_instead_are_read(
    message: str, name: str, stated: str
) -> None:
    found = absence_in(message)
    assert found is not None
    assert (found.name, found.stated) == (name, stated)


@pytest.mark.parametrize("message", ["", "AssertionError: 1 == 2", "ValueError: use `a`"])
def test_other_errors_name_nothing_absent(message: str) -> None:
    assert absence_in(message) is None


def test_an_attribute_is_cut_before_its_dot_where_tokens_begin() -> None:
    (cut,) = cuts(REPLY, Absence(name="trapz"), NUMPY)
    assert cut.begun.endswith("    return np")
    assert (cut.choices, cut.advised) == ((".trapezoid",), True)


def test_without_a_successor_every_name_that_exists_may_come_and_no_other() -> None:
    there = ExistingNames(names=("trapezoid", "trace"))
    (cut,) = cuts(REPLY, Absence(name="trapz"), there)
    assert (cut.choices, cut.advised) == ((".trapezoid", ".trace"), False)


def test_a_keyword_is_cut_with_its_comma_and_may_be_left_out() -> None:
    reply = "```python\nx = f(1, b=2, old=3)\n```"
    there = ExistingNames(names=("a", "b", "new"))
    (cut,) = cuts(reply, Absence(name="old"), there)
    assert cut.begun.endswith("f(1, b=2")
    assert cut.choices == (", a=", ", new=", ")")


def test_parameters_whose_default_is_like_the_value_are_the_only_ones_to_choose_from() -> None:
    there = ExistingNames(names=("axis", "method", "keep"), kinds={"method": "str", "keep": "bool"})
    (cut,) = cuts("```python\nf(1, old='lower')\n```", Absence(name="old"), there)
    assert cut.choices == (", method=",)


def test_an_imported_name_is_cut_where_it_stands() -> None:
    (cut,) = cuts(
        "```python\nfrom lib import A, Old\n```",
        Absence(name="Old"),
        ExistingNames(successors=("New",), names=("New",)),
    )
    assert (cut.begun[-2:], cut.choices) == (", ", ("New",))


@pytest.mark.parametrize(
    ("code", "absence", "begun", "choice"),
    [
        ("g = freq('2M')", Absence(name="M", stated="ME"), "g = freq('2", "ME"),
        (
            'a.join(b, how="outer")',
            Absence(name="how='outer'", stated="how='full'"),
            "a.join(b, ",
            "how='full'",
        ),
    ],
)
def test_a_value_that_is_gone_is_cut_where_it_stands(
    code: str, absence: Absence, begun: str, choice: str
) -> None:
    (cut,) = cuts(f"```python\n{code}\n```", absence, ExistingNames())
    assert (cut.begun, cut.choices) == (f"```python\n{begun}", (choice,))


def test_the_same_word_on_a_plain_list_is_left_alone() -> None:
    reply = "```python\nfound = []\nfound.append(1)\nframe.append(found)\n```"
    (cut,) = cuts(reply, Absence(name="append"), ExistingNames(names=("concat",)))
    assert cut.begun.endswith("\nframe")


def test_what_is_no_python_is_not_cut() -> None:
    assert not list(cuts("```python\ndef f(:\n```", Absence(name="f"), NUMPY))


def test_answers_of_the_installed_library_become_names() -> None:
    answer = {
        "kind": "attribute",
        "library": "numpy",
        "version": "2.4",
        "subject": "numpy",
        "near": [{"name": "numpy.linalg.norm"}, {"name": "bad name"}],
        "names": ["sum", "not a name", 3],
    }
    found = existing_names([{"kind": "other"}, answer])
    assert found == ExistingNames(library="numpy 2.4", successors=("linalg.norm",), names=("sum",))
    undefined = {"kind": "name", "near": [{"name": "import numpy as np"}]}
    assert existing_names([undefined]).statement == "import numpy as np"
    sly = {"kind": "name", "near": [{"name": "import os; os.abort()"}]}
    assert existing_names([sly]).statement == ""


@dataclass
class ScriptedVoice:
    """Chooses the last choice and goes on with its words, one after the other."""

    words: list[str | None]
    chooses: bool = True
    asked: list[tuple[str, ...]] = field(default_factory=list)

    async def choose(self, begun: str, choices: tuple[str, ...]) -> str:
        self.asked.append(choices)
        return choices[-1] if self.chooses else ""

    async def resume(self, begun: str, max_tokens: int) -> Resumed | None:
        word = self.words.pop(0)
        return None if word is None else Resumed(text=word, tokens=10)


async def run(
    voice: ScriptedVoice,
    messages: list[str],
    there: ExistingNames = NUMPY,
    limits: SpliceLimits = USUAL,
) -> Spliced:
    async def names() -> ExistingNames:
        return there

    def failed(message: str) -> Failed:
        return Failed(message=message, there=names)

    async def judge(_reply: str) -> Failed | None:
        message = messages.pop(0)
        return failed(message) if message else None

    return await spliced(REPLY, failed(LACKS), voice=voice, judge=judge, limits=limits)


async def test_a_reply_is_spliced_until_it_passes() -> None:
    made = await run(ScriptedVoice(["(y)\n    return np.trapz(1)\n```", "(y)\n```"]), [LACKS, ""])
    assert made.passed
    assert made.done == ["trapz: .trapezoid", "trapz: .trapezoid"]
    assert made.tokens == 20
    assert "trapz(" not in made.reply


async def test_it_ends_where_the_error_names_nothing_absent() -> None:
    made = await run(ScriptedVoice(["(y)\n```"]), ["AssertionError: 1 == 2"])
    assert (made.passed, len(made.done)) == (False, 1)


async def test_no_more_is_spent_than_the_limits_allow() -> None:
    voice = ScriptedVoice(["(y)\n    return np.trapz(1)\n```"] * 9)
    made = await run(voice, [LACKS] * 9, limits=SpliceLimits(cuts=2))
    assert len(made.done) == 2
    made = await run(ScriptedVoice(["(\n"] * 9), [LACKS] * 9, limits=SpliceLimits(tokens=5))
    assert made.tokens == 10


async def test_a_server_that_cannot_go_on_leaves_the_reply_as_it_was() -> None:
    made = await run(ScriptedVoice([None]), [])
    assert (made.reply, made.done, made.passed) == (REPLY, [], False)


async def test_where_nobody_can_choose_only_what_the_environment_names_is_used() -> None:
    silent = ScriptedVoice(["(y)\n```"], chooses=False)
    two = ExistingNames(successors=("trapezoid", "trace"), names=("trapezoid", "trace"))
    assert (await run(silent, [""], two)).done == ["trapz: .trapezoid"]
    unnamed = ScriptedVoice([], chooses=False)
    assert (await run(unnamed, [], ExistingNames(names=("a", "b")))).done == []


async def test_a_missing_import_is_put_in_without_a_token() -> None:
    async def names() -> ExistingNames:
        return ExistingNames(statement="from io import StringIO")

    async def judge(reply: str) -> Failed | None:
        return None if "```python\nfrom io import StringIO\n" in reply else failed

    failed = Failed(message="NameError: name 'StringIO' is not defined", there=names)
    made = await spliced(REPLY, failed, voice=ScriptedVoice([]), judge=judge)
    assert (made.passed, made.tokens) == (True, 0)
    assert with_import("x = 1", "import a") == "import a\nx = 1"
