"""A Ray cluster as a crew: one worker on each node, with the model and the container engine of that node.

Ray starts the workers, carries their calls and notices lost nodes; it is not asked to start a lost worker
again. Nothing here is read from a setting or a file: only who asks for a cluster gets one. Ray's usage
statistics and its dashboard stay off.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from lab.cluster.build import source_digest
from lab.cluster.crew import ClusterError, Report, WorkerLostError, muster
from lab.cluster.node_worker import Made, NodeWorker, WorkFailed
from lab.rows.work import Opened, Work
from learning.evaluation.rows import Key, Row
from learning.evaluation.samples import ResultManifest

LOCAL = "local"
"""The address of a cluster that is started on this machine and ends with the run."""
_OBJECTS_BYTES = 100 * 2**20
"""Memory for values between the processes of a local cluster: rows are small."""
_ANSWER_S = 180.0
"""Time for a node to start a process that imports elagent."""
_CONNECT_S = 10.0
_CLOSE_S = 20.0
_OURS = Path(__file__).resolve().parents[2]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster that somebody asked for."""

    address: str
    """`local`, `auto`, HOST:PORT or ray://HOST:PORT."""
    workers: int | None = None
    """Number of workers, over the nodes in turn; None for one on each node."""


@contextlib.asynccontextmanager
async def opened_on(
    cluster: Cluster,
    work: Work[Key, Row],
    *,
    wanted: ResultManifest | None = None,
    say: Callable[[str], None],
) -> AsyncIterator[Opened[Key, Row]]:
    """Work that was opened on every able node of a cluster, while in the context.

    Raises:
        ClusterError: If Ray is not installed, nobody answers, or no node can make the rows.
    """
    see_answering(cluster)
    ray = _ray(cluster)
    with _connected(ray, cluster):
        workers: list[RayWorker[Key, Row]] = _workers(ray, cluster)
        try:
            yield await muster(workers, work, wanted=wanted, say=say)
        finally:
            await asyncio.gather(*(worker.close() for worker in workers))


def see_answering(cluster: Cluster) -> None:
    """See that Ray is installed and somebody listens, before anything that takes long; blocks.

    Raises:
        ClusterError: If Ray is missing, or nobody answers at the address.
    """
    _ray(cluster)
    _check_answers(cluster.address)


class RayWorker(Generic[Key, Row]):
    """One actor on one node; see `lab.cluster.crew.Worker`."""

    def __init__(self, ray: ModuleType, name: str, options: dict[str, object]) -> None:
        self.name = name
        self._ray = ray
        self._options = options
        self._actor: Any = None

    async def open(self, work: Work[Key, Row]) -> Report:
        """See `Worker.open`."""
        await self._check_build()
        actor = self._ray.remote(NodeWorker).options(**self._options, max_restarts=0)
        self._actor = actor.remote()
        try:
            outcome = await _answer(self._actor.open.remote(work))
        except self._ray.exceptions.RayTaskError as err:
            raise ClusterError(f"it cannot begin: {_last_line(err)}") from err
        except (self._ray.exceptions.RayError, ConnectionError) as err:
            raise ClusterError(f"it was lost when it began: {_first_line(err)}") from err
        if isinstance(outcome, WorkFailed):
            raise ClusterError(outcome.reason)
        assert isinstance(outcome, Report)  # noqa: S101 - it is one of the two
        return outcome

    async def make(self, key: Key) -> Row:
        """See `Worker.make`."""
        try:
            outcome: Made[Row] | WorkFailed = await _answer(self._actor.make.remote(key))
        except self._ray.exceptions.RayTaskError:
            raise  # nobody expected it: a fault of ours, on whichever machine
        except (self._ray.exceptions.RayError, ConnectionError) as err:
            raise WorkerLostError(_first_line(err)) from err
        if isinstance(outcome, Made):
            return outcome.row
        if outcome.elsewhere:
            raise WorkerLostError(outcome.reason)
        raise ClusterError(f"{self.name}: {outcome.reason}")

    async def close(self) -> None:
        """End the worker, its boxes and its model; one that is lost already is no fault."""
        if self._actor is None:
            return
        with contextlib.suppress(self._ray.exceptions.RayError, ConnectionError, TimeoutError):
            await asyncio.wait_for(_answer(self._actor.close.remote()), _CLOSE_S)
        with contextlib.suppress(self._ray.exceptions.RayError, ConnectionError):
            self._ray.kill(self._actor)

    async def _check_build(self) -> None:
        """Refuse a node with another elagent, before anything of ours is sent there.

        Raises:
            ClusterError: If it has none, or another one.
        """
        there = await self._called(version, "elagent")
        if there != version("elagent"):
            raise ClusterError(
                f"it has elagent {there}, and this machine {version('elagent')}: install one of them"
                " on every node"
            )
        if await self._called(source_digest) != source_digest():
            raise ClusterError(
                f"its elagent {there} is another build than the one of this machine: install one of"
                " them on every node"
            )

    async def _called(self, function: Callable[..., str], *arguments: str) -> str:
        """Call a function of the elagent that is installed on the node, and return its answer."""
        task = self._ray.remote(max_retries=0, num_cpus=0)(function)
        place = {"scheduling_strategy": self._options["scheduling_strategy"]}
        try:
            return await asyncio.wait_for(
                _answer(task.options(**place).remote(*arguments)), _ANSWER_S
            )
        except TimeoutError as err:
            raise ClusterError(f"it did not answer within {_ANSWER_S:.0f} s") from err
        except (self._ray.exceptions.RayTaskError, ImportError, AttributeError) as err:
            raise ClusterError(
                f"it has no elagent like that of this machine ({_last_line(err)}): install the same"
                " on every node"
            ) from err
        except (self._ray.exceptions.RayError, ConnectionError) as err:
            raise ClusterError(f"it did not answer: {_first_line(err)}") from err


