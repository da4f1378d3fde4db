"""Experiment 3: word problems with a chain of thought, learned from explanations of the model's rollouts.

The rollouts of the training problems, wrong and right ones, are explained one by one; test problems
are measured. GRPO, the article's other arm, samples completions of the same training problems.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from lab.article.experiment import NO_EXPLAINER, ExperimentRun, TaskSource
from lab.article.results import CONTROL, NOT_YET, ArmRow, ExperimentResult, paired_row
from lab.article.settings import Gsm8kSettings, WordSettings
from lab.benchmarks.gsm8k import WordProblem, prompt_digest, word_prompt, word_tasks
from lab.prompt_files import filled
from lab.rows.rollouts import Rollout
from lab.training.feedback import NEUTRAL, FeedbackExample, clipped, example_with_note
from lab.training.train import (
    TRL_WORKER,
    ArmAdapter,
    NothingLearned,
    OnStep,
    arm_job,
    train_on_examples,
)
from learning.model.catalog import InstalledModel
from learning.records import (
    Action,
    Evidence,
    EvidenceKind,
    Experience,
    Tier,
    Trust,
    Verdict,
)
from learning.training.job import Example, ExampleKind

MEASURE = "accuracy"
FRAMES = ("article_explained", "article_explained_as_hint", "article_explained_as_review")
"""Prompts that give the same explanation in different words."""
NO_GRPO = 'not run: TRL is not installed; pip install "elagent[baselines]"'
NO_REWARD = "nothing learned: no group of replies was partly right"


@dataclass(frozen=True, slots=True, kw_only=True)
class WordProblems:
    """Word problems with the digest of their file."""

    problems: Sequence[WordProblem]
    data_sha256: str

    @property
    def source(self) -> TaskSource:
        """The source of the problems' tasks."""
        return TaskSource(
            prompt="chain of thought", prompt_sha256=prompt_digest(), data_sha256=self.data_sha256
        )


async def run_gsm8k(
    run: ExperimentRun, settings: Gsm8kSettings, train: WordProblems, test: WordProblems
) -> ExperimentResult:
    """Make everything that is missing; the result so far is saved after each arm."""
    run.begin(rows_of(settings, {}, {}, {}))
    tasks = word_tasks(test.problems)
    rollouts, bare, explained = await prepare(run, settings, train, test)
    after: dict[str, dict[str, float]] = {}
    reasons: dict[str, str] = {}
    for arm in settings.arms:
        if arm == "grpo":
            made = await _grpo(run, settings, train.problems)
        elif examples := examples_of(train.problems, rollouts, arm, explained):
            made = await run.learn(arm, examples, settings.learning, seed=settings.seed)
        else:
            made = NothingLearned(reason=NO_EXPLAINER)
        if isinstance(made, NothingLearned):
            reasons[arm] = made.reason
            continue
        after[arm] = await run.measure(arm, made, tasks, test.source, settings, arm=arm)
        run.save(rows_of(settings, bare, after, reasons))
    return run.save(rows_of(settings, bare, after, reasons))


async def prepare(
    run: ExperimentRun, settings: WordSettings, train: WordProblems, test: WordProblems
) -> tuple[list[Rollout], dict[str, float], dict[str, str]]:
    """The rollouts of the training problems, the bare model's test scores, and the explanations, by task."""
    rollouts = await run.rollouts(word_tasks(train.problems), train.source, settings)
    tasks = word_tasks(test.problems)
    bare = await run.measure("bare", None, tasks, test.source, settings, arm="bare")
    pairs = zip(train.problems, rollouts, strict=True)
    explained = await run.explanations(
        {problem.task_id: explanation_prompt(problem, each) for problem, each in pairs}
    )
    return rollouts, bare, explained


