"""One clear sentence for each way in which there is no engine."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from sandbox.box.contract import EngineUnavailableError, SandboxError
from sandbox.box.engine import check_engine, connect, engine_errors, engine_url


def test_no_socket_says_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailableError, match=r"no Docker engine at .*: install and start"):
        check_engine({"DOCKER_HOST": f"unix://{tmp_path}/none.sock"})


def test_a_dead_socket_says_to_start_it(tmp_path: Path) -> None:
    path = tmp_path / "dead.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
    with pytest.raises(EngineUnavailableError, match="is not running: start it"):
        check_engine({"DOCKER_HOST": f"unix://{path}"})


def test_a_forbidden_socket_says_which_group_to_join(tmp_path: Path) -> None:
    path = tmp_path / "forbidden.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        path.chmod(0)
        tmp_path.chmod(0o755)
        if os.geteuid() != 0:
            with pytest.raises(EngineUnavailableError, match=r"no permission .* docker"):
                check_engine({"DOCKER_HOST": f"unix://{path}"})
            return
        # root may use any socket: ask as somebody who may not
        message = _message_as_nobody(f"unix://{path}")
    assert message.startswith("no permission to use the Docker engine")
    assert "usermod -aG docker" in message


def _message_as_nobody(url: str) -> str:
    read_end, write_end = os.pipe()
    # what is imported lazily must be imported while files can still be read
    import docker  # noqa: F401

    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        try:
            check_engine({"DOCKER_HOST": url})
        except EngineUnavailableError as error:
            os.write(write_end, str(error).encode())
        os._exit(0)
    os.close(write_end)
    os.waitpid(child, 0)
    with os.fdopen(read_end) as stream:
        return stream.read()


@contextmanager
def server_that_says(path: Path, reply: bytes) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        server.settimeout(10)

        def answer() -> None:
            asked = b""
            while not asked:  # a caller may look first whether anybody is there at all
                connection, _ = server.accept()
                with connection:
                    asked = connection.recv(4096)
                    if asked:
                        connection.sendall(reply)

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize("reply", [b"", b"garbage\r\n\r\n", b"HTTP/1.1 500 no\r\n\r\n"])
def test_something_else_behind_the_socket_is_not_an_engine(tmp_path: Path, reply: bytes) -> None:
    path = tmp_path / "other.sock"
    with (
        server_that_says(path, reply),
        pytest.raises(EngineUnavailableError, match="does not answer"),
    ):
        check_engine({"DOCKER_HOST": f"unix://{path}"})


@contextmanager
def server_that_hangs(
    path: Path,
    *,
    after_requests: int,
    version: bytes = b'{"ApiVersion": "1.41", "Version": "20.10"}',
) -> Iterator[None]:
    """Answers so many requests about its version as an engine would, then listens and is silent."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
    reply += b"Content-Length: %d\r\n\r\n%b" % (len(version), version)
    open_connections = []
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def answer() -> None:
            answered = 0
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    open_connections.append(connection)
                    if answered < after_requests and connection.recv(4096):
                        answered += 1
                        connection.sendall(reply)

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        for connection in open_connections:
            connection.close()


@pytest.mark.parametrize("after_requests", [0, 1, 2, 3])
def test_an_engine_that_hangs_is_given_up_at_the_deadline(
    tmp_path: Path, after_requests: int
) -> None:
    path = tmp_path / "hangs.sock"
    began = time.monotonic()
    with (
        server_that_hangs(path, after_requests=after_requests),
        pytest.raises(EngineUnavailableError, match="does not answer"),
        connect(f"unix://{path}", timeout_s=1) as client,
        engine_errors("the containers could not be listed"),
    ):
        client.containers()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (
            b'"Components": [{"Name": "Podman Engine"}]',
            r"is Podman, .* set DOCKER_HOST to the socket of a Docker engine",
        ),
        (b'"MemoryLimit": false, "PidsLimit": true', "cannot limit the memory and the processes"),
        (b'"MemoryLimit": true, "PidsLimit": false', "cannot limit the memory and the processes"),
    ],
)
def test_an_engine_that_cannot_fence_a_box_is_refused_before_anything_is_made_with_it(
    tmp_path: Path, says: bytes, reason: str
) -> None:
    path = tmp_path / "other.sock"
    version = b'{"ApiVersion": "1.41", %b}' % says
    with (
        server_that_hangs(path, after_requests=3, version=version),
        pytest.raises(EngineUnavailableError, match=rf"other\.sock {reason}"),
    ):
        check_engine({"DOCKER_HOST": f"unix://{path}"})


def test_a_refusal_that_quotes_a_whole_request_is_cut() -> None:
    from docker.errors import APIError

    refusal = APIError("no", explanation="cannot open {\n" + 20 * '"a long profile", ' + "}")
    with pytest.raises(SandboxError) as caught, engine_errors("the box could not be created"):
        raise refusal
    message = str(caught.value)
    assert message.startswith('the box could not be created: cannot open { "a long')
    assert message.endswith("[...]")
    assert "\n" not in message


def test_an_address_of_another_kind_is_refused() -> None:
    with pytest.raises(EngineUnavailableError, match="DOCKER_HOST=ssh://x is not"):
        engine_url({"DOCKER_HOST": "ssh://x"})


@pytest.mark.docker
def test_the_engine_says_what_it_is() -> None:
    info = check_engine()
    assert info.version
    assert info.cgroup_version in ("1", "2")
    assert info.cpus > 0
