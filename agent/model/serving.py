"""Connects to the model that the settings name: our own server, or any OpenAI-compatible one."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.errors import (
    AdapterRefusedError,
    ModelMissingError,
    ServerLoadingError,
    ServerUnreachableError,
)
from agent.model.http_client import Endpoint
from agent.model.http_model import HttpModel
from agent.model.local_server import OnProgress, WantedServer, find_or_start, lease, log_of
from agent.model.openai_api import VLLM, Address, ServedModel, address, api_root
from agent.model.values import as_list, as_mapping, as_number, as_text
from agent.model.vllm import KnownModel, known, with_adapter
from agent.model.waiting import Patience
from agent.paths import Paths
from agent.settings.schema import ModelSettings

ASSUMED_CONTEXT_LENGTH = 4096
"""Context that Ollama gives a model unless told otherwise, and little enough for others."""
_ATTEMPTS = 3
_LOOK_EVERY_S = 1.0
# A server on this machine that refuses a connection is dead, not busy.
_OWN = Patience(attempts=2)

_REMEDIES = {
    "library": "start Ollama with a larger OLLAMA_CONTEXT_LENGTH",
    "llamacpp": "start llama-server with a larger -c",
    "vllm": "start vLLM with a larger --max-model-len",
    "organization_owner": "load the model in LM Studio with a larger context length",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterFolder:
    """The adapter that shall answer."""

    name: str
    folder: Path


@contextlib.asynccontextmanager
async def connect(
    model_name: str,
    *,
    paths: Paths,
    settings: ModelSettings,
    launcher: Sequence[str],
    environ: Mapping[str, str],
    adapter: AdapterFolder | None = None,
    on_progress: OnProgress = lambda _text, _elapsed_s: None,
    on_notice: Callable[[str], None] = lambda _text: None,
    start_timeout_s: float = 600.0,
) -> AsyncIterator[HttpModel]:
    """The model, ready to answer, while in the context.

    With `settings.base_url` that server is used; otherwise our own is found or started. An adapter
    that the server does not take is left out, with a notice; `HttpModel.adapter` tells.

    Raises:
        ModelError: If there is no such model to talk to.
    """
    async with contextlib.AsyncExitStack() as stack:
        served: KnownModel | None = None
        if settings.base_url:
            model, served = await _remote(
                stack, model_name, settings, on_progress, on_notice, models=paths.models
            )
        else:
            wanted = WantedServer(
                model=_absolute(model_name),
                engine=settings.engine,
                context_length=settings.context_length,
                idle_s=settings.idle_s,
                launcher=launcher,
                environ=environ,
                start_timeout_s=start_timeout_s,
            )
            model = await _own(stack, paths, wanted, on_progress)
        if adapter:
            model = await _with_adapter(stack, model, adapter, served, on_notice)
        yield model


async def _own(
    stack: contextlib.AsyncExitStack, paths: Paths, wanted: WantedServer, on_progress: OnProgress
) -> HttpModel:
    for attempt in range(1, _ATTEMPTS + 1):
        state = await find_or_start(paths, wanted, on_progress)
        endpoint = Endpoint(
            root=api_root(state.url),
            name=state.model or wanted.model,
            context_length=state.context_length,
            api_key=state.token,
            token_ids=True,
            pid=state.pid,
            remedy=_own_remedy(wanted.context_length),
            when_lost="it has stopped; run the command again to start it anew "
            f"(its log is {log_of(paths, wanted)})",
        )
        model = await stack.enter_async_context(HttpModel(endpoint, patience=_OWN))
        try:
            await stack.enter_async_context(lease(model.server))
        except ServerUnreachableError:
            # It ended itself between being found and being leased.
            if attempt == _ATTEMPTS:
                raise
            continue
        return model.at(_completed(endpoint, await model.server.served()))
    raise AssertionError("the last attempt returns or raises")


def _completed(endpoint: Endpoint, served: Sequence[ServedModel]) -> Endpoint:
    base = next((item for item in served if item.parent is None), None)
    if base is None:
        return endpoint
    length = base.context_length or endpoint.context_length
    return replace(endpoint, name=base.id, context_length=length, token_ids=base.token_ids)


async def _remote(
    stack: contextlib.AsyncExitStack,
    name: str,
    settings: ModelSettings,
    on_progress: OnProgress,
    on_notice: Callable[[str], None],
    *,
    models: Path,
) -> tuple[HttpModel, KnownModel | None]:
    """A foreign server, and what it serves, if that is surely a model that is installed here."""
    place = address(settings.base_url or "")
    asked = Endpoint(root=place.root, name=name, context_length=0, api_key=settings.api_key)
    model = await stack.enter_async_context(HttpModel(asked))
    model, served = await _listed(model, place, on_progress)
    asked = model.endpoint
    found = _chosen(served, name, asked.root, on_notice)
    same = await asyncio.to_thread(known, found, models) if found else None
    if found is None:
        endpoint = replace(asked, context_length=settings.context_length or 0)
    else:
        endpoint = replace(
            asked,
            name=found.id,
            context_length=found.context_length or await _asked_context_length(model, found),
            token_ids=found.token_ids or same is not None,
            owner=found.owner,
            stop_ids=same.stop_ids if same else (),
            remedy=_REMEDIES.get(found.owner, asked.remedy),
        )
    return model.at(_limited(endpoint, settings.context_length, on_notice)), same


async def _listed(
    model: HttpModel, place: Address, on_progress: OnProgress
) -> tuple[HttpModel, Sequence[ServedModel]]:
    """The models, and the model at that of the possible places where they are listed.

    Where none lists anything, the likeliest place is taken: some servers have no list.

    Raises:
        ModelError: If nobody answers anywhere, or somebody else does.
    """
    failure: ServerUnreachableError | None = None
    silent: HttpModel | None = None
    for api in place.apis:
        here = model.at(replace(model.endpoint, api=api))
        try:
            if served := await _loaded(here, on_progress):
                return here, served
        except ServerUnreachableError as err:
            failure = failure or err
        else:
            silent = silent or here
    if silent is None and failure is not None:
        raise failure
    return silent or model, ()


async def _loaded(model: HttpModel, on_progress: OnProgress) -> Sequence[ServedModel]:
    """The models, once the server has loaded one."""
    started = time.monotonic()
    while True:
        try:
            return await model.server.served()
        except ServerLoadingError:
            elapsed_s = time.monotonic() - started
            if elapsed_s > Patience().loading_s:
                raise
            on_progress(f"{model.endpoint.root} loads its model", elapsed_s)
            await asyncio.sleep(_LOOK_EVERY_S)


def _chosen(
    served: Sequence[ServedModel], name: str, root: str, on_notice: Callable[[str], None]
) -> ServedModel | None:
    """The entry of the wanted model; None if the server lists nothing.

    Raises:
        ModelMissingError: If the server has other models only.
    """
    for item in served:
        # Google lists `models/gemini-...`.
        if item.id in {name, f"{name}:latest", f"models/{name}"}:
            return item
    # llama-server has one model and takes any name for it.
    if len(served) == 1 and served[0].owner == "llamacpp":
        on_notice(f"{root} serves {served[0].id}; that is used instead of {name}")
        return served[0]
    if served:
        names = ", ".join(item.id for item in served)
        raise ModelMissingError(
            f"the server at {root} does not have the model {name!r}; it has: {names}. "
            "Set model.name (or --model) to one of them"
        )
    return None


async def _asked_context_length(model: HttpModel, found: ServedModel) -> int:
    """Context size that servers tell elsewhere than in their list of models; 0 if they do not."""
    if found.owner == "llamacpp":
        props = await model.server.get("/props")
        return as_number(as_mapping(props.get("default_generation_settings")).get("n_ctx"))
    if found.owner == "library":
        loaded = await model.server.get("/api/ps")
        rows = [as_mapping(row) for row in as_list(loaded.get("models"))]
        return next(
            (
                as_number(r.get("context_length"))
                for r in rows
                if as_text(r.get("name")) == found.id
            ),
            0,
        )
    if found.owner == "organization_owner":
        details = await model.server.get(f"/api/v0/models/{found.id}")
        return as_number(details.get("loaded_context_length"))
    return 0


def _limited(
    endpoint: Endpoint, own_limit: int | None, on_notice: Callable[[str], None]
) -> Endpoint:
    known = [length for length in (endpoint.context_length, own_limit) if length]
    if not known:
        on_notice(
            f"the server does not tell its context length; {ASSUMED_CONTEXT_LENGTH} tokens are "
            "assumed (set model.context_length to what it was started with)"
        )
    return replace(endpoint, context_length=min(known, default=ASSUMED_CONTEXT_LENGTH))


async def _with_adapter(
    stack: contextlib.AsyncExitStack,
    model: HttpModel,
    adapter: AdapterFolder,
    served: KnownModel | None,
    on_notice: Callable[[str], None],
) -> HttpModel:
    try:
        if model.endpoint.owner == VLLM:
            return await stack.enter_async_context(
                with_adapter(model, adapter.name, adapter.folder, served)
            )
        await model.server.load_adapter(adapter.name, adapter.folder)
    except AdapterRefusedError as err:
        on_notice(f"the adapter {adapter.name} is not active: {err}")
        return model
    return model.at(replace(model.endpoint, adapter=adapter.name))


def _own_remedy(limit: int | None) -> str:
    if limit:
        return f"raise model.context_length (ELAGENT_MODEL_CONTEXT_LENGTH), now {limit}"
    return "shorten the conversation, or choose a model with a longer context (`elagent models`)"


def _absolute(name: str) -> str:
    """A model given by its path is the same model from every folder."""
    is_path = "/" in name or name.endswith(".gguf") or name.startswith(".")
    return str(Path(name).absolute()) if is_path and Path(name).exists() else name
