"""Replies that are one definition: where they go, and what stays as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.approval import ModeApprover
from agent.editing.edits import Refused, check_edit
from agent.events import EditApplied, Event, ReplyUnusable
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.reply.parse import parse_reply
from agent.reply.parsed import FileEdits
from agent.turn.conversation import Conversation
from agent.turn.loop import run_turn
from agent.turn.placing import BlockPlacer
from tests.fakes.model import ScriptedModel

STATS = (
    '"""Statistics."""\n\nimport math\n\n\ndef mean(values):\n    return sum(values) / len(values)\n'
    "\n\ndef scale(values, factor):\n    return [value * factor for value in values]\n"
)
SHAPES = (
    "class Rectangle:\n    def __init__(self, width, height):\n        self.width = width\n"
    "        self.height = height\n\n    def grow(self, by):\n        self.width += by\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "stats.py").write_text(STATS)
    (tmp_path / "shapes.py").write_text(SHAPES)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_stats.py").write_text(
        "from stats import mean\n\n\ndef test_mean():\n    assert mean([1, 3]) == 2\n"
    )
    return tmp_path


async def turn(
    root: Path, text: str, *script: str, wanted: Wanted | None = Wanted.EDIT
) -> list[Event]:
    return [
        event
        async for event in run_turn(
            Conversation(),
            text,
            root=root,
            files=["stats.py", "shapes.py", "tests/test_stats.py"],
            model=ScriptedModel(script=list(script)),
            approver=ModeApprover("auto"),
            wanted=wanted,
        )
    ]


def fenced(code: str, label: str = "") -> str:
    return f"{label}\n```python\n{code}```".lstrip()


async def test_one_function_given_back_alone_drops_no_other(root: Path) -> None:
    mean = "def mean(values):\n    return sum(values) / len(values) if values else 0\n"
    await turn(root, "let mean return 0 for an empty list", fenced(mean, "stats.py"))
    assert (root / "stats.py").read_text() == STATS.replace(
        "/ len(values)\n", "/ len(values) if values else 0\n"
    )


async def test_a_path_that_is_a_placeholder_is_taken_from_the_request(root: Path) -> None:
    doc = 'def mean(values):\n    """The mean."""\n    return sum(values) / len(values)\n'
    events = await turn(root, "@stats.py add docstrings", fenced(doc, "path/to/stats.py"))
    assert '"""The mean."""' in (root / "stats.py").read_text()
    assert "def scale" in (root / "stats.py").read_text()
    assert not any(isinstance(event, ReplyUnusable) for event in events)


async def test_a_new_function_comes_behind_the_others_with_its_imports(root: Path) -> None:
    median = "import statistics\n\ndef median(values):\n    return statistics.median(values)\n"
    await turn(root, "add a function median to stats.py", fenced(median), wanted=Wanted.NEW)
    text = (root / "stats.py").read_text()
    assert text.startswith('"""Statistics."""\n\nimport math\nimport statistics\n')
    assert text.endswith("\n\n\ndef median(values):\n    return statistics.median(values)\n")


async def test_a_test_without_a_label_goes_to_the_tests_of_the_file(root: Path) -> None:
    both = (
        fenced("def median(values):\n    return sorted(values)[len(values) // 2]\n")
        + "\n\n"
        + fenced(
            "from stats import median\n\ndef test_median():\n    assert median([3, 1, 2]) == 2\n"
        )
    )
    events = await turn(
        root, "add a function median to stats.py with a test", both, wanted=Wanted.NEW
    )
    written = [event.path for event in events if isinstance(event, EditApplied)]
    assert written == ["stats.py", "tests/test_stats.py"]
    tests = (root / "tests" / "test_stats.py").read_text()
    assert "def test_mean" in tests
    assert "from stats import median\n" in tests


async def test_a_new_method_goes_into_the_class_that_the_request_names(root: Path) -> None:
    area = "@property\ndef area(self):\n    return self.width * self.height\n"
    await turn(root, "add a property area to Rectangle", fenced(area), wanted=Wanted.NEW)
    text = (root / "shapes.py").read_text()
    assert (
        text
        == SHAPES
        + "\n    @property\n    def area(self):\n        return self.width * self.height\n"
    )


async def test_a_class_with_some_of_its_methods_keeps_the_others(root: Path) -> None:
    part = "class Rectangle:\n    def grow(self, by):\n        self.width += by\n        self.height += by\n"
    await turn(root, "let grow change the height of Rectangle, too", fenced(part, "shapes.py"))
    assert (root / "shapes.py").read_text() == SHAPES + "        self.height += by\n"


async def test_a_deletion_that_was_asked_for_is_one(root: Path) -> None:
    without = STATS[: STATS.index("\n\ndef scale")]
    await turn(root, "Remove the function `scale()` from stats.py.", fenced(without, "stats.py"))
    assert (root / "stats.py").read_text() == without


async def test_a_file_given_back_unchanged_beside_one_that_changes_does_no_harm(
    root: Path,
) -> None:
    changed = STATS.replace("* factor", "* factor * 2")
    reply = f"{fenced(changed, 'stats.py')}\n\n{fenced(SHAPES, 'shapes.py')}"
    events = await turn(root, "let scale in stats.py and shapes.py double", reply)
    assert [event.path for event in events if isinstance(event, EditApplied)] == ["stats.py"]
    assert not any(isinstance(event, ReplyUnusable) for event in events)


@pytest.mark.parametrize("wanted", [Wanted.QUESTION, Wanted.EXPLAIN, Wanted.RUN])
async def test_after_a_question_no_file_changes_whatever_the_model_says(
    root: Path, wanted: Wanted
) -> None:
    reply = fenced("def mean(values):\n    return 0\n", "stats.py")
    events = await turn(root, "what does mean return for an empty list?", reply, wanted=wanted)
    assert (root / "stats.py").read_text() == STATS
    assert not any(isinstance(event, EditApplied) for event in events)


async def test_a_test_that_was_asked_for_beside_the_code_is_asked_for_again_alone(
    root: Path,
) -> None:
    median = fenced("def median(values):\n    return sorted(values)[len(values) // 2]\n")
    test = fenced(
        "from stats import median\n\n\ndef test_median():\n    assert median([3, 1, 2]) == 2\n"
    )
    events = await turn(
        root, "add a function median to stats.py with a test", median, test, wanted=Wanted.NEW
    )
    written = [event.path for event in events if isinstance(event, EditApplied)]
    assert written == ["stats.py", "tests/test_stats.py"]


def test_a_function_that_the_person_edits_meanwhile_is_not_overwritten(root: Path) -> None:
    conversation = Conversation()
    conversation.mark_shown("stats.py", STATS)
    theirs = STATS.replace("sum(values) / len(values)", "0")
    (root / "stats.py").write_text(theirs)
    for label in ("stats.py", ""):
        mean = "def mean(values):\n    return sum(values) / len(values) or 0\n"
        reply = fenced(mean, label)
        conversation.mark_shown("stats.py", STATS)
        placer = BlockPlacer(
            conversation=conversation,
            user_text="change mean in stats.py",
            sources=Sources(root, ["stats.py"]),
        )
        read = parse_reply(reply, known_paths=["stats.py"])
        placed = placer.placed(reply, read)
        assert isinstance(placed, FileEdits)
        assert conversation.shown_text("stats.py") == STATS
        (edit,) = placed.edits
        checked = check_edit(root, edit, conversation.shown_text("stats.py"))
        assert isinstance(checked, Refused)
        assert checked.kind == "stale"
    assert (root / "stats.py").read_text() == theirs


async def test_two_blocks_without_a_label_both_go_into_their_file(root: Path) -> None:
    reply = (
        fenced("def mean(values):\n    return 1\n")
        + "\n\nand\n\n"
        + fenced("def scale(values, factor):\n    return 2\n")
    )
    events = await turn(root, "change mean and scale in @stats.py", reply)
    text = (root / "stats.py").read_text()
    assert "return 1\n" in text
    assert "return 2\n" in text
    assert not any(isinstance(event, ReplyUnusable) for event in events)


@pytest.mark.parametrize("label", ["stats.py", ""])
async def test_a_changed_constant_beside_a_function_is_never_passed_over(
    root: Path, label: str
) -> None:
    before = STATS.replace("import math\n", "import math\n\nMAX = 10\n")
    (root / "stats.py").write_text(before)
    mean = "def mean(values):\n    return min(MAX, sum(values))\n"
    part = fenced(f"MAX = 30\n\n\n{mean}", label)
    whole = before.replace("MAX = 10", "MAX = 30").replace(
        "def mean(values):\n    return sum(values) / len(values)\n", mean
    )
    await turn(
        root, "Set MAX to 30 and use it in mean of stats.py", part, fenced(whole, "stats.py")
    )
    assert (root / "stats.py").read_text() == whole


async def test_values_of_a_file_without_definitions_are_not_lost(root: Path) -> None:
    (root / "stats.py").write_text("MAX = 10\nMIN = 1\n")
    part = fenced("MAX = 30\n\n\ndef most():\n    return MAX\n", "stats.py")
    await turn(root, "Set MAX to 30 and add most to stats.py", part, "I cannot.")
    assert (root / "stats.py").read_text() == "MAX = 10\nMIN = 1\n"


async def test_a_whole_test_file_for_a_new_test_leaves_the_old_tests_as_they_were(
    root: Path,
) -> None:
    tests = root / "tests" / "test_stats.py"
    anew = (
        "from stats import mean, median\n\n\ndef test_mean():\n    assert mean([5]) == 5\n\n\n"
        "def test_median():\n    assert median([1, 2, 9]) == 2\n"
    )
    code = "def median(values):\n    return sorted(values)[len(values) // 2]\n"
    for label in ("", "tests/test_stats.py"):
        before = tests.read_text()
        await turn(
            root,
            "add a function median to stats.py with a test",
            fenced(code, "stats.py"),
            fenced(anew, label),
            wanted=Wanted.NEW,
        )
        now = tests.read_text()
        assert "def test_median" in now, label
        assert "assert mean([1, 3]) == 2" in now, label
        assert "mean([5])" not in now, label
        tests.write_text(before)
        (root / "stats.py").write_text(STATS)


async def test_a_test_that_the_request_names_may_change_beside_a_new_one(root: Path) -> None:
    anew = (
        "from stats import mean, scale\n\n\ndef test_mean():\n    assert mean([5]) == 5\n\n\n"
        "def test_scale():\n    assert scale([1], 2) == [2]\n"
    )
    text = "let test_mean in tests/test_stats.py use one value and add a test of scale"
    await turn(root, text, fenced(anew, "tests/test_stats.py"))
    assert "mean([5])" in (root / "tests" / "test_stats.py").read_text()


async def test_code_for_which_no_file_is_known_is_asked_for_again_and_not_passed_over(
    root: Path,
) -> None:
    block = fenced("def area(side):\n    return side * side\n")
    events = await turn(
        root, "add a function area", block, fenced("def area(side):\n    return side * side\n", "stats.py"),
        wanted=Wanted.NEW,
    )  # fmt: skip
    assert [event for event in events if isinstance(event, ReplyUnusable)]
    assert "def area" in (root / "stats.py").read_text()


async def test_after_an_unchanged_file_the_model_sees_the_one_function_that_is_meant(
    root: Path,
) -> None:
    model = ScriptedModel(
        script=[
            fenced(STATS, "stats.py"),
            fenced("def mean(values):\n    return sum(values) / len(values) if values else 0\n"),
        ]
    )
    request = "mean should return 0 if there are no values"
    async for _ in run_turn(
        Conversation(),
        request,
        root=root,
        files=["stats.py", "shapes.py", "tests/test_stats.py"],
        model=model,
        approver=ModeApprover("auto"),
        wanted=Wanted.EDIT,
    ):
        pass
    told = model.requests[1].messages[-1].content
    assert "def mean(values):" in told
    assert request in told
    assert "def scale" not in told
    text = (root / "stats.py").read_text()
    assert "if values else 0" in text
    assert "def scale" in text


async def test_a_new_test_in_a_class_that_is_there_is_not_lost(root: Path) -> None:
    tests = root / "tests" / "test_stats.py"
    tests.write_text("class TestMean:\n    def test_two(self):\n        assert True\n")
    anew = (
        "class TestMean:\n    def test_two(self):\n        assert True\n\n    def test_one(self):\n        assert 1\n\n\n"
        "class TestScale:\n    def test_scale(self):\n        assert 2\n"
    )
    reply = fenced(anew, "tests/test_stats.py")
    await turn(root, "add tests for mean and scale", reply, reply)
    now = tests.read_text()
    assert "def test_two" in now
    assert "def test_one" in now
    assert "class TestScale" in now


async def test_old_tests_may_change_where_the_request_is_about_them(root: Path) -> None:
    anew = (
        "from stats import mean, scale\n\n\ndef test_mean():\n    assert mean([5]) == 5\n\n\n"
        "def test_scale():\n    assert scale([1], 2) == [2]\n"
    )
    text = "make the tests in tests/test_stats.py use one value, and add one for scale"
    await turn(root, text, fenced(anew, "tests/test_stats.py"))
    assert "mean([5])" in (root / "tests" / "test_stats.py").read_text()


async def test_code_given_again_instead_of_its_test_is_answered_with_the_wish_for_the_test(
    root: Path,
) -> None:
    code = fenced("def median(values):\n    return sorted(values)[len(values) // 2]\n", "stats.py")
    test = fenced("from stats import median\n\n\ndef test_median():\n    assert median([1]) == 1\n")
    model = ScriptedModel(script=[code, code, test])
    async for _ in run_turn(
        Conversation(),
        "add a function median to stats.py with a test",
        root=root,
        files=["stats.py", "shapes.py", "tests/test_stats.py"],
        model=model,
        approver=ModeApprover("auto"),
        wanted=Wanted.NEW,
    ):
        pass
    told = model.requests[2].messages[-1].content
    assert told.startswith("stats.py is written already.")
    assert "different from the code above" not in told
    assert "def test_median" in (root / "tests" / "test_stats.py").read_text()


async def test_a_function_that_is_only_to_be_documented_may_not_vanish(root: Path) -> None:
    other = "def scale(values, factor):\n    return [value * factor for value in values]\n"
    whole = f"import math\n\n\ndef average(values):\n    return 0\n\n\n{other}"
    await turn(root, "document mean in stats.py", *[fenced(whole, "stats.py")] * 3)
    assert (root / "stats.py").read_text() == STATS


@pytest.mark.parametrize(
    ("request_", "block", "is_taken"),
    [
        ("add a section Usage to README.md", "# Statistics\n\n## Usage\n\n```sh\nrun\n```\n", True),
        ("add a section Usage to README.md", "## Usage\n", False),
        ("what would a better README.md say?", "# Statistics\n\nMore.\n", False),
    ],
)
def test_a_block_without_a_label_is_the_text_file_that_is_to_change_if_it_begins_as_that(
    root: Path, request_: str, block: str, is_taken: bool
) -> None:
    (root / "README.md").write_text("# Statistics\n")
    conversation = Conversation()
    conversation.asked(request_)
    conversation.mark_shown("README.md", "# Statistics\n")
    sources = Sources(root, ["README.md", "stats.py"])
    reply = f"```markdown\n{block}```\n"
    reading = parse_reply(reply, known_paths=sources.files, request=request_)
    placer = BlockPlacer(conversation=conversation, user_text=request_, sources=sources)
    placed = placer.placed(reply, reading)
    assert isinstance(placed, FileEdits) == is_taken
    if isinstance(placed, FileEdits):
        assert [(edit.path, edit.content) for edit in placed.edits] == [("README.md", block)]


@pytest.mark.parametrize(
    ("label", "path"),
    [
        ("stats.py", "tests/test_stats.py"),
        ("test_stats.py", "tests/test_stats.py"),
        ("tests/stats.py", "tests/test_stats.py"),
        ("tests/test_stats.py", "tests/test_stats.py"),
        ("tests/test_more.py", "tests/test_more.py"),
    ],
)
def test_tests_below_another_path_go_to_the_tests_of_the_file(
    root: Path, label: str, path: str
) -> None:
    request = "add a test of scale in stats.py"
    request += " to tests/test_more.py" if "more" in label else ""
    conversation = Conversation()
    conversation.asked(request)
    conversation.mark_shown("stats.py", STATS)
    sources = Sources(root, ["stats.py", "shapes.py", "tests/test_stats.py"])
    block = "from stats import scale\n\n\ndef test_scale():\n    assert scale([1], 2) == [2]\n"
    reply = f"{label}\n```python\n{block}```\n"
    reading = parse_reply(reply, known_paths=sources.files, request=request)
    placer = BlockPlacer(conversation=conversation, user_text=request, sources=sources)
    placed = placer.placed(reply, reading)
    assert isinstance(placed, FileEdits)
    assert [edit.path for edit in placed.edits] == [path]
    if path == "tests/test_stats.py":
        assert "def test_mean" in placed.edits[0].content


MIXED = (
    STATS
    + "\n\ndef middle(values):\n    return sorted(values)[len(values) // 2]\n\n\ndef test_mean():\n    assert mean([]) == 9\n"
    "\n\ndef test_middle():\n    assert middle([3, 1, 2]) == 2\n"
)


def placed_at(root: Path, request: str, reply: str) -> dict[str, str]:
    """The files that a reply to a request would write."""
    conversation = Conversation()
    conversation.asked(request)
    conversation.mark_shown("stats.py", STATS)
    sources = Sources(root, ["stats.py", "shapes.py", "tests/test_stats.py"])
    reading = parse_reply(reply, known_paths=sources.files, request=request)
    placer = BlockPlacer(conversation=conversation, user_text=request, sources=sources)
    placed = placer.placed(reply, reading)
    return {e.path: e.content for e in placed.edits} if isinstance(placed, FileEdits) else {}


@pytest.mark.parametrize("label", ["stats.py\n", ""])
def test_new_tests_among_the_code_go_to_the_tests_and_known_ones_stay(
    root: Path, label: str
) -> None:
    request = "add a function middle to stats.py with a test"
    found = placed_at(root, request, f"{label}```python\n{MIXED}```\n")
    assert "def middle" in found["stats.py"]
    assert "def test_" not in found["stats.py"]
    assert "def test_middle" in found["tests/test_stats.py"]
    assert "assert mean([1, 3]) == 2" in found["tests/test_stats.py"]
    assert "== 9" not in found["tests/test_stats.py"]


def test_a_request_without_tests_may_put_any_function_anywhere(root: Path) -> None:
    found = placed_at(root, "rewrite stats.py", f"stats.py\n```python\n{MIXED}```\n")
    assert "def test_middle" in found["stats.py"]


@pytest.mark.parametrize(
    ("request_", "is_taken"),
    [
        ("write a docstring for scale", True),
        ("write docstrings for mean and scale", False),
        ("what does the docstring of scale say?", False),
    ],
)
def test_a_docstring_without_its_function_is_put_into_the_one_that_is_named(
    root: Path, request_: str, is_taken: bool
) -> None:
    reply = '```python\n"""Multiply all values.\n\nThe other function gives the mean.\n\nReturns:\n    A list.\n"""\n```\n'
    found = placed_at(root, request_, reply)
    assert bool(found) == is_taken
    if is_taken:
        assert (
            'def scale(values, factor):\n    """Multiply all values.\n\n    Returns:\n        A list.\n    """\n'
            in found["stats.py"]
        )


def test_code_that_is_called_like_a_test_stays_code(root: Path) -> None:
    for request, reply in [
        (
            "let test_port in stats.py give False for 0 and add a test",
            "def test_port(p):\n    return p > 0\n",
        ),
        (
            "add a function test_connection to stats.py that tests the line",
            "def test_connection():\n    ...\n",
        ),
        (
            "add a dataclass Testimonial to stats.py, with a test",
            "class Testimonial:\n    text: str\n",
        ),
    ]:
        found = placed_at(root, request, f"stats.py\n```python\n{STATS}\n\n{reply}```\n")
        assert list(found) == ["stats.py"], request
        assert reply in found["stats.py"]
        assert list(placed_at(root, request, f"stats.py\n```python\n{reply}```\n")) == ["stats.py"]


def test_a_second_test_of_a_name_is_one_more_where_the_request_is_about_it(root: Path) -> None:
    reply = STATS + "\n\ndef test_mean():\n    with pytest.raises(ValueError):\n        mean([])\n"
    request = "let mean raise a ValueError for an empty list and add a test"
    found = placed_at(root, request, f"stats.py\n```python\nimport pytest\n{reply}```\n")
    assert "def test_mean_2" in found["tests/test_stats.py"]
    assert "import pytest" in found["tests/test_stats.py"]
    assert "pytest" not in found["stats.py"]


def test_parted_tests_bring_the_imports_that_they_use(root: Path) -> None:
    found = placed_at(
        root, "add a function middle to stats.py with a test", f"stats.py\n```python\n{MIXED}```\n"
    )
    assert "from stats import mean, middle\n" in found["tests/test_stats.py"] or (
        "from stats import middle\n" in found["tests/test_stats.py"]
    )


@pytest.mark.parametrize(
    "more",
    [
        "@pytest.fixture\ndef values():\n    return [1]\n",
        "class TestMiddle:\n    pass\n",
        "if __name__ == '__main__':\n    test_middle()\n",
    ],
)
def test_tests_that_cannot_be_parted_stay(root: Path, more: str) -> None:
    reply = f"stats.py\n```python\nimport pytest\n\n{MIXED}\n\n{more}```\n"
    found = placed_at(root, "add a function middle to stats.py with a test", reply)
    assert list(found) == ["stats.py"]
    assert "def test_middle" in found["stats.py"]


def test_a_class_of_unittests_among_the_code_goes_to_the_tests(root: Path) -> None:
    (root / "tests" / "test_stats.py").write_text(
        "import unittest\n\nfrom stats import mean\n\n\nclass StatsTest(unittest.TestCase):\n"
        "    def test_mean(self):\n        self.assertEqual(mean([1, 3]), 2)\n"
    )
    middle = "def middle(values):\n    return sorted(values)[len(values) // 2]\n"
    tests = (
        "class StatsTest(unittest.TestCase):\n    def setUp(self):\n        self.values = [3, 1, 2]\n\n"
        "    def test_mean(self):\n        self.assertEqual(middle(self.values), 2)\n"
    )
    request = "add a function middle to stats.py with a test"
    found = placed_at(root, request, f"stats.py\n```python\n{STATS}\n\n{middle}\n\n{tests}```\n")
    assert found["stats.py"].rstrip() == f"{STATS}\n\n{middle}".rstrip()
    now = found["tests/test_stats.py"]
    assert "self.assertEqual(mean([1, 3]), 2)" in now
    assert "class StatsTest_2(unittest.TestCase):\n    def setUp" in now


@pytest.mark.parametrize(
    "opening",
    ["```python\nstats.py\n```python\n", "```python\n# stats.py\n```\n\n```python\n"],
)
def test_a_path_in_a_fence_of_its_own_is_the_label_of_the_next(root: Path, opening: str) -> None:
    code = STATS.replace("/ len(values)", "/ (len(values) or 1)")
    found = placed_at(root, "let mean take an empty list", f"{opening}{code}```\n")
    assert found == {"stats.py": code}


def test_tests_that_nobody_asked_for_do_not_get_among_the_code(root: Path) -> None:
    found = placed_at(
        root, "add a function middle to stats.py", f"stats.py\n```python\n{MIXED}```\n"
    )
    assert list(found) == ["stats.py"]
    assert "def middle" in found["stats.py"]
    assert "test_" not in found["stats.py"]


@pytest.mark.parametrize(
    ("request_", "more"),
    [
        ("add unittests for middle", ""),
        ("I want full coverage for middle", ""),
        ("add a route that shows a page", "@app.route('/x')\ndef test_page():\n    assert True\n"),
        ("add a connectivity check", "def test_connection(host):\n    return host.up\n"),
        ("add a runner", "class TestRunner:\n    def tests(self):\n        return []\n"),
    ],
)
def test_what_may_be_wanted_is_never_thrown_away(root: Path, request_: str, more: str) -> None:
    code = MIXED if not more else f"{STATS}\n\n{more}"
    found = placed_at(root, request_, f"stats.py\n```python\n{code}```\n")
    kept = "".join(found.values())
    assert ("def test_middle" in kept) if not more else (more.strip() in kept)


def test_only_imports_of_the_tests_go_with_them(root: Path) -> None:
    reply = f"import pytest\nfrom math import *\nimport json; LIMIT = 1\n{MIXED}\n\ndef test_raises():\n    with pytest.raises(ValueError):\n        mean(1)\n"
    found = placed_at(
        root, "add a function middle to stats.py", f"stats.py\n```python\n{reply}```\n"
    )
    assert "from math import *\nimport json; LIMIT = 1\n" in found["stats.py"]
    assert "pytest" not in found["stats.py"]


def test_fences_within_a_longer_one_are_text(root: Path) -> None:
    (root / "README.md").write_text("Run:\n")
    text = "Run:\n\n```sh\n./install.sh\n```\n\n```text\nInstalled\n```\n"
    reading = parse_reply(
        f"README.md\n````markdown\n{text}````\n", known_paths=["README.md"], request="say how"
    )
    assert isinstance(reading, FileEdits)
    assert reading.edits[0].content == text


async def test_docstrings_in_blocks_of_their_own_are_put_where_they_were_asked_for(
    root: Path,
) -> None:
    reply = (
        fenced('def mean(values):\n    """Average of values."""\n')
        + "\n\n"
        + fenced('def scale(values, factor):\n    """Values times a factor."""\n')
    )
    await turn(root, "document mean", reply)
    assert (root / "stats.py").read_text() == STATS.replace(
        "def mean(values):\n", 'def mean(values):\n    """Average of values."""\n'
    )


@pytest.mark.parametrize("asked", ["document mean", "add a docstring to mean"])
async def test_a_known_function_under_a_name_that_the_model_made_up_goes_to_its_own_file(
    root: Path, asked: str
) -> None:
    code = 'def mean(values):\n    """Average of values."""\n    return sum(values) / len(values)\n'
    await turn(root, asked, fenced(code, "- `mean.py`"))
    assert not (root / "mean.py").exists()
    assert '"""Average of values."""' in (root / "stats.py").read_text()


@pytest.mark.parametrize(
    "asked", ["move mean into a module of its own", "put mean into mean.py", "extract mean"]
)
async def test_a_new_file_that_was_asked_for_is_a_new_file(root: Path, asked: str) -> None:
    code = "def mean(values):\n    return sum(values) / len(values)\n"
    await turn(root, asked, fenced(code, "mean.py"))
    assert (root / "stats.py").read_text() == STATS
    assert (root / "mean.py").read_text() == code


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        ("write a script for CSV files, with a mean as in stats.py", "csv_mean.py"),
        ("add a module for CSV files that has its own mean", "csv_mean.py"),
        ("make a csv backend like stats.py", "backends/csv.py"),
    ],
)
async def test_a_new_file_with_a_known_name_in_it_replaces_none(
    root: Path, asked: str, path: str
) -> None:
    code = "def mean(path):\n    return path\n"
    await turn(root, asked, fenced(code, path))
    assert (root / "stats.py").read_text() == STATS


async def test_a_whole_file_behind_a_first_block_still_removes_what_was_to_go(root: Path) -> None:
    whole = '"""Statistics."""\n\nimport math\n\n\ndef mean(values):\n    return sum(values) / len(values)\n'
    middle = "def middle(values):\n    return values[len(values) // 2]\n"
    reply = fenced(middle) + "\n\n" + fenced(f"{whole}\n\n{middle}")
    await turn(root, "remove scale from stats.py and add middle", reply)
    assert "scale" not in (root / "stats.py").read_text()
