"""A vLLM that the person started: which weights it serves, and the adapters that it is given for a session.

vLLM takes any adapter for any model, and keeps what it has read of a prompt by the adapter's name. So it
gets one only where it serves the very folder that the adapter was trained on, and only under a name that
says which weights it stands for.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent.errors import AdapterRefusedError, ModelError
from agent.model.http_client import OK
from agent.model.http_model import HttpModel
from agent.model.openai_api import VLLM, ServedModel
from agent.model.values import as_list, as_mapping
from learning.errors import LearningError
from learning.model.catalog import InstalledModel, installed, sha256_file
from learning.model.chat import ChatFormat
from learning.model.engine import EngineError, check_effect
from learning.model.identity import check_adapter
from learning.model.weights import training_folder

_WEIGHTS = "adapter_model.safetensors"
_PROBE: Mapping[str, object] = {
    "messages": [{"role": "user", "content": "a"}],
    "max_tokens": 4,
    "temperature": 0.0,
    "logprobs": True,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """An installed model that a vLLM serves under its name, from the folder that training reads."""

    model: InstalledModel
    stop_ids: tuple[int, ...]
    """Tokens that end a reply; vLLM tells them among its tokens, and they are no part of it."""


def known(found: ServedModel, models: Path) -> KnownModel | None:
    """The installed model that a server serves; None if that is not certain.

    Certain is only the folder: a name says nothing about weights.
    """
    if found.owner != VLLM or not found.root.startswith("/"):
        return None
    for model in installed(models):
        with contextlib.suppress(LearningError, OSError):
            if model.name != found.id or not _is_same(training_folder(model), found.root):
                continue
            chat = ChatFormat.load(training_folder(model))
            return KnownModel(model=model, stop_ids=tuple(chat.stop_ids))
    return None


@contextlib.asynccontextmanager
async def with_adapter(
    model: HttpModel, name: str, folder: Path, served: KnownModel | None
) -> AsyncIterator[HttpModel]:
    """The model with an adapter while in the context; whoever loaded it unloads it at the end.

    Another session that uses it still has it loaded again at its next request, as after a restart of the
    server.

    Raises:
        AdapterRefusedError: If vLLM must not have it, or does not take it.
        ModelError: If nobody answers.
    """
    if served is None:
        raise AdapterRefusedError(
            f"{model.endpoint.root} does not say that it serves the folder of weights on which the"
            " adapter was trained: start vLLM with `elagent serve --engine vllm`, or with that folder"
            " and --served-model-name as docs/scaling.md says"
        )
    await asyncio.to_thread(_check, name, folder, served)
    ours = await _loaded(model, name, folder)
    try:
        await _see_effect(model, name)

        async def load_again() -> None:
            await _loaded(model, name, folder)

        yield model.at(replace(model.endpoint, adapter=name), load_again=load_again)
    finally:
        if ours:
            with contextlib.suppress(ModelError):
                await model.server.unload_adapter(name)


def _is_same(folder: Path, root: str) -> bool:
    return folder.is_dir() and Path(root).is_dir() and folder.samefile(root)


def _check(name: str, folder: Path, served: KnownModel) -> None:
    """Refuse an adapter of another model, and a name that stands for other weights."""
    try:
        check_adapter(folder, served.model.identity)
        digest = sha256_file(folder / _WEIGHTS)
    except (EngineError, OSError) as err:
        raise AdapterRefusedError(str(err)) from err
    if not name.endswith(f"-{digest[:8]}"):
        raise AdapterRefusedError(
            f"its weights ({digest[:8]}) are not those of its name; vLLM could answer from what other"
            " weights of this name had read"
        )


async def _loaded(model: HttpModel, name: str, folder: Path) -> bool:
    """Load the adapter; False where the server has it already."""
    if any(item.id == name and item.parent for item in await model.server.served()):
        return False
    await model.server.load_adapter(name, folder)
    return True


async def _see_effect(model: HttpModel, name: str) -> None:
    """Compare the first words with and without the adapter; the first use is slow, and made here.

    Raises:
        AdapterRefusedError: If the server answers alike.
    """
    base, adapted = [await _probed(model, served) for served in (model.name, name)]
    try:
        check_effect(name, base, adapted)
    except EngineError as err:
        raise AdapterRefusedError(str(err)) from err


async def _probed(model: HttpModel, served: str) -> list[float]:
    place = f"{model.endpoint.api}/chat/completions"
    status, data, body = await model.server.call("POST", place, {**_PROBE, "model": served})
    if status != OK:
        raise model.server.error(model.server.failure(status, body))
    choices = as_list(data.get("choices"))
    logprobs = as_mapping(as_mapping(choices[0]).get("logprobs")) if choices else {}
    found = [as_mapping(item).get("logprob") for item in as_list(logprobs.get("content"))]
    return [float(value) if isinstance(value, int | float) else math.nan for value in found]
