"""A member with an altered client, and a bucket that somebody changed, harm nobody who fetches."""

from __future__ import annotations

import dataclasses
import errno
import json
from pathlib import Path

import pytest
from sqlalchemy import update

from learning.promotion.manifest import AdapterManifest, hash_files, manifest_text
from learning.team.bucket import MAX_ADAPTER_BYTES, Bucket
from learning.team.connecting import address_of
from learning.team.errors import TeamAddressError, TeamError, TeamUnreachableError
from learning.team.failures import bucket_explained
from learning.team.pulling import fetch
from learning.team.reading import CONFIG, WEIGHTS
from learning.team.schema import ADAPTERS
from learning.team.store import TeamStore
from learning.team.values import Lineage
from tests.fakes.plain_lora import PLAIN_LORA
from tests.fakes.team import Person, Team, get_all, send


def share_raw(person: Person, made: AdapterManifest, **columns: object) -> None:
    """Put an adapter into the store as it is, past every check of the sharing side."""
    with person.team() as store:
        store.adapters.add(Lineage(manifest=made), project="shop", size_bytes=100_000)
        if columns:
            with store.database.writing() as db:
                db.execute(update(ADAPTERS).values(columns))


def nothing_was_kept(person: Person) -> bool:
    return person.adapters.list() == () and list(person.scratch.iterdir()) == []


def changed_file(team: Team, made: AdapterManifest, name: str) -> Path:
    return Path(team.ben.bucket_url) / "adapters" / made.digest / name


def test_weights_that_somebody_changed_are_not_kept(team_in_files: Team) -> None:
    made = team_in_files.ben.make_adapter()
    send(team_in_files.ben)
    path = changed_file(team_in_files, made, WEIGHTS)
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(TeamError, match="differs from its digest"):
        get_all(team_in_files.rita)
    assert nothing_was_kept(team_in_files.rita)


def test_more_bytes_than_were_told_are_not_read_to_their_end(team_in_files: Team) -> None:
    made = team_in_files.ben.make_adapter()
    send(team_in_files.ben)
    changed_file(team_in_files, made, CONFIG).write_bytes(b"x" * 100_000)
    with pytest.raises(TeamError, match="larger than the team's store says"):
        get_all(team_in_files.rita)
    assert nothing_was_kept(team_in_files.rita)


@pytest.mark.parametrize("size", [-1, 0, MAX_ADAPTER_BYTES + 1])
def test_an_adapter_of_an_absurd_size_is_not_fetched(size: int, team_in_files: Team) -> None:
    team_in_files.ben.make_adapter()
    send(team_in_files.ben)
    with team_in_files.ben.team() as store, store.database.writing() as db:
        db.execute(update(ADAPTERS).values(size_bytes=size))
    with pytest.raises(TeamError, match="larger than any"):
        get_all(team_in_files.rita)
    assert nothing_was_kept(team_in_files.rita)


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "../../elsewhere"},
        {"name": "el-shop-v0001-0000000g"},
        {"files": {"../evil.py": "0" * 64, WEIGHTS: "0" * 64}},
        {"files": {WEIGHTS: "0" * 64, CONFIG: "0" * 64, "adapter_model.bin": "0" * 64}},
        {"files": {WEIGHTS: "0" * 64, CONFIG: "../../secret"}},
        {"report": {"examples": {"api_pair": "many"}}},
        {"report": {"losses": [1.0], "examples": [1]}, "created_at": -5.0},
        {"decision": {"kind": "promoted"}},
    ],
)
def test_a_manifest_that_this_program_would_not_write_is_left_out(
    changes: dict[str, object], team_in_files: Team
) -> None:
    made = team_in_files.ben.make_adapter()
    forged = dataclasses.replace(made, **changes)  # type: ignore[arg-type]
    share_raw(team_in_files.ben, forged)
    with pytest.raises(TeamError, match="was left out"):
        get_all(team_in_files.rita)
    assert nothing_was_kept(team_in_files.rita)


@pytest.mark.parametrize(
    ("column", "text"),
    [
        *(("manifest", text) for text in ("", "[]", "null", '{"v": 1}', "[" * 100_000)),
        *(("ancestors", text) for text in ("", "{}", "null", '["a"]', "[" * 100_000)),
    ],
)
def test_a_row_of_nonsense_is_left_out(column: str, text: str, team_in_files: Team) -> None:
    made = team_in_files.ben.make_adapter()
    share_raw(team_in_files.ben, made, **{column: text})
    with pytest.raises(TeamError, match="was left out"):
        get_all(team_in_files.rita)


def test_an_adapter_under_the_digest_of_another_is_not_fetched(team_in_files: Team) -> None:
    made = team_in_files.ben.make_adapter()
    send(team_in_files.ben)
    other = manifest_text(dataclasses.replace(made, experience_ids=()))
    with team_in_files.ben.team() as store, store.database.writing() as db:
        db.execute(update(ADAPTERS).values(manifest=other))
    with pytest.raises(TeamError, match="not what its digest says"):
        get_all(team_in_files.rita)


