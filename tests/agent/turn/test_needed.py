"""Files that a request neither names nor needs are written after a question only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.approval import Decision, ModeApprover, Question
from agent.events import Event, TurnEnding, TurnFinished
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.turn.conversation import Conversation
from agent.turn.loop import run_turn
from agent.turn.needed import subject_files, why_unasked
from agent.turn.opening import Background, open_turn, tail_of
from tests.fakes.model import ScriptedModel

FILES = {
    "README.md": "# Statistics\n",
    "stats.py": "def mean(values):\n    return sum(values) / len(values)\n",
    "report.py": "from stats import mean\n\n\ndef line(values):\n    return str(mean(values))\n",
    "clock.py": "def now():\n    return 0\n",
    "tests/test_stats.py": "from stats import mean\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        ("add docstrings to stats.py", "stats.py"),
        ("update the README", "README.md"),
        ("let mean return 0 for an empty list", "stats.py"),
        ("let mean return 0 for an empty list", "report.py"),
        ("add a function median to stats.py with a test", "tests/test_stats.py"),
        ("make it faster", "clock.py"),
        ("create a module geometry", "geometry.py"),
        ("put median into new.py", "new.py"),
    ],
)
def test_what_a_request_names_or_needs_is_written_without_a_question(
    root: Path, request_: str, path: str
) -> None:
    new = path not in FILES
    assert why_unasked(path, is_new=new, requests=[request_], sources=Sources(root, FILES)) == ""


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        ("ls", "README.md"),
        ("make it faster", "README.md"),
        ("add docstrings to stats.py", "clock.py"),
        ("let mean return 0 for an empty list", "clock.py"),
        ("let mean return 0 for an empty list", "tests/test_stats.py"),
        ("let mean return 0 for an empty list", "main.py"),
    ],
)
def test_any_other_file_is_asked_about(root: Path, request_: str, path: str) -> None:
    new = path not in FILES
    assert why_unasked(path, is_new=new, requests=[request_], sources=Sources(root, FILES))


def test_a_request_that_names_nothing_is_about_what_the_one_before_named(root: Path) -> None:
    said = ["add docstrings to stats.py", "shorter, please"]
    sources = Sources(root, FILES)
    assert why_unasked("stats.py", is_new=False, requests=said, sources=sources) == ""
    assert why_unasked("clock.py", is_new=False, requests=said, sources=sources)


@dataclass
class Person:
    """Gives its decisions in order."""

    decisions: list[Decision]
    questions: list[Question] = field(default_factory=list)

    async def __call__(self, question: Question) -> Decision:
        self.questions.append(question)
        return self.decisions.pop(0)


async def turn(root: Path, model: ScriptedModel, text: str, approver: ModeApprover) -> list[Event]:
    return [
        event
        async for event in run_turn(
            Conversation(), text, root=root, files=list(FILES), model=model, approver=approver
        )
    ]


def block(path: str, text: str) -> str:
    return f"{path}\n```python\n{text}```"


async def test_in_auto_mode_a_file_that_was_not_asked_for_stays_as_it_is(root: Path) -> None:
    reply = "README.md\n```markdown\nstats.py report.py\n```"
    model = ScriptedModel(script=[reply, reply, reply])
    events = await turn(root, model, "List the files in stats.py", ModeApprover("auto"))
    assert (root / "README.md").read_text() == FILES["README.md"]
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].ending is TurnEnding.STUCK


async def test_where_nobody_can_be_asked_the_model_is_sent_back_to_what_was_asked(
    root: Path,
) -> None:
    changed = FILES["stats.py"].replace("return", "return 1 *", 1)
    wrong = "README.md\n```markdown\nstats.py report.py\n```"
    model = ScriptedModel(script=[wrong, wrong, block("stats.py", changed)])
    events = await turn(root, model, "change mean in stats.py", ModeApprover("auto"))
    assert (root / "README.md").read_text() == FILES["README.md"]
    assert (root / "stats.py").read_text() == changed
    assert "This is the code to change" in model.requests[2].messages[-1].content
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].ending is TurnEnding.DONE


async def test_a_person_who_is_asked_may_allow_it(root: Path) -> None:
    changed = "def now():\n    return 1\n"
    person = Person([Decision(allowed=True)])
    model = ScriptedModel(script=[block("clock.py", changed)] * 2)
    await turn(root, model, "Add docstrings to stats.py", ModeApprover("auto", person))
    assert "the request does not name clock.py" in person.questions[0].unasked
    assert (root / "clock.py").read_text() == changed


async def test_a_decline_that_says_what_to_do_instead_goes_on(root: Path) -> None:
    first = "def mean(values):\n    return 0\n"
    second = "def mean(values):\n    return sum(values) / max(1, len(values))\n"
    person = Person(
        [Decision(allowed=False, instead="divide by at least one"), Decision(allowed=True)]
    )
    model = ScriptedModel(script=[block("stats.py", first), block("stats.py", second)])
    await turn(root, model, "Repair mean in stats.py", ModeApprover("ask", person))
    assert "divide by at least one" in model.requests[1].messages[-1].content
    assert (root / "stats.py").read_text() == second


def opening(conversation: Conversation, root: Path, names: Sequence[str]) -> str:
    sources = Sources(root, names)
    return open_turn(conversation, "And now?", sources, Background(), budget_tokens=2000).text


def test_what_a_command_of_the_person_gave_goes_along_with_the_next_request_once(
    root: Path,
) -> None:
    conversation = Conversation()
    conversation.overhear("The command `ls` ended with exit code 0.")
    assert "The command `ls`" in opening(conversation, root, list(FILES))
    assert "The command `ls`" not in opening(conversation, root, list(FILES))


@pytest.mark.parametrize(
    ("request_", "says_docstring"),
    [
        ("document parse_date", True),
        ("@stats.py please document mean", True),
        ("add a docstring to the class Cart", True),
        ("round the document totals", False),
        ("Remove the docstrings of total in stats.py", False),
        ("Rename x to y in total() and update its docstring", False),
        ("Use the docstring of each command as its help text", False),
    ],
)
def test_a_wish_to_document_says_that_docstrings_are_meant(
    request_: str, *, says_docstring: bool
) -> None:
    assert ("docstring" in tail_of(Wanted.EDIT, request_)) is says_docstring


@pytest.mark.parametrize(
    ("request_", "is_whole"),
    [
        ("add a line to README.md that says how to run the tests with pytest", True),
        ("set the version to 2 in pyproject.toml", True),
        ("describe in README.md what stats.py does", False),
        ("Make load_config read settings.toml instead of settings.ini", False),
        ("Let report() save its rows in out.csv", False),
        ("Change load() to raise ValueError if config.json is empty", False),
        ("add a parameter to mean", False),
        ("let Cart.total round", False),
    ],
)
def test_a_request_about_a_file_that_is_no_code_asks_for_the_whole_file(
    request_: str, *, is_whole: bool
) -> None:
    assert ("whole new file" in tail_of(Wanted.EDIT, request_)) is is_whole


def test_a_request_for_an_option_is_about_the_file_that_reads_the_command_line(
    tmp_path: Path,
) -> None:
    files = {
        "items.py": "def by_priority(items):\n    return items\n",
        "cli.py": "import argparse\n\n\ndef main():\n    argparse.ArgumentParser()\n",
        "test_cli.py": "import argparse\n",
    }
    for path, text in files.items():
        (tmp_path / path).write_text(text)
    sources = Sources(tmp_path, list(files))
    assert subject_files("give the add command an option --priority", sources) == ("cli.py",)
    assert subject_files("sort items with the highest first", sources) == ()


async def test_a_model_that_gives_no_hints_is_shown_the_lines_that_lack_them(root: Path) -> None:
    hinted = "def mean(values: list[float]) -> float:\n    return sum(values) / len(values)\n"
    model = ScriptedModel(script=[block("stats.py", FILES["stats.py"]), block("stats.py", hinted)])
    events = await turn(root, model, "add type hints to stats.py", ModeApprover("auto"))
    assert "def mean(values: ...) -> ...:" in model.requests[1].messages[-1].content
    assert (root / "stats.py").read_text() == hinted
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].ending is TurnEnding.DONE


@pytest.mark.parametrize(
    ("request_", "files"),
    [
        ("I need the dot product of two vectors", ("lib/vector.py",)),
        ("give the vector a method dot", ("lib/vector.py",)),
        ("a matrix times a vector", ("lib/matrix.py", "lib/vector.py")),
        ("make it faster", ()),
    ],
)
def test_a_request_that_speaks_of_a_class_in_plain_words_is_about_its_file(
    tmp_path: Path, request_: str, files: tuple[str, ...]
) -> None:
    texts = {
        "lib/matrix.py": "class Matrix:\n    pass\n",
        "lib/vector.py": "class Vector:\n    pass\n",
        "specs/vector_test.py": "class Vectors:\n    pass\n",
    }
    for path, text in texts.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    sources = Sources(tmp_path, sorted(texts))
    assert subject_files(request_, sources) == files
    # it may be a plain word: what is written without a question does not depend on it
    assert why_unasked("lib/matrix.py", is_new=False, requests=[request_], sources=sources) == ""


async def test_a_model_that_gives_no_docstrings_is_shown_what_lacks_them(root: Path) -> None:
    code = "class Cart:\n    def __init__(self, items):\n        self.items = items\n\n    def total(self, rate=1):\n        return rate * sum(self.items)\n"
    (root / "clock.py").write_text(code)
    stub = (
        'class Cart:\n    """A cart."""\n\n    def total(self, rate=1):\n        """Sum it up."""\n'
    )
    model = ScriptedModel(script=[block("clock.py", code), block("clock.py", stub)])
    events = await turn(root, model, "add docstrings to clock.py", ModeApprover("auto"))
    asked = model.requests[1].messages[-1].content
    assert (
        'class Cart:\n    """..."""\n\n    def total(self, rate=1):\n        """..."""\n' in asked
    )
    assert "__init__" not in asked
    assert (root / "clock.py").read_text() == code.replace(
        "class Cart:\n", 'class Cart:\n    """A cart."""\n\n'
    ).replace("rate=1):\n", 'rate=1):\n        """Sum it up."""\n')
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].ending is TurnEnding.DONE
