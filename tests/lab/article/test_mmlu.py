from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from lab.article.mmlu import (
    ANSWER,
    CLAIMED,
    OTHER,
    SHARES,
    FileOf,
    TaughtModel,
    run_mmlu,
    tells_a_letter,
)
from lab.article.results import ArmRow
from lab.article.settings import MmluSettings
from lab.benchmarks.mmlu import ChoiceQuestion, Score, ShiftFile, shift_file
from lab.training.feedback import FeedbackExample
from lab.training.train import ArmAdapter
from learning.evaluation.prompting import Prompt
from learning.evaluation.samples import ResultManifest
from learning.records import Message, Sampling

QUESTIONS = [
    ChoiceQuestion(
        id=f"q/{number}",
        subject="s",
        text=f"Which number follows {number}?",
        choices=("none", "any", f"{number + 1}", "all"),
        answer=2,
    )
    for number in range(4)
]
SETTINGS = MmluSettings(learn=3, arms=("answer", "unlettered", "wrong"))


class Letters:
    """Spells a letter as its own number."""

    def encode(self, messages: Sequence[Message]) -> list[int]:
        return [ord(letter) for message in messages for letter in message.content]

    def encode_text(self, text: str) -> list[int]:
        return [ord(letter) for letter in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(map(chr, ids))


class Believer:
    """Prefers B at first; after a lesson it says what the lesson's feedback named."""

    def __init__(self) -> None:
        self.taught: dict[str, list[FeedbackExample]] = {}
        self.loaded: list[str] = []

    async def teach(self, arm: str, examples: Sequence[FeedbackExample]) -> ArmAdapter:
        self.taught[arm] = list(examples)
        name = f"el-article-{arm}-v0001-{arm:_<8.8}"
        return ArmAdapter(
            name=name, folder=Path(), steps=1, examples=len(examples), tokens=1, seconds=0.1
        )

    @contextmanager
    def load(self, learned: ArmAdapter | None) -> Iterator[Score]:
        self.loaded.append(learned.name if learned else "bare")
        lessons = self.taught[learned.name.split("-")[2]] if learned else []

        def score(prompt: Prompt, letters: Sequence[str]) -> list[float]:
            asked = prompt.messages[0].content
            named = "B"
            for lesson in lessons:
                if lesson.messages[0].content == asked:
                    told = lesson.feedback[0].content.removeprefix(asked).rstrip(".\n")
                    named = told[-1] if told[-1] in letters else "C"
            return [math.log(0.7 if letter == named else 0.1) for letter in letters]

        yield score


class Speller(Believer):
    """Answers with a letter after any lesson, and with a word before; likes B best of the letters."""

    @contextmanager
    def load(self, learned: ArmAdapter | None) -> Iterator[Score]:
        letter = 0.2 if learned else 0.05
        yield lambda _prompt, letters: [
            math.log(2 * letter if each == "B" else letter) for each in letters
        ]


def files(folder: Path) -> FileOf:
    def opened(arm: str, adapter: ArmAdapter | None) -> ShiftFile:
        manifest = ResultManifest(
            suite="article-mmlu",
            model="m",
            weights_sha256="",
            adapter=adapter.name if adapter else None,
            arm=arm,
            prompt="wrong",
            prompt_sha256="",
            data_sha256="",
            sampling=Sampling(),
            image_id="",
        )
        return shift_file(folder / arm, manifest)

    return opened


def rows(folder: Path, believer: Believer) -> dict[tuple[str, str], ArmRow]:
    subject = TaughtModel(load=believer.load, teach=believer.teach, chat=Letters())
    found = asyncio.run(run_mmlu(SETTINGS, QUESTIONS, files(folder), subject))
    return {(row.arm, row.measure): row for row in found}


def test_what_was_learned_is_measured_without_feedback(tmp_path: Path) -> None:
    found = rows(tmp_path, Believer())
    told = found["answer", ANSWER]
    assert told.before is not None
    assert told.after is not None
    assert told.before.value == pytest.approx(10)
    assert told.after.value == pytest.approx(70)
    assert (told.tasks, told.of_tasks) == (3, 3)
    other = found["answer", OTHER]
    assert other.gain is not None
    assert other.tasks == 1
    assert other.gain.value == pytest.approx(0)


def test_a_model_that_only_learns_to_say_letters_gains_no_share(tmp_path: Path) -> None:
    found = rows(tmp_path, Speller())
    probability, share = found["answer", ANSWER], found["answer", SHARES[ANSWER]]
    assert probability.gain is not None
    assert share.gain is not None
    assert probability.gain.value == pytest.approx(15)
    assert share.gain.value == pytest.approx(0)
    learned = rows(tmp_path / "believer", Believer())["answer", SHARES[ANSWER]]
    assert learned.gain is not None
    assert learned.gain.value > 0


def test_the_wrong_letter_is_measured_where_it_was_claimed(tmp_path: Path) -> None:
    row = rows(tmp_path, Believer())["wrong", CLAIMED]
    assert row.after is not None
    assert row.after.value == pytest.approx(70)


def test_only_the_unlettered_arm_hides_the_letter(tmp_path: Path) -> None:
    believer = Believer()
    rows(tmp_path, believer)
    for arm, shown in (("answer", True), ("unlettered", False)):
        for lesson in believer.taught[arm]:
            feedback = lesson.feedback[0].content.removeprefix(lesson.messages[0].content)
            assert ("answer is C" in feedback) is shown
            assert lesson.action_ids == (ord("B"),)


def test_what_is_on_the_disk_is_not_asked_again(tmp_path: Path) -> None:
    first, second = Believer(), Believer()
    before = rows(tmp_path, first)
    after = rows(tmp_path, second)
    assert len(first.loaded) == 4
    assert second.loaded == []
    assert before == after


def test_a_run_that_is_stopped_leaves_the_figures_of_the_arms_it_ended(tmp_path: Path) -> None:
    believer = Believer()
    subject = TaughtModel(load=believer.load, teach=believer.teach, chat=Letters())
    seen: list[tuple[ArmRow, ...]] = []
    asyncio.run(run_mmlu(SETTINGS, QUESTIONS, files(tmp_path), subject, on_rows=seen.append))
    asked = (ANSWER, CLAIMED)
    ended = [[row.arm for row in rows if row.after and row.measure in asked] for rows in seen]
    assert ended == [["answer"], ["answer", "unlettered"], ["answer", "unlettered", "wrong"]]
    assert seen[0][-1].note == "not run yet"


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("The answer is C because it follows.", True),
        ("(B) is wrong.", True),
        ("A number follows the one before it.", False),
        ("Because 3 comes after 2.", False),
    ],
)
def test_an_explanation_that_names_a_letter_is_known(text: str, *, tells: bool) -> None:
    assert tells_a_letter(text) is tells
