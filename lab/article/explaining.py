"""Explanations of attempts by a model of the user's choice, kept one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from agent.settings.schema import ModelSettings
from lab.article.settings import Explainer
from lab.rows.rollouts import ExplanationFile
from learning.evaluation.prompting import Prompt
from learning.evaluation.run import OnRow, complete, silent
from learning.evaluation.task import Generator
from learning.records import Message, Sampling


def explainer_settings(chosen: Explainer, own: ModelSettings) -> ModelSettings:
    """The model that explains, with the key and the limits of the user's own settings."""
    return dataclasses.replace(
        own, name=chosen.model, base_url=chosen.base_url or None, engine=chosen.engine
    )


async def explain_all(
    asked: Mapping[str, str],
    generator: Generator,
    file: ExplanationFile,
    *,
    max_tokens: int,
    refused: Callable[[str], bool] = lambda _text: False,
    on_row: OnRow[str] = silent,
) -> dict[str, str]:
    """Complete `file`: a text for each question that was asked, by key.

    A text that is `refused` is kept as empty: then there is no explanation.

    Raises:
        ModelError: If the model does not answer.
    """

    async def make(key: str) -> str:
        prompt = Prompt(messages=(Message(role="user", content=asked[key]),))
        reply = await generator.generate(prompt, Sampling(max_tokens=max_tokens))
        text = " ".join(reply.text.split())
        return "" if refused(text) else text

    return await complete(file, asked, make, on_row=on_row)