def _ray(cluster: Cluster) -> ModuleType:
    """Ray, told to keep what it sees for itself; it reads these words when it is imported.

    Raises:
        ClusterError: If it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"  # else it sends the current folder to nodes
    if cluster.address == LOCAL:  # other users of this machine could run code in it otherwise
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    try:
        importlib.import_module("ray.exceptions")
        return importlib.import_module("ray")
    except ImportError as err:
        raise ClusterError(
            "--cluster needs Ray, which is not installed: pip install 'elagent[ray]'"
        ) from err


def _check_answers(address: str) -> None:
    """See that somebody listens at a HOST:PORT, for which Ray itself would wait for minutes.

    Raises:
        ClusterError: If nobody does.
    """
    host, colon, port = address.rpartition("//")[2].rpartition(":")
    if not colon or not port.isdecimal():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except (OSError, OverflowError) as err:
        raise ClusterError(f"no Ray cluster answers at {address} ({err})") from err


@contextlib.contextmanager
def _connected(ray: ModuleType, cluster: Cluster) -> Iterator[None]:
    """A connection to the cluster; a local one is started, and answers only who knows its token.

    Raises:
        ClusterError: If nobody answers, or one cannot be started.
    """
    with tempfile.TemporaryDirectory(prefix="el-", ignore_cleanup_errors=True) as folder:
        options: dict[str, object] = {"address": cluster.address}
        if cluster.address == LOCAL:
            options |= {
                "num_cpus": max(1, cluster.workers or 1),
                "object_store_memory": _OBJECTS_BYTES,
                "include_dashboard": False,
                "_node_ip_address": "127.0.0.1",
                "_temp_dir": folder,
            }
        handler = signal.getsignal(signal.SIGTERM)
        try:
            # Ray puts the current folder, which may be a stranger's, on the import path of every worker.
            with contextlib.chdir(_OURS):
                ray.init(**options, log_to_driver=False, logging_level=logging.CRITICAL)
        except (ConnectionError, RuntimeError, ValueError, OSError, ray.exceptions.RayError) as err:
            raise ClusterError(
                f"no Ray cluster can be used at {cluster.address}: {_ends_of(err)}"
            ) from err
        finally:
            signal.signal(signal.SIGTERM, handler)  # Ray's own would end the program at once
        try:
            # Ray tells of lost processes on standard output, where the result goes.
            with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
                yield
        finally:
            ray.shutdown()


def _workers(ray: ModuleType, cluster: Cluster) -> list[Any]:
    """Workers on the nodes of the cluster that may compute, the head first."""
    affinity = importlib.import_module("ray.util.scheduling_strategies")
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]
    nodes.sort(key=lambda node: ("node:__internal_head__" not in node["Resources"], node["NodeID"]))
    count = len(nodes) if cluster.workers is None else cluster.workers
    chosen = [nodes[number % len(nodes)] for number in range(count)] if nodes else []
    ids = [node["NodeID"] for node in chosen]
    return [
        RayWorker(
            ray,
            f"worker {number} on {node['NodeManagerHostname']}",
            {
                "scheduling_strategy": affinity.NodeAffinitySchedulingStrategy(
                    node_id=node["NodeID"], soft=False
                ),
                "num_cpus": 0,
                "num_gpus": _share(node["Resources"].get("GPU", 0), ids.count(node["NodeID"])),
            },
        )
        for number, node in enumerate(chosen, 1)
    ]


def _share(gpus: float, workers: int) -> float:
    """The GPUs of a node that each of its workers gets: whole ones, or a part of one."""
    return gpus // workers if gpus >= workers else gpus / workers


async def _answer(call: Awaitable[_T]) -> _T:
    """Ray's reference as a coroutine."""
    return await call


def _first_line(err: BaseException) -> str:
    lines = [line.strip() for line in str(err).splitlines() if line.strip()]
    return lines[0].rstrip(".:") if lines else repr(err)


def _ends_of(err: BaseException) -> str:
    """The first and the last line of a message, without a server's traceback between them."""
    return ": ".join(dict.fromkeys((_first_line(err), _last_line(err))))


def _last_line(err: BaseException) -> str:
    return next((line.strip() for line in reversed(str(err).splitlines()) if line.strip()), "")
