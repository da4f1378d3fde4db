"""What runs on a node: work is opened and closed there, and expected failures come back as values."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import asdict
from pathlib import Path

from agent.settings.schema import ModelSettings, Settings
from lab.cluster.build import digest_of, source_digest
from lab.cluster.crew import Report
from lab.cluster.node_worker import Failed, Made, NodeWorker
from lab.rows.place import AskedModel
from tests.fakes.works import EchoWork


async def test_opened_work_makes_rows_and_is_closed(tmp_path: Path) -> None:
    worker: NodeWorker[str, int] = NodeWorker()
    left = tmp_path / "left"
    assert isinstance(await worker.open(EchoWork(left=left)), Report)
    assert await worker.make("a") == Made(row=ord("a"))
    assert not left.exists()
    await worker.close()
    assert left.read_text() == "closed"


async def test_what_cannot_be_opened_says_why() -> None:
    worker: NodeWorker[str, int] = NodeWorker()
    assert await worker.open(EchoWork(refuses="no such model")) == Failed(
        reason="no such model", elsewhere=True
    )
    await worker.close()


async def test_only_a_lost_model_or_sandbox_sends_a_row_elsewhere() -> None:
    worker: NodeWorker[str, int] = NodeWorker()
    await worker.open(EchoWork())
    assert await worker.make("!") == Failed(reason="it cannot be made", elsewhere=False)
    assert await worker.make("0") == Failed(reason="no engine answers", elsewhere=True)
    await worker.close()


async def test_closing_gives_up_what_is_in_the_making(tmp_path: Path) -> None:
    worker: NodeWorker[str, int] = NodeWorker()
    left = tmp_path / "left"
    await worker.open(EchoWork(left=left))
    making = asyncio.create_task(worker.make("?"))
    await asyncio.sleep(0)
    await worker.close()
    assert left.exists()
    assert (await asyncio.gather(making, return_exceptions=True))[0] is not None


def test_no_api_key_is_sent_and_an_adapter_arrives_with_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_bytes(b"{}")
    settings = ModelSettings(name=str(tmp_path), api_key="sk-secret")
    sent = AskedModel(settings=settings, adapter=("mine", folder)).to_send()
    arrived = pickle.loads(pickle.dumps(sent))  # noqa: S301 - our own bytes
    assert arrived == sent
    assert b"sk-secret" not in pickle.dumps(sent)
    assert arrived.adapter is None
    assert arrived.adapter_files == ("mine", {"adapter_config.json": b"{}"})


def test_no_setting_names_a_cluster() -> None:
    names = {name for section in asdict(Settings()).values() for name in section}
    assert "base_url" in names
    assert not [name for name in names if "cluster" in name or "ray" in name.split("_")]


def test_a_changed_prompt_makes_another_build(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    prompt = tmp_path / "prompts" / "one.md"
    prompt.write_text("Repair it.")
    before = digest_of({"agent": tmp_path})
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "one.pyc").write_bytes(b"compiled")
    assert digest_of({"agent": tmp_path}) == before
    prompt.write_text("Mend it.")
    assert digest_of({"agent": tmp_path}) != before
    assert source_digest() == source_digest()
