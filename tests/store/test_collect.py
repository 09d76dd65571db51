"""Collection frees what nothing refers to, and verification finds what was changed behind the store's back."""

from __future__ import annotations

from pathlib import Path

import pytest
from toy_source import feedback, files_of

from cineloop.errors import InputError
from cineloop.store.collect import collect
from cineloop.store.ingest import append
from cineloop.store.snapshot import make
from cineloop.store.workspace import Store


def grown(folder: Path) -> tuple[Store, list[str]]:
    """Three snapshots, each a row more than the one before."""
    store = Store.open(folder, create=True)
    ids = []
    for day in range(3):
        frame = feedback([{"account": "a", "title": f"t:{day}", "value": 1, "day": day}])
        ids.append(append(store, {"feedback": frame}, "test").snapshot)
    return store, ids


def test_head_and_kept_ids_stay(tmp_path: Path) -> None:
    store, (first, second, head) = grown(tmp_path)
    freed = collect(store, keep=[first[:12]])
    assert freed.snapshots == (second,) and freed.parts == () and freed.bytes > 0
    assert store.snapshots() == tuple(sorted((first, head)))
    assert collect(store).snapshots == (first,)
    assert store.head().scan("feedback").collect().height == 3 and store.verify() == ()
    before = files_of(tmp_path)
    assert collect(store).bytes == 0 and files_of(tmp_path) == before
    with pytest.raises(InputError, match="snapshot 'ffff': no such snapshot; accepted: head, " + head[:12]):
        collect(store, keep=["ffff"])


def test_parts_that_only_a_dropped_snapshot_had_go_with_it(tmp_path: Path) -> None:
    """As after an erasure: a head that leaves a part of the snapshot before it out."""
    store, (_, _, head) = grown(tmp_path)
    before = store.snapshot(head)
    with store.writing():
        store.publish(make(store.parts, before.parts[1:], before.ingestions))
    assert collect(store, keep=[head]).parts == ()
    freed = collect(store)
    assert freed.parts == (before.parts[0].file,) and freed.bytes > before.parts[0].bytes
    assert store.verify() == () and len(list(store.parts.iterdir())) == 2


def test_what_a_dead_writer_left_is_cleared(tmp_path: Path) -> None:
    store, _ = grown(tmp_path)
    (store.drafts / "ingestion").mkdir()
    (store.drafts / "ingestion" / "feedback-0.parquet").write_bytes(b"half")
    (store.manifests / ".x.json.1.tmp").write_bytes(b"half")
    (store.parts / "feedback-000of1-orphan.parquet").write_bytes(b"orphan")
    assert store.verify() == () and len(store.snapshots()) == 3
    freed = collect(store, keep=store.snapshots())
    assert freed.bytes == 14 and freed.parts == ("feedback-000of1-orphan.parquet",)
    assert not list(store.drafts.iterdir())


def test_snapshots_are_found_by_the_beginning_of_their_id(tmp_path: Path) -> None:
    store, ids = grown(tmp_path)
    assert [store.snapshot(i[:16]).id for i in ids] == ids
    assert store.snapshot("head") == store.head() == store.snapshot(ids[-1])
    for wrong in ("", "no"):
        with pytest.raises(InputError, match="accepted: head, "):
            store.snapshot(wrong)


def test_verify_names_each_fault(tmp_path: Path) -> None:
    store, (first, *_) = grown(tmp_path)
    one, two, three = (store.parts / p.file for p in store.head().parts)
    content = bytearray(one.read_bytes())
    content[len(content) // 2] ^= 1
    one.write_bytes(content)
    two.write_bytes(two.read_bytes() + b"x")
    three.unlink()
    store.manifest(first).write_text(store.manifest(first).read_text().replace('"rows": 1', '"rows": 2'))
    assert sorted(store.verify()) == sorted(
        [
            f"{store.manifest(first)}: its parts do not add up to its id",
            f"{one}: its SHA-256 is not that of its manifest",
            f"{two}: {two.stat().st_size} bytes, not {two.stat().st_size - 1}",
            f"{three}: No such file or directory",
        ]
    )


def test_verify_recounts_the_rows_themselves(tmp_path: Path) -> None:
    """Files swapped together with their sums: the row digest still tells."""
    store, _ = grown(tmp_path)
    one, two, _ = store.head().parts
    swapped = store.parts / one.file
    swapped.write_bytes((store.parts / two.file).read_bytes())
    for identity in store.snapshots():
        text = store.manifest(identity).read_text()
        store.manifest(identity).write_text(
            text.replace(one.sha256, two.sha256).replace(f'"bytes": {one.bytes}', f'"bytes": {two.bytes}')
        )
    assert f"{swapped}: its rows are not those of its manifest" in store.verify()


def test_a_manifest_that_is_no_manifest_is_one_line(tmp_path: Path) -> None:
    store, (*_, head) = grown(tmp_path)
    for content in ("", "{}", '{"id": 1, "parts": [1]}'):
        store.manifest(head).write_text(content)
        with pytest.raises(InputError, match="not a readable manifest"):
            store.head()
    (store.root / "HEAD").write_text("0" * 64 + "\n")
    assert len(store.verify()) == 1 and "names a snapshot that is not there" in store.verify()[0]
