"""The systems of a trial: one engine that answers with a named adapter or without any."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from agent.errors import AgentError
from agent.model.protocol import Model
from agent.model.serving import AdapterFolder, connect
from agent.paths import Paths
from agent.settings.schema import ModelSettings
from learning.promotion.adapters import AdapterStore


class TrialError(AgentError):
    """An adapter cannot be tried; the message says why."""


class Systems(Protocol):
    """Gives the model with an adapter, or without one."""

    async def model(self, adapter: str | None) -> Model: ...


class ServedSystems:
    """Our own model server, which holds the weights once and any number of adapters."""

    def __init__(
        self,
        stack: AsyncExitStack,
        *,
        adapters: AdapterStore,
        settings: ModelSettings,
        paths: Paths,
        launcher: Sequence[str],
        environ: Mapping[str, str],
        say: Callable[[str], None],
    ) -> None:
        self._stack = stack
        self._adapters = adapters
        self._settings = settings
        self._paths = paths
        self._launcher = launcher
        self._environ = environ
        self._say = say
        self._open: dict[str | None, Model] = {}

    async def model(self, adapter: str | None) -> Model:
        """See `Systems.model`.

        Raises:
            ModelError: If there is no such model to talk to.
            TrialError: If the server does not take the adapter.
        """
        if adapter not in self._open:
            folder = adapter and AdapterFolder(name=adapter, folder=self._adapters.path(adapter))
            model = await self._stack.enter_async_context(
                connect(
                    self._settings.name,
                    paths=self._paths,
                    settings=self._settings,
                    launcher=self._launcher,
                    environ=self._environ,
                    adapter=folder or None,
                    on_notice=self._say,
                )
            )
            if model.adapter != adapter:
                raise TrialError(f"the server does not answer with the adapter {adapter}")
            self._open[adapter] = model
        return self._open[adapter]


@asynccontextmanager
async def served_systems(
    *,
    adapters: AdapterStore,
    settings: ModelSettings,
    paths: Paths,
    launcher: Sequence[str],
    environ: Mapping[str, str],
    say: Callable[[str], None],
) -> AsyncIterator[ServedSystems]:
    """Connections to our own server, opened when they are first needed and closed together."""
    async with AsyncExitStack() as stack:
        yield ServedSystems(
            stack,
            adapters=adapters,
            settings=settings,
            paths=paths,
            launcher=launcher,
            environ=environ,
            say=say,
        )
