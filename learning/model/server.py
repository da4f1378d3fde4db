"""`elagent serve`: one model behind the OpenAI-compatible API, on loopback, while it is needed."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from learning.extra import missing, need
from learning.model.access import AccessCheck, IdleWatch
from learning.model.api import Api
from learning.model.catalog import InstalledModel, find
from learning.model.chat import ChatFormat
from learning.model.convert import Progress
from learning.model.engine import Engine, EngineError, LocalModelError
from learning.model.engine_thread import EngineThread
from learning.model.processor import may_have_gpu
from learning.model.replies import LoadedModel
from learning.model.resolve import resolve
from learning.model.weights import ensure_weights, is_packed

if TYPE_CHECKING:
    from starlette.applications import Starlette

_SHUTDOWN_S = 2
ENGINES = ("llama", "torch", "vllm")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerInfo:
    """Address and token of a running server; the content of its state file."""

    url: str
    token: str
    pid: int
    model: str
    engine: str
    context_length: int


def serve(
    *,
    model: str,
    models_dir: Path,
    engine: str,
    port: int,
    idle_s: float,
    state_file: Path | None,
    adapters: Sequence[tuple[str, Path]],
    token: str | None,
    context_length: int | None,
    max_lora_rank: int | None = None,
) -> None:
    """Load a model and serve it until its last client has been gone for `idle_s` seconds.

    Raises:
        LocalModelError: If the model, an adapter or the port cannot be had.
    """
    installed = resolve(model, models_dir)
    with closing(_listen(port)) as listener:
        kind = pick_engine(installed, engine)
        served = LoadedModel(
            installed,
            ChatFormat.load(_folder(installed)),
            open_engine(
                installed, kind, context_length=context_length, max_lora_rank=max_lora_rank
            ),
            kind,
        )
        try:
            for name, folder in adapters:
                served.prepare_adapter(name, folder)()
                if state_file is None:
                    sys.stderr.write(f"The adapter {name} is a model of that name\n")
            info = ServerInfo(
                url=f"http://127.0.0.1:{listener.getsockname()[1]}",
                token=token or secrets.token_urlsafe(32),
                pid=os.getpid(),
                model=installed.name,
                engine=kind,
                context_length=served.engine.context_length,
            )
            watch = IdleWatch(idle_s=idle_s, clock=time.monotonic)
            thread = EngineThread(served.engine.capabilities.at_once)
            app = build_app(served, thread, info, watch, state_file=state_file)
            asyncio.run(_run(app, listener, watch))
            thread.close()
        finally:
            served.engine.close()


def pick_engine(model: InstalledModel, wanted: str) -> str:
    """The requested engine: `llama`, `torch` or `vllm`; for `auto`, torch on a GPU and for models without GGUF.

    Of models whose weights were never unpacked, only those of the package index are left to torch by `auto`:
    the others can be many times the size of their file.

    Raises:
        EngineError: If the model cannot be served by the engine that was asked for.
        NotInstalledError: If it needs torch or vLLM, which is not installed.
    """
    if wanted == "auto":
        return _best_engine(model)
    if wanted not in ENGINES:
        raise EngineError(f"There is no engine {wanted!r}; use auto, llama, torch or vllm.")
    if wanted == "llama" and model.gguf is None:
        raise EngineError(f"{model.name} has no GGUF file; serve it with `--engine torch`.")
    if wanted == "torch":
        need("The torch engine")
    if wanted == "vllm":
        from learning.model.vllm.process import find_vllm

        find_vllm()
    return wanted


def _best_engine(model: InstalledModel) -> str:
    if model.gguf is None:
        need(f"{model.name} has no GGUF file, so serving it")
        return "torch"
    if importlib.util.find_spec("xllamacpp") is None:
        if is_packed(model) or missing():
            raise EngineError(f"{model.name} needs llama.cpp here: install the package xllamacpp.")
        return "torch"
    return "torch" if _unpacks_easily(model) and not missing() and _has_gpu() else "llama"


def _unpacks_easily(model: InstalledModel) -> bool:
    entry = find(model.name)
    return not is_packed(model) or bool(entry and entry.parts)


def open_engine(
    model: InstalledModel,
    kind: str,
    *,
    context_length: int | None,
    max_lora_rank: int | None = None,
) -> Engine:
    """Load the model into memory; for torch and vLLM, unpack its weights first where that was never done.

    `max_lora_rank` is the largest rank of an adapter, which only vLLM must be told in advance.

    Raises:
        EngineError: If it cannot be loaded.
        ConvertError: If its weights cannot be unpacked.
    """
    if kind == "llama" and model.gguf is not None:
        from learning.model.llama.engine import LlamaEngine

        return LlamaEngine(
            model.gguf,
            _folder(model),
            model_context=model.context_length,
            context_length=context_length,
        )
    folder = ensure_weights(model, on_progress=_say_stage()) if model.gguf else _folder(model)
    if kind == "vllm":
        from learning.model.vllm.engine import DEFAULT_RANK, VllmEngine

        return VllmEngine(
            folder,
            name=model.name,
            model_context=model.context_length,
            context_length=context_length,
            max_rank=max_lora_rank or DEFAULT_RANK,
        )
    from learning.model.torch_engine import TorchEngine

    return TorchEngine(folder, model_context=model.context_length, context_length=context_length)


def _say_stage() -> Progress:
    """Say each stage once, on stderr: of a server that a session started, that is its log."""
    said: set[str] = set()

    def on_progress(stage: str, _done: int, _total: int) -> None:
        if stage not in said:
            said.add(stage)
            sys.stderr.write(f"{stage}\n")

    return on_progress


def build_app(
    served: LoadedModel,
    thread: EngineThread,
    info: ServerInfo,
    watch: IdleWatch,
    *,
    state_file: Path | None,
) -> Starlette:
    """The application behind its access check; while it runs, its state file tells clients where it is."""
    from starlette.applications import Starlette
    from starlette.middleware import Middleware

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        _announce(info, state_file)
        try:
            yield
        finally:
            _withdraw(info, state_file)

    return Starlette(
        routes=Api(served, thread, finish=watch.finish).routes(),
        middleware=[Middleware(AccessCheck, token=info.token, watch=watch)],
        lifespan=lifespan,
    )


async def _run(app: Starlette, listener: socket.socket, watch: IdleWatch) -> None:
    import uvicorn

    from learning.model.http_protocol import ImpatientProtocol

    config = uvicorn.Config(
        app,
        http=ImpatientProtocol,
        log_config=None,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=_SHUTDOWN_S,
        server_header=False,
    )
    server = uvicorn.Server(config)

    async def end_when_idle() -> None:
        while (remaining_s := watch.remaining_s()) > 0:  # noqa: ASYNC110 - a clock, no event
            await asyncio.sleep(min(remaining_s, 1.0))
        server.should_exit = True

    idle = asyncio.create_task(end_when_idle())
    try:
        await server.serve(sockets=[listener])
    finally:
        idle.cancel()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()  # who comes before the server accepts shall wait, not be refused
    except OSError as err:
        listener.close()
        raise LocalModelError(
            f"Port {port} cannot be used ({err.strerror}); choose another."
        ) from err
    return listener


def _folder(model: InstalledModel) -> Path:
    if model.hf is None:
        raise LocalModelError(f"{model.name} has no tokenizer; remove it and pull it again.")
    return model.hf


def _has_gpu() -> bool:
    if not may_have_gpu():
        return False  # torch takes seconds, and half a gigabyte, to say the same
    import torch

    return torch.cuda.is_available()


def _announce(info: ServerInfo, state_file: Path | None) -> None:
    """Write the state file, readable by its owner only; without one, tell the terminal."""
    if state_file is None:
        sys.stderr.write(f"Serving {info.model} ({info.engine}) at {info.url}/v1\n")
        sys.stderr.write(f"API key: {info.token}\n")
        return
    state_file.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=state_file.parent, prefix=f".{state_file.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mkstemp creates with mode 600
        json.dump(asdict(info), file)
        file.flush()
        os.fsync(file.fileno())
    Path(name).replace(state_file)


def _withdraw(info: ServerInfo, state_file: Path | None) -> None:
    """Remove the state file unless another server has taken its place."""
    if state_file is None:
        return
    with suppress(OSError, ValueError, KeyError, RecursionError):
        if json.loads(state_file.read_text(encoding="utf-8"))["token"] == info.token:
            state_file.unlink()