async def _grpo(
    run: ExperimentRun, settings: Gsm8kSettings, problems: Sequence[WordProblem]
) -> ArmAdapter | NothingLearned:
    """GRPO by TRL's trainer, if TRL is installed."""
    if find_spec("trl") is None:
        return NothingLearned(reason=NO_GRPO)
    made = await learn_grpo(
        *(problems, run.folder / "rounds"),
        model=run.model,
        settings=settings,
        on_step=run.lines.steps("grpo"),
    )
    if isinstance(made, NothingLearned):
        return NothingLearned(reason=NO_REWARD)
    run.adapters.append(made)
    return made


async def learn_grpo(
    problems: Sequence[WordProblem],
    folder: Path,
    *,
    model: InstalledModel,
    settings: Gsm8kSettings,
    on_step: OnStep,
) -> ArmAdapter | NothingLearned:
    """The adapter of GRPO after as many steps of as many completions as the other arms learn from.

    The model samples groups of completions while it learns; the reward is 1 for the right number.

    Raises:
        EvaluationError: If the model cannot be trained.
        LearnerFailedError: If the learner ended with an error, for example without TRL.
    """
    asked = [asked_of(problem, model=model.name) for problem in problems]
    learning = settings.learning
    job = arm_job(
        *("grpo-words", model, learning.limits), prefix="article-grpo", seed=settings.seed
    )
    key = repr((model.identity, learning, settings.seed, asked))
    return await train_on_examples(
        folder / f"grpo-{hashlib.sha256(key.encode()).hexdigest()[:12]}",
        job,
        [Example(kind=ExampleKind.EVIDENCE, step=step) for step in asked],
        worker=TRL_WORKER,
        on_step=on_step,
    )


def asked_of(problem: WordProblem, *, model: str) -> Experience:
    """A problem with its answer and without a rollout, for a trainer that samples its own."""
    answer = Evidence(
        kind=EvidenceKind.TEST_FAILURE,
        tier=Tier.HARNESS,
        subject=problem.task_id,
        expected=str(problem.answer),
    )
    return Experience(
        id=problem.task_id,
        session="article",
        created_at=0.0,
        repository="article",
        model=model,
        messages=word_prompt(problem).messages,
        action=Action(text="", model=model, adapter=None),
        verdict=Verdict.UNKNOWN,
        evidence=(answer,),
        targets=(problem.task_id,),
        trust=Trust.JUDGE,
    )


def explanation_prompt(problem: WordProblem, rollout: Rollout) -> str:
    """The request for an explanation of a rollout."""
    return filled(
        "article_explain_word",
        question=problem.question,
        attempt=clipped(rollout.text),
        answer=str(problem.answer),
    )


def examples_of(
    problems: Sequence[WordProblem],
    rollouts: Sequence[Rollout],
    arm: str,
    explanations: Mapping[str, str],
    *,
    frames: Sequence[str] = FRAMES[:1],
) -> list[FeedbackExample]:
    """One example per rollout; a rollout without an explanation has none, but in the arm `neutral`.

    `frames` are the prompts around an explanation, one for each teacher context.
    """
    examples = []
    for problem, rollout in zip(problems, rollouts, strict=True):
        explanation = explanations.get(problem.task_id, "")
        if arm == "neutral":
            notes = [filled(NEUTRAL)]
        elif explanation:
            notes = [filled(frame, explanation=clipped(explanation)) for frame in frames]
        else:
            continue
        messages = word_prompt(problem).messages
        examples.append(example_with_note(problem.task_id, messages, rollout.token_ids, *notes))
    return examples


def rows_of(
    settings: Gsm8kSettings,
    before: Mapping[str, float],
    after: Mapping[str, Mapping[str, float]],
    reasons: Mapping[str, str],
) -> tuple[ArmRow, ...]:
    """All arms in their order; `reasons` say why one was not run."""
    return tuple(
        replace(
            paired_row(
                *(arm, MEASURE, before, after.get(arm, {})),
                of_tasks=settings.test,
                control=after.get(CONTROL),
            ),
            note=reasons.get(arm, "" if arm in after else NOT_YET),
        )
        for arm in settings.arms
    )
