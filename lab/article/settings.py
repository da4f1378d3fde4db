"""Settings of an experiment, read from one TOML file; a key that is not known is an error."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from lab.training.train import TrainingLimits
from learning.errors import LearningError
from learning.training.rules import PLAIN_SDPO, LearningRule, LossRule, WeightRule

_T = TypeVar("_T")
RuleName = Literal["sdpo", "contrast", "agreement"]
MmluArm = Literal["neutral", "answer", "explained", "unlettered", "wrong"]
HumanEvalArm = Literal["neutral", "tests", "printed", "explained"]
Gsm8kArm = Literal["neutral", "explained", "grpo"]
NoiseKind = Literal["neutral", "plain", "ours"]

CONTRAST = LearningRule(
    weights=WeightRule(snr_min=0.0, endorsed=1.0),
    loss=LossRule(echo=0.0, context_anchor=0.0),
    teacher_contexts=1,
    controls=1,
    min_cosine=-1.0,
    held_out=0.0,
)
"""Learns the effect of the feedback beyond that of a neutral note. There is one teacher context, as in the
article; all action tokens have the same weight, because the article has no verdict."""
AGREEMENT = LearningRule(
    weights=WeightRule(endorsed=1.0),
    loss=LossRule(echo=0.0, context_anchor=0.0),
    teacher_contexts=3,
    controls=1,
    held_out=0.0,
)
"""Learns what the feedback says in three frames alike, beyond a neutral note; a batch whose two halves disagree
grows by the next examples before it makes a step."""
_RULES = {"sdpo": PLAIN_SDPO, "contrast": CONTRAST, "agreement": AGREEMENT}


class SettingsError(LearningError):
    """The settings of an experiment cannot be used; the message names the file and the key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningSettings:
    """One round of learning: how many steps of how many experiences, and by which rule."""

    steps: int = 8
    batch: int = 8
    """Examples in one optimiser step."""
    learning_rate: float = 1e-4
    rank: int = 16
    max_tokens: int = 768
    """Longest example, prompt and action together; a longer action is cut."""
    rule: RuleName = "sdpo"

    @property
    def limits(self) -> TrainingLimits:
        """Steps and sizes, without a limit of time."""
        return TrainingLimits(
            steps=self.steps,
            batch=self.batch,
            learning_rate=self.learning_rate,
            rank=self.rank,
            max_tokens=self.max_tokens,
            budget_s=0.0,
        )

    def training_rule(self) -> LearningRule:
        """The numbers behind the rule's name."""
        return training_rule(self.rule)


