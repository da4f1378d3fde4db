"""The tasks of the regression suite: functions in HumanEval's form, judged by programs in the sandbox.

The model server answers them as chats. lab/ runs HumanEval itself with the same tasks.
"""

from __future__ import annotations

from collections.abc import Iterable

from agent.model.protocol import Model, Reply
from agent.rounds.trial.program_judge import EvaluationError, Judge, ProgramJudge, program_limits
from learning.evaluation.humaneval import Problem, completions
from learning.evaluation.prompting import Prompt, Style, prompt_for
from learning.evaluation.task import Generated, Judged, Task
from learning.records import Sampling
from sandbox.box.streams import display_safe
from sandbox.warm.judge import CheckTask, JudgeResult

_NOTE_CHARACTERS = 300


def humaneval_tasks(
    problems: Iterable[Problem], judge: Judge, style: Style, *, judge_raw: bool = True
) -> list[Task]:
    """The problems as tasks; each reply is judged as it stands and sanitised, or only sanitised."""
    return [_task(problem, judge, style, judge_raw=judge_raw) for problem in problems]


def _task(problem: Problem, judge: Judge, style: Style, *, judge_raw: bool) -> Task:
    programs = program_judge(problem, judge)

    async def judged(reply: Generated) -> Judged:
        raw, clean = completions(problem, reply.text, style)
        raw = raw if judge_raw else clean
        sources = [problem.prompt + completion for completion in (raw, clean)]
        return judged_pair(raw, clean, *await programs.verdicts(*sources))

    return Task(
        id=problem.task_id,
        prompt=prompt_for(problem.prompt, style),
        judge=judged,
        check_reference=programs.check_reference,
    )


def program_judge(problem: Problem, judge: Judge) -> ProgramJudge:
    """The judge of programs for a problem."""
    return ProgramJudge(judge, problem.task_id, check_task(problem, problem.canonical_solution))


def check_task(problem: Problem, completion: str, *, timeout_s: float = 30.0) -> CheckTask:
    """The check of one completion."""
    return CheckTask(
        source=problem.prompt + completion,
        entry_point=problem.entry_point,
        check=problem.test,
        prelude=problem.prompt,
        limits=program_limits(timeout_s),
    )


def judged_pair(raw: str, clean: str, raw_result: JudgeResult, result: JudgeResult) -> Judged:
    """The verdicts on a reply's code as it stands and on its sanitised code; equal code runs once."""
    return Judged(
        raw=raw,
        clean=clean,
        raw_verdict=raw_result.status.value,
        verdict=result.status.value,
        message=display_safe(result.note)[:_NOTE_CHARACTERS],
        sandbox_s=result.duration_s + (0.0 if raw == clean else raw_result.duration_s),
    )


class RemoteModel:
    """Answers chats through a server; it can neither begin an answer nor continue plain text."""

    def __init__(self, model: Model) -> None:
        self._model = model

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Generated:
        """See `Generator.generate`.

        Raises:
            EvaluationError: If the prompt is more than a chat.
        """
        if prompt.text or prompt.begun:
            raise EvaluationError(
                "a server takes chats only: use --prompt chat, or leave --base-url away"
            )
        async for piece in self._model.stream(prompt.messages, sampling=sampling):
            if isinstance(piece, Reply):
                return Generated(
                    text=piece.action.text,
                    finish=piece.action.finish,
                    prompt_tokens=piece.prompt_tokens,
                    completion_tokens=piece.completion_tokens,
                    duration_s=piece.duration_s,
                    prompt_ids=piece.action.prompt_ids,
                    token_ids=piece.action.token_ids,
                    logprobs=piece.action.logprobs,
                )
        raise EvaluationError("the server ended its reply without an end")
