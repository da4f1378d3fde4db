"""Adapters are immutable, whole, and used only with the model that they were made for."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from learning.errors import LearningError
from learning.model.catalog import ModelIdentity
from learning.promotion.adapters import (
    AdapterDamagedError,
    AdapterError,
    AdapterManifest,
    AdapterMissingError,
    AdapterStore,
    WrongBaseModelError,
)
from learning.promotion.gate import NO_TRIAL, as_record, decide, from_record
from learning.promotion.lineage import Rebuild, lineage, made_from, rebuild, tainted
from learning.promotion.manifest import adapter_prefix, hash_files, write_manifest
from learning.promotion.report import LearningReport, html_report, terminal_report
from tests.fakes.experiences import make_action, make_experience
from tests.fakes.trials import won_trial

_BASE = ModelIdentity(weights_sha256="w" * 64, tokenizer_sha256="t" * 64, template_sha256="c" * 64)


def _finished(tmp_path: Path, version: int, **changes: object) -> Path:
    folder = tmp_path / f"job-{version}"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(b"weights %d" % version)
    (folder / "adapter_config.json").write_text("{}")
    files = hash_files(folder)
    manifest = AdapterManifest(
        name=f"{adapter_prefix('My Shop!', version)}-{files['adapter_model.safetensors'][:8]}",
        model="tiny",
        base=_BASE,
        parent=None,
        experience_ids=("a", "b"),
        config={"rank": 4},
        seed=0,
        files=files,
        created_at=1.5,
        report={"losses": [0.5]},
    )
    write_manifest(folder, replace(manifest, **changes))  # type: ignore[arg-type]
    return folder


def _with_adapters(tmp_path: Path, count: int) -> tuple[AdapterStore, list[str]]:
    store = AdapterStore(tmp_path / "adapters")
    return store, [store.adopt(_finished(tmp_path, n)).name for n in range(1, count + 1)]


def test_a_fresh_repository_uses_the_base_model(tmp_path: Path) -> None:
    store = AdapterStore(tmp_path / "adapters")
    assert store.list() == ()
    assert store.active() is None
    assert store.next_version() == 1
    assert store.sweep() == 0
    assert not (tmp_path / "adapters").exists()


def test_an_adapter_is_found_by_its_version_and_by_the_beginning_of_its_name(
    tmp_path: Path,
) -> None:
    store, (first, *_, tenth) = _with_adapters(tmp_path, 10)
    assert store.find(first) == store.find("v1") == store.find("el-my-shop-v0001") == first
    assert store.find("v10") == store.find(tenth[:-1]) == tenth
    with pytest.raises(
        AdapterMissingError, match=f"several adapters are meant by 'el-': {first}, "
    ):
        store.find("el-")
    for given in ("v11", "", "../adapters", "v01"):
        with pytest.raises(AdapterMissingError):
            store.find(given)


def test_nothing_is_the_name_of_no_adapter(tmp_path: Path) -> None:
    store, _ = _with_adapters(tmp_path, 1)
    with pytest.raises(AdapterMissingError, match="name of an adapter is missing"):
        store.find("")


def test_an_adopted_adapter_has_a_readable_name_and_its_lineage(tmp_path: Path) -> None:
    store, (name,) = _with_adapters(tmp_path, 1)
    assert name.startswith("el-my-shop-v0001-")
    manifest = store.get(name)
    assert manifest.version == 1
    assert manifest.experience_ids == ("a", "b")
    assert manifest.report == {"losses": [0.5]}
    assert store.list() == (manifest,)
    assert (store.path(name) / "adapter_model.safetensors").read_bytes() == b"weights 1"
    assert store.next_version() == 2


@pytest.mark.parametrize(
    ("name", "prefix"), [("", "el-repository-v0007"), ("Ünï/../x", "el-n-x-v0007")]
)
def test_any_repository_gives_a_safe_name(name: str, prefix: str) -> None:
    assert adapter_prefix(name, 7) == prefix


def test_activate_deactivate_and_rollback(tmp_path: Path) -> None:
    store, (one, two) = _with_adapters(tmp_path, 2)

    def active() -> str | None:
        manifest = AdapterStore(tmp_path / "adapters").active()
        return manifest.name if manifest else None

    store.activate(one, base=_BASE)
    assert active() == one
    store.activate(two, base=_BASE)
    store.activate(two, base=_BASE)
    store.deactivate()
    assert active() is None
    for expected in (two, one, None):
        store.rollback()
        assert active() == expected
    with pytest.raises(AdapterError, match="no earlier adapter"):
        store.rollback()


def test_rollback_passes_over_what_is_gone(tmp_path: Path) -> None:
    store, (one, two, three) = _with_adapters(tmp_path, 3)
    for name in (one, two, three):
        store.activate(name)
    store.remove(two)
    assert store.rollback() == store.get(one)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("weights_sha256", "other weights"),
        ("tokenizer_sha256", "another tokenizer"),
        ("template_sha256", "another chat template"),
    ],
)
def test_an_adapter_for_another_model_is_refused_with_the_reason(
    tmp_path: Path, part: str, said: str
) -> None:
    store, (name,) = _with_adapters(tmp_path, 1)
    other = replace(_BASE, **{part: "x" * 64})
    with pytest.raises(WrongBaseModelError, match=said):
        store.activate(name, base=other)
    assert store.active() is None


def test_a_changed_file_is_noticed_on_use(tmp_path: Path) -> None:
    store, (name,) = _with_adapters(tmp_path, 1)
    (store.path(name) / "adapter_model.safetensors").write_bytes(b"weights 9")
    with pytest.raises(AdapterDamagedError, match=r"adapter_model\.safetensors"):
        store.activate(name)
    (store.path(name) / "adapter_model.safetensors").write_bytes(b"weights 1")
    (store.path(name) / "extra.bin").write_bytes(b"")
    with pytest.raises(AdapterDamagedError, match=r"extra\.bin"):
        store.verify(name, base=_BASE)


def test_a_half_made_folder_is_not_adopted(tmp_path: Path) -> None:
    folder = _finished(tmp_path, 1)
    (folder / "adapter_config.json").unlink()
    store = AdapterStore(tmp_path / "adapters")
    with pytest.raises(AdapterDamagedError):
        store.adopt(folder)
    (folder / "elagent.json").write_text('{"v": 1')
    with pytest.raises(AdapterDamagedError, match="is damaged"):
        store.adopt(folder)
    assert store.list() == ()


def test_a_manifest_cannot_name_a_place_elsewhere(tmp_path: Path) -> None:
    store = AdapterStore(tmp_path / "adapters")
    with pytest.raises(AdapterDamagedError, match="not a name"):
        store.adopt(_finished(tmp_path, 1, name="../../outside"))


@pytest.mark.parametrize("name", ["nope", "../job-1", "active", "el-x-v0001-00000000"])
def test_a_missing_adapter_is_named(tmp_path: Path, name: str) -> None:
    store, _ = _with_adapters(tmp_path, 1)
    for use in (store.get, store.activate, store.remove):
        with pytest.raises(AdapterMissingError, match="elagent adapters ls"):
            use(name)


def test_a_pointer_to_an_adapter_that_is_gone_says_the_ways_out(tmp_path: Path) -> None:
    store, (one, two) = _with_adapters(tmp_path, 2)
    store.activate(one)
    shutil.rmtree(store.path(one))
    (said,) = store.trouble()
    assert one in said
    assert "elagent adapters use base" in said
    assert [manifest.name for manifest in store.list()] == [two]
    with pytest.raises(AdapterMissingError, match="rollback"):
        store.active()
    store.activate(two)
    assert list(store.trouble()) == []


@pytest.mark.parametrize(
    "text", ["", "[]", '{"name": 5, "history": []}', '{"name": "../x"}', "[" * 9999]
)
def test_a_damaged_pointer_is_named_and_can_be_set_again(tmp_path: Path, text: str) -> None:
    store, (one,) = _with_adapters(tmp_path, 1)
    folder = store.path(one).parent
    (folder / "active").write_text(text)
    (said,) = store.trouble()
    assert str(folder / "active") in said
    store.activate(one)
    assert store.active() == store.get(one)


def test_the_adapter_in_use_cannot_be_removed(tmp_path: Path) -> None:
    store, (one, two) = _with_adapters(tmp_path, 2)
    store.activate(one)
    with pytest.raises(AdapterError, match="in use"):
        store.remove(one)
    store.remove(two)
    assert [manifest.name for manifest in store.list()] == [one]
    assert store.next_version() == 3


def test_only_the_newest_and_what_is_needed_are_kept(tmp_path: Path) -> None:
    store, names = _with_adapters(tmp_path, 6)
    store.activate(names[0])
    store.activate(names[1])
    assert store.retain(keep_last=2) == [names[2], names[3]]
    assert [manifest.name for manifest in store.list()] == [names[index] for index in (0, 1, 4, 5)]


def test_what_an_interrupted_writer_left_is_swept_when_it_is_old(tmp_path: Path) -> None:
    store, (name,) = _with_adapters(tmp_path, 1)
    left = tmp_path / "adapters" / ".tmp-el-x"
    left.mkdir()
    (tmp_path / "adapters" / ".tmp-active-1").write_text("{")
    now = left.stat().st_mtime
    assert store.sweep(now=now + 1) == 0
    assert store.sweep(now=now + 3600) == 2
    assert [path.name for path in (tmp_path / "adapters").iterdir()] == [name]


def test_a_damaged_pointer_is_told_and_mended_by_choosing_again(tmp_path: Path) -> None:
    store, (name,) = _with_adapters(tmp_path, 1)
    (tmp_path / "adapters" / "active").write_text("garbage")
    with pytest.raises(AdapterDamagedError, match="choose again"):
        store.active()
    store.activate(name)
    assert store.active() == store.get(name)


def test_readers_never_see_a_pointer_in_between(tmp_path: Path) -> None:
    store, names = _with_adapters(tmp_path, 2)
    store.activate(names[0])
    seen: set[str | None] = set()
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            manifest = AdapterStore(tmp_path / "adapters").active()
            seen.add(manifest.name if manifest else None)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(60):
        store.activate(names[1])
        store.activate(names[0])
    ended.set()
    reader.join()
    assert seen <= set(names)
    assert seen


def _family(tmp_path: Path) -> tuple[AdapterStore, list[str]]:
    """Grandparent from a and b, parent from c, child from d; and a stranger."""
    store = AdapterStore(tmp_path / "adapters")
    names: list[str] = []
    made: tuple[tuple[str, ...], ...] = (("a", "b"), ("c",), ("d",))
    for number, ids in enumerate(made, start=1):
        parent = names[-1] if names else None
        folder = _finished(tmp_path, number, experience_ids=ids, parent=parent)
        names.append(store.adopt(folder).name)
    names.append(store.adopt(_finished(tmp_path, 4, experience_ids=("e",))).name)
    return store, names


def test_forgetting_taints_every_descendant_and_nobody_else(tmp_path: Path) -> None:
    store, (old, parent, child, stranger) = _family(tmp_path)
    assert [each.name for each in tainted(store, {"c"})] == [parent, child]
    assert [each.name for each in tainted(store, {"a"})] == [old, parent, child]
    assert [each.name for each in tainted(store, {"e"})] == [stranger]
    assert tainted(store, frozenset()) == []
    assert made_from(store, child) == {"a", "b", "c", "d"}


def test_a_rebuild_starts_from_the_last_clean_ancestor(tmp_path: Path) -> None:
    store, (old, _, child, _) = _family(tmp_path)
    assert rebuild(store, child, {"c"}) == Rebuild(parent=old, experience_ids=frozenset("d"))
    assert rebuild(store, child, {"a"}) == Rebuild(parent=None, experience_ids=frozenset("bcd"))
    store.remove(old)
    assert rebuild(store, child, {"c"}) == Rebuild(parent=None, experience_ids=frozenset("abd"))


def test_a_removed_ancestor_still_taints_its_descendants(tmp_path: Path) -> None:
    store, (old, parent, child, _) = _family(tmp_path)
    store.remove(old)
    assert [each.name for each in lineage(store, child)][-1] == old
    assert [each.name for each in tainted(store, {"a"})] == [parent, child]


def _learned(tmp_path: Path, **changes: object) -> LearningReport:
    report = {
        "losses": [0.9, 0.5, 0.2],
        "cosines": [None, 0.4, 0.3],
        "examples": {"hindsight": 2},
        "reading": {"evidence_nats": 0.1},
    }
    store = AdapterStore(tmp_path / "adapters")
    manifest = store.adopt(_finished(tmp_path, 1, report=report))
    hostile = make_experience(
        "e1", path="<script>alert(1)</script>.py", action=make_action("</pre><b>hi</b>")
    )
    learned = LearningReport(manifest=manifest, examples=[hostile], decision=decide(NO_TRIAL))
    return replace(learned, **changes)  # type: ignore[arg-type]


def test_a_report_says_what_was_learned_and_how_it_went(tmp_path: Path) -> None:
    lines = "\n".join(terminal_report(_learned(tmp_path, forgotten=1)))
    assert "learned from 2 experiences: hindsight 2" in lines
    assert "1 of them were forgotten since: it is tainted" in lines
    assert "loss 0.900 to 0.200 in 3 steps" in lines
    assert "agreement of the batch's halves: 0.40, 0.30" in lines
    assert "shadow: kept in shadow: not enough held-out evidence (0 of 30)" in lines


def test_the_page_is_self_contained_and_escapes_what_it_shows(tmp_path: Path) -> None:
    page = html_report(_learned(tmp_path))
    assert page.count("<svg") == 2
    assert "<script" not in page
    assert "<b>hi</b>" not in page
    assert "&lt;script&gt;" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page


def test_a_report_of_a_round_without_figures_still_works(tmp_path: Path) -> None:
    store = AdapterStore(tmp_path / "adapters")
    manifest = store.adopt(_finished(tmp_path, 1, report={}))
    assert "<svg" not in html_report(LearningReport(manifest=manifest, examples=[]))


def test_a_decision_is_written_into_the_manifest_and_the_weights_stay(tmp_path: Path) -> None:
    store, (name,) = _with_adapters(tmp_path, 1)
    before = store.get(name)
    assert from_record(before.decision) == decide(NO_TRIAL)
    decision = decide(won_trial())
    store.keep_decision(name, as_record(decision, incumbent="el-x-v0001-00000000", at=2.5))
    after = store.verify(name, base=_BASE)
    assert from_record(after.decision) == decision
    assert after.decision["incumbent"] == "el-x-v0001-00000000"
    assert replace(after, decision={}) == before
    assert [path.name for path in store.path(name).parent.iterdir()] == [name]
    assert any("general tasks: passed" in line for line in _lines(after))


def _lines(manifest: AdapterManifest) -> list[str]:
    learned = LearningReport(
        manifest=manifest, examples=[], decision=from_record(manifest.decision)
    )
    return list(terminal_report(learned))


def test_a_damaged_decision_is_named() -> None:
    with pytest.raises(LearningError, match="damaged"):
        from_record({"kind": "promoted"})
