"""Learns libraries before anything failed: surveys what a model gets wrong, and builds contexts of it.

The contexts are kept by library and version in the repository's state folder; a later survey of the same release by the
same model asks nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.contexts.boxed import modules_of
from agent.contexts.building import ContextBuilder
from agent.contexts.explaining import Explained
from agent.contexts.survey import (
    LibraryQuestion,
    Survey,
    SurveyAnswer,
    asked_file,
    questions_about,
)
from agent.events import Notice, Progress
from agent.paths import make_private
from agent.rounds.trial.regression import RemoteModel
from agent.rounds.uses import BUILD_S, required_packages
from agent.session.resources import Resources
from agent.streaming import Emit
from learning.evaluation.task import Generator
from sandbox.box.contract import Sandbox

MOST_ASKED = 120
_QUESTION_S = 6.0
"""Rough time of one question on two cores, with a model of 1.5B."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryOptions:
    """The libraries to survey, and the limits of the survey."""

    libraries: tuple[str, ...] = ()
    """Names of packages or modules."""
    dependencies: bool = False
    """Also every package that the project itself requires."""
    most: int = MOST_ASKED
    """Documented APIs that are asked for of each library."""
    dry_run: bool = False
    """Only say how many APIs there are and how long it would take."""

    @property
    def asks(self) -> bool:
        """True if there is anything to survey."""
        return bool(self.libraries) or self.dependencies


async def run_libraries(resources: Resources, options: LibraryOptions, emit: Emit) -> None:
    """Survey libraries as they are installed for the project, and build contexts of what was wrong.

    Raises:
        SandboxError: If there is no engine, no image, or a dependency cannot be had.
        ModelError: If there is no model to ask.
    """
    project = await resources.project(emit, None)
    names = [*options.libraries]
    if options.dependencies:
        names += required_packages(project)
    modules = await modules_of(project.sandbox, names)
    for name in names:
        if name not in modules:
            emit(
                Notice(f"{name} is not installed for this project: it is left out", level="warning")
            )
    folder = make_private(resources.context.repository.contexts)
    plans = await _planned(project.sandbox, modules, options, emit)
    if options.dry_run or not any(questions for _, _, questions in plans):
        return
    model = await resources.model(emit)
    name = f"{model.name}/{model.adapter or 'base'}"
    for library, version, questions in plans:
        survey = LibrarySurvey(
            project.sandbox, RemoteModel(model), model=name, folder=folder, emit=emit
        )
        await survey.learn(library, version, questions)


async def _planned(
    sandbox: Sandbox, modules: dict[str, list[str]], options: LibraryOptions, emit: Emit
) -> list[tuple[str, str, list[LibraryQuestion]]]:
    """The questions about every library; says first how many there are and how long they take."""
    plans = []
    for library in dict.fromkeys(module for found in modules.values() for module in found):
        version, questions = await questions_about(sandbox, library, most=options.most)
        plans.append((library, version, questions))
        minutes = _QUESTION_S * len(questions) / 60
        emit(
            Notice(
                f"{library} {version}: {len(questions)} documented APIs can be asked for, about"
                f" {minutes:.0f} min; then about {BUILD_S:.0f} s for each that the model gets wrong"
                if questions
                else f"{library} {version}: its documentation has no example that runs"
            )
        )
    return plans


class LibrarySurvey:
    """Surveys libraries in one sandbox with one model."""

    def __init__(
        self, sandbox: Sandbox, generator: Generator, *, model: str, folder: Path, emit: Emit
    ) -> None:
        """`folder` holds the contexts and answers of every release; `model` names the model."""
        self._sandbox = sandbox
        self._generator = generator
        self._model = model
        self._folder = folder
        self._emit = emit

    async def learn(
        self, library: str, version: str, questions: Sequence[LibraryQuestion]
    ) -> list[Explained]:
        """Ask the questions and build contexts of what was wrong; the changes that explain it.

        Raises:
            ModelError: If the model does not answer.
            SandboxError: If the box cannot be used.
        """
        path = asked_file(self._folder, library, version)
        await asyncio.to_thread(make_private, path.parent)
        survey = Survey(self._sandbox, self._generator, model=self._model, path=path)
        done = 0

        def on_asked(_asked: SurveyAnswer) -> None:
            nonlocal done
            done += 1
            self._emit(Progress(done, len(questions), "questions"))

        asked = await survey.ask(library, questions, on_asked=on_asked)
        failures = [failure for each in asked if (failure := each.failure) is not None]
        builder = ContextBuilder(self._sandbox, folder=self._folder, say=self._say)
        found, unexplained = await builder.explain(failures, [library])
        right = sum(each.same for each in asked)
        self._say(
            f"{library} {version}: {len(asked)} asked, {right} as documented,"
            f" {len(found) + len(unexplained)} APIs that are not there, {len(found)} with a successor"
        )
        made = await builder.build(each.change for each in found)
        for api, contexts in made.items():
            self._say(f"{api}: {len(contexts)} verified contexts")
        return found

    def _say(self, text: str) -> None:
        self._emit(Notice(text))