@pytest.mark.parametrize(
    "settings",
    [
        {"peft_type": "PROMPT_TUNING", "tokenizer_kwargs": {"trust_remote_code": True}},
        {"megatron_config": {"a": 1}, "megatron_core": "os"},
        {"megatron_core": "os"},
        {"auto_mapping": {"parent_library": "os"}},
        {"modules_to_save": ["lm_head"]},
        {"target_modules": {"a": 1}},
        {"something_new": True},
        {"init_lora_weights": "eva"},
    ],
)
def test_settings_that_are_not_plain_lora_are_refused(
    settings: dict[str, object], team_in_files: Team
) -> None:
    ben = team_in_files.ben
    made = ben.make_adapter()
    folder = ben.adapters.path(made.name)
    (folder / CONFIG).write_text(json.dumps({**json.loads(PLAIN_LORA), **settings}))
    forged = dataclasses.replace(made, files={k: hash_files(folder)[k] for k in (WEIGHTS, CONFIG)})
    sizes = {name: (folder / name).stat().st_size for name in (WEIGHTS, CONFIG)}
    ben.bucket().put(forged.digest, folder, sizes)
    share_raw(ben, forged)
    with pytest.raises(TeamError, match="not plain LoRA"):
        get_all(team_in_files.rita)
    assert nothing_was_kept(team_in_files.rita)


def test_another_adapter_of_the_same_name_is_never_replaced(team_in_files: Team) -> None:
    team_in_files.ben.make_adapter()
    own = team_in_files.rita.make_adapter(experience_ids=("r1",))
    send(team_in_files.ben)
    with pytest.raises(TeamError, match="another adapter is named"):
        get_all(team_in_files.rita)
    assert team_in_files.rita.adapters.list() == (own,)


def test_an_ancestor_cannot_take_the_name_of_an_adapter_here(team_in_files: Team) -> None:
    team = team_in_files
    parent = team.ben.make_adapter(1, decision={})
    team.ben.make_adapter(2, parent=parent.name)
    own = team.rita.make_adapter(1, experience_ids=("r1",))
    assert own.name == parent.name
    send(team.ben)
    with pytest.raises(Exception, match=f"another adapter is named {own.name} here"):
        get_all(team.rita)
    assert team.rita.adapters.list() == (own,)


@pytest.mark.parametrize(
    "url",
    [
        *(
            "",
            "mysql://a@b/c",
            "sqlite:///relative.sqlite3",
            "sqlite://",
            "postgresql+asyncpg://h/d",
        ),
        *("http://h/d", "not an address"),
    ],
)
def test_an_address_that_is_none_is_told(url: str) -> None:
    with pytest.raises(TeamAddressError, match="postgresql://NAME@HOST/DATABASE"):
        TeamStore.open(url, name="ben")


@pytest.mark.parametrize(
    ("url", "sslmode"),
    [
        ("postgresql://ben@db.example.org/team", "require"),
        ("postgresql://ben@db.example.org/team?sslmode=verify-full", "verify-full"),
        ("postgresql://ben@localhost/team", None),
        ("postgresql://ben@/team?host=/run/postgresql", None),
    ],
)
def test_a_connection_to_another_host_is_encrypted(
    url: str, sslmode: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PGSSLMODE", raising=False)
    assert address_of(url)[0].query.get("sslmode") == sslmode


def test_what_libpq_was_told_of_encryption_is_not_overridden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PGSSLMODE", "verify-full")
    assert "sslmode" not in address_of("postgresql://ben@db.example.org/team")[0].query


@pytest.mark.parametrize(
    "url", ["relative", "http://h/x", "s3://", "simplecache::s3://a/b", "github://a:b@c/", ""]
)
def test_a_bucket_is_a_folder_or_s3_and_nothing_else(url: str) -> None:
    with pytest.raises(TeamAddressError, match="no address of a bucket"):
        Bucket.open(url)


def test_a_password_is_never_told() -> None:
    with pytest.raises(TeamError) as refused:
        TeamStore.open("mysql://ben:hunter2@host/db", name="ben")
    assert "hunter2" not in str(refused.value)
    with pytest.raises(TeamUnreachableError) as lost:
        TeamStore.open("postgresql://ben:hunter2@127.0.0.1:9/db", name="ben")
    assert "hunter2" not in str(lost.value)
    assert "does not answer" in str(lost.value)


def test_a_full_disk_behind_the_bucket_is_told() -> None:
    with (
        pytest.raises(TeamUnreachableError, match=r"/srv/team failed \(a disk is full\)"),
        bucket_explained("/srv/team"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_bucket_that_is_gone_keeps_the_adapter_from_being_offered(team_in_files: Team) -> None:
    ben = dataclasses.replace(team_in_files.ben, bucket_url="/proc/nobody/bucket")
    ben.make_adapter()
    with pytest.raises(TeamUnreachableError, match="/proc/nobody/bucket failed"):
        send(ben)
    with ben.team() as store:
        assert store.adapters.all() == ()
    assert len(send(team_in_files.ben).adapters) == 1


@pytest.mark.slow
@pytest.mark.parametrize("layers", [None, [2, 3]])
def test_the_settings_that_training_writes_are_plain(
    layers: list[int] | None, tmp_path: Path
) -> None:
    from peft import LoraConfig

    from learning.team.reading import check_settings

    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=4,
        lora_alpha=8,
        lora_dropout=0.0,
        target_modules=["q_proj", "down_proj"],
        layers_to_transform=layers,
    )
    config.base_model_name_or_path = "tiny"
    config.inference_mode = True
    config.save_pretrained(str(tmp_path))
    check_settings(tmp_path, "el-shop-v0001-00000000")


def test_a_fetch_of_what_is_gone_meanwhile_says_so(team_in_files: Team) -> None:
    team_in_files.ben.make_adapter()
    send(team_in_files.ben)
    rita = team_in_files.rita
    with rita.team() as store:
        (shared,) = store.adapters.all()
        with team_in_files.anna.team() as admin, admin.database.writing() as db:
            db.execute(ADAPTERS.delete())
        with pytest.raises(TeamError, match="no longer in the team's store"):
            fetch(shared, store, rita.bucket(), rita.adapters, scratch=rita.scratch)
