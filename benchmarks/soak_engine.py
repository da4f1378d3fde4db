"""A Docker engine that the soak may restart, and a socket before it that can be cut off."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

USUAL = Path("/var/run/docker.sock")
_START_S = 60.0


class EngineSocket:
    """A socket that leads to an engine, and can be cut off from it."""

    def __init__(self, path: Path, engine: Path) -> None:
        self.path = path
        self._engine = engine
        self._away = False
        self._pairs: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen(64)
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self, *, away: bool) -> None:
        """Close all connections, and refuse new ones until this is called with False."""
        self._away = away
        for each in self._pairs:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._pairs.clear()

    def _accept(self) -> None:
        while True:
            client, _ = self._server.accept()
            if self._away:
                client.close()
                continue
            engine = socket.socket(socket.AF_UNIX)
            try:
                engine.connect(str(self._engine))
            except OSError:  # it is being restarted
                client.close()
                engine.close()
                continue
            self._pairs = [each for each in self._pairs if each.fileno() >= 0]
            self._pairs += [client, engine]
            threading.Thread(target=_join, args=(client, engine), daemon=True).start()


def _join(client: socket.socket, engine: socket.socket) -> None:
    """Pass on what both sides say, until both have ended."""
    back = threading.Thread(target=_copy, args=(engine, client), daemon=True)
    back.start()
    _copy(client, engine)
    back.join()
    client.close()
    engine.close()


def _copy(source: socket.socket, target: socket.socket) -> None:
    """Pass on what comes; the end of one side is told to the other."""
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class OwnEngine:
    """A second Docker engine of this machine, with images, boxes and a network of its own; only root may start it.

    In the host's network it would take away the bridge of the engine that is there.
    """

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "own.sock"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            RuntimeError: If it does not within a minute.
        """
        places = {
            "--host": f"unix://{self.socket}",
            "--data-root": str(self._folder / "data"),
            "--exec-root": str(self._folder / "exec"),
            "--pidfile": str(self._folder / "pid"),
        }
        options = [word for pair in places.items() for word in pair]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_UNSHARE, "--net", _DOCKERD, *options, "--bridge", "none", "--iptables=false"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + _START_S
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                raise RuntimeError(f"the engine does not answer; its log: {self._folder / 'log'}")
            time.sleep(0.1)

    def restart(self) -> None:
        """End it with all its boxes, as its service manager does, and start it again."""
        self.end()
        self.start()

    def end(self) -> None:
        """End it and whatever it started."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_START_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process = None

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asked:
            asked.settimeout(5)
            asked.connect(str(self.socket))
            asked.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return b" 200 " in asked.recv(64)
        return False


_DOCKERD, _UNSHARE = (shutil.which(name) or name for name in ("dockerd", "unshare"))


@contextlib.contextmanager
def own_engine(folder: Path) -> Iterator[OwnEngine]:
    """A started engine in a folder, which is emptied behind it."""
    folder.mkdir()
    engine = OwnEngine(folder)
    try:
        engine.start()
        yield engine
    finally:
        engine.end()
        shutil.rmtree(folder, ignore_errors=True)
