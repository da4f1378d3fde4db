"""Explanations of attempts by a model of the user's choice, kept one by one."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from agent.settings.schema import ModelSettings
from lab.article.attempts import TextFile
from lab.article.settings import Explainer
from learning.evaluation.local import Generator
from learning.evaluation.prompting import Prompt
from learning.records import Message, Sampling


def explainer_settings(chosen: Explainer, own: ModelSettings) -> ModelSettings:
    """The model that explains, with the key and the limits of the user's own settings."""
    return dataclasses.replace(
        own, name=chosen.model, base_url=chosen.base_url or None, engine=chosen.engine
    )


async def explain_all(
    asked: Mapping[str, str],
    generator: Generator,
    file: TextFile,
    *,
    max_tokens: int,
    refused: Callable[[str], bool] = lambda _text: False,
    say: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[str, str]:
    """Complete `file`: a text for each question that was asked, by key.

    What is `refused` counts as empty: then there is no explanation.

    Raises:
        ModelError: If the model does not answer.
    """
    done = file.read()
    for number, (key, question) in enumerate(asked.items(), 1):
        if key not in done:
            prompt = Prompt(messages=(Message(role="user", content=question),))
            reply = await generator.generate(prompt, Sampling(max_tokens=max_tokens))
            text = " ".join(reply.text.split())
            done[key] = "" if refused(text) else text
            file.append(key, done[key])
        say(number, len(asked))
    return {key: done[key] for key in asked}