def training_rule(name: RuleName) -> LearningRule:
    """The numbers behind a rule's name."""
    return _RULES[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explainer:
    """The model that explains attempts; without a name nothing is explained by a model."""

    model: str = ""
    base_url: str = ""
    engine: Literal["auto", "llama", "torch"] = "auto"
    max_tokens: int = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class FormatSettings:
    """The round before all arms that teaches nothing but to answer with a letter."""

    questions: int = 24
    """Learned from in this round and not used again; 0 leaves the round out."""
    epochs: int = 2
    batch: int = 8
    learning_rate: float = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonSettings:
    """The lessons of the first experiment: sizes, the rates to choose from, and the rule."""

    batch: int = 8
    """Examples in one optimiser step."""
    learning_rates: tuple[float, ...] = (1e-4,)
    """Several are tried on other questions first; the one that comes nearest to the teacher is used."""
    rank: int = 16
    max_tokens: int = 768
    """Longest question; a longer one is not asked."""
    rule: RuleName = "sdpo"

    def limits(self, *, batch: int, learning_rate: float, steps: int = 1) -> TrainingLimits:
        """Sizes of a training, without a limit of time."""
        return TrainingLimits(
            steps=steps,
            batch=batch,
            learning_rate=learning_rate,
            rank=self.rank,
            max_tokens=self.max_tokens,
            budget_s=0.0,
        )

    def training_rule(self) -> LearningRule:
        """The numbers behind the rule's name."""
        return training_rule(self.rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class MmluSettings:
    """Experiment 1: the shift in probability on questions that the model gets wrong."""

    model: str = ""
    """Empty: the model of elagent's own settings."""
    seed: int = 0
    questions: int = 1000
    """The most that are asked to find wrong answers."""
    sweep: int = 10
    """Wrongly answered questions on which learning rates are tried, and nothing else."""
    learn: int = 40
    """Wrongly answered questions that are learned from."""
    others: int = 50
    """Wrongly answered questions that are only measured."""
    epochs: int = 10
    most_epochs: int = 30
    """All arms go on, `epochs` at a time and up to this, while one is not where its teacher is."""
    near: float = 0.05
    """Nats between teacher and student, over the letters and the rest, at which a student is there."""
    arms: tuple[MmluArm, ...] = get_args(MmluArm)
    one_at_a_time: int = 40
    """Questions that are each learned alone, from the same weights; 0 leaves this out."""
    one_arms: tuple[MmluArm, ...] = ("neutral", "answer", "wrong")
    """Arms of that part."""
    format: FormatSettings = field(default_factory=FormatSettings)
    learning: LessonSettings = field(default_factory=LessonSettings)
    explainer: Explainer = field(default_factory=Explainer)


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanEvalSettings:
    """Experiment 2: learned on one half of the tasks, measured on the other, several times."""

    model: str = ""
    engine: Literal["auto", "llama", "torch"] = "auto"
    seed: int = 0
    tasks: int = 164
    splits: int = 5
    samples: int = 1
    temperature: float = 0.0
    max_tokens: int = 512
    arms: tuple[HumanEvalArm, ...] = get_args(HumanEvalArm)
    learning: LearningSettings = field(default_factory=LearningSettings)
    explainer: Explainer = field(default_factory=Explainer)


@dataclass(frozen=True, slots=True, kw_only=True)
class WordSettings:
    """Settings that both experiments with word problems have."""

    model: str = ""
    engine: Literal["auto", "llama", "torch"] = "auto"
    seed: int = 0
    train: int = 256
    test: int = 1319
    temperature: float = 0.0
    max_tokens: int = 256
    explainer: Explainer = field(default_factory=Explainer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gsm8kSettings(WordSettings):
    """Experiment 3: word problems with a chain of thought."""

    arms: tuple[Gsm8kArm, ...] = get_args(Gsm8kArm)
    learning: LearningSettings = field(default_factory=LearningSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSettings(WordSettings):
    """Experiment 4: word problems, learned with small and large effective batches from the same tokens."""

    test: int = 400
    epochs: int = 2
    """Passes over the training problems: a smaller batch makes more steps of as many tokens in all."""
    batches: tuple[int, ...] = (4, 16, 64, 128)
    """Examples in one optimiser step; where the halves of a batch disagree, `ours` takes more."""
    kinds: tuple[NoiseKind, ...] = get_args(NoiseKind)
    learning_rate: float = 1e-4
    rank: int = 16
    max_example_tokens: int = 768
    """Longest example, prompt and action together; a longer action is cut."""

    def learning(self, kind: NoiseKind, batch: int) -> LearningSettings:
        """The round of one arm."""
        return LearningSettings(
            steps=max(1, -(-self.train * self.epochs // batch)),
            batch=batch,
            learning_rate=self.learning_rate,
            rank=self.rank,
            max_tokens=self.max_example_tokens,
            rule="agreement" if kind == "ours" else "sdpo",
        )


SampledSettings = HumanEvalSettings | WordSettings
"""Settings of the experiments whose tasks are answered in words."""
ExperimentSettings = MmluSettings | HumanEvalSettings | Gsm8kSettings | NoiseSettings


def read_settings(path: Path, kind: type[_T]) -> _T:
    """The settings of one experiment.

    Raises:
        SettingsError: If the file cannot be read, or a key is unknown or of the wrong type.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise SettingsError(f"{path} cannot be read: {err}.") from err
    try:
        return _from(kind, table)
    except (TypeError, ValueError) as err:
        raise SettingsError(f"{path}: {err}.") from err


def digest(settings: ExperimentSettings) -> str:
    """Key of everything that was made under these settings."""
    text = json.dumps(dataclasses.asdict(settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _from(kind: type[_T], table: dict[str, Any]) -> _T:
    hints = get_type_hints(kind)
    if unknown := sorted(table.keys() - hints.keys()):
        raise ValueError(f"unknown: {', '.join(unknown)}")
    return kind(**{key: _value(key, hints[key], value) for key, value in table.items()})


def _value(key: str, wanted: type, value: object) -> object:
    if dataclasses.is_dataclass(wanted):
        if not isinstance(value, dict):
            raise TypeError(f"{key} is a table")
        return _from(wanted, value)
    if get_args(wanted):
        return _chosen(key, wanted, value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not wanted:
        raise TypeError(f"{key} is of type {wanted.__name__}")
    return value


def _chosen(key: str, wanted: type, value: object) -> object:
    """A word out of several, or a list of words."""
    if get_origin(wanted) is tuple:
        if not isinstance(value, list):
            raise TypeError(f"{key} is a list")
        return tuple(_value(key, get_args(wanted)[0], item) for item in value)
    if value not in get_args(wanted):
        raise ValueError(f"{key} is one of {', '.join(get_args(wanted))}, not {value!r}")
    return value
