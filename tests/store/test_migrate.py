"""Opening workspaces of other formats. The folder of format 1 is written by hand, file by file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from toy_source import START, feedback

import cineloop.store.migrate as migrate_module
from cineloop.errors import InputError
from cineloop.store.check import conform
from cineloop.store.hashing import digest, row_ids
from cineloop.store.snapshot import schemas_of, snapshot_id
from cineloop.store.workspace import Store


def format_one(folder: Path) -> str:
    """A workspace as format 1 laid it: one snapshot of one part, without the file's size and SHA-256."""
    frame = conform(
        "feedback", feedback([{"account": f"a:{i}", "title": "t", "value": 1, "day": i} for i in range(9)])
    )
    for name in ("parts", "snapshots", "quarantine", "drafts"):
        (folder / "store" / name).mkdir(parents=True)
    pq.write_table(frame.to_arrow(), folder / "store" / "parts" / "feedback-old.parquet")
    first = int(START.timestamp()) * 1_000_000
    part = {
        "table": "feedback", "bucket": 0, "of": 1, "rows": 9, "file": "feedback-old.parquet",
        "digest": f"{digest(row_ids(frame, 'feedback')):032x}", "corrections": 0, "untimed": 0,
        "known_from": first, "known_to": first + 8 * 86_400_000_000,
    }  # fmt: skip

    class Counted:  # what an id is made of
        table, rows, digest = "feedback", 9, part["digest"]

    schemas = schemas_of([Counted])  # type: ignore[list-item]
    identity = snapshot_id([Counted], schemas)  # type: ignore[list-item]
    manifest = {"id": identity, "schemas": schemas, "parts": [part], "ingestions": []}
    (folder / "store" / "snapshots" / f"{identity}.json").write_text(json.dumps(manifest))
    (folder / "store" / "HEAD").write_text(identity + "\n")
    (folder / "workspace.json").write_text(json.dumps({"format": 1, "studio": "mine"}))
    return identity


def test_format_1_moves_forward_with_its_rows_and_ids(tmp_path: Path) -> None:
    identity = format_one(tmp_path)
    store = Store.open(tmp_path)
    assert json.loads(store.about.read_text()) == {"format": 2, "studio": "mine"}
    (part,) = store.head().parts
    content = (store.parts / "feedback-old.parquet").read_bytes()
    assert (part.bytes, part.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert store.head().id == identity and store.verify() == ()
    assert store.head().scan("feedback").collect().height == 9


def test_a_crash_in_the_middle_of_a_migration_is_made_good_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    format_one(tmp_path)
    real = migrate_module.write_atomic

    def die_before_the_version(path: Path, content: bytes) -> None:
        if path.name == "workspace.json":
            raise KeyboardInterrupt
        real(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(migrate_module, "write_atomic", die_before_the_version)
        with pytest.raises(KeyboardInterrupt):
            Store.open(tmp_path)
    assert json.loads((tmp_path / "workspace.json").read_text())["format"] == 1
    assert Store.open(tmp_path).verify() == ()


def test_a_lost_part_stops_the_migration_in_one_line(tmp_path: Path) -> None:
    format_one(tmp_path)
    (tmp_path / "store" / "parts" / "feedback-old.parquet").unlink()
    with pytest.raises(InputError, match=r"feedback-old.parquet: No such file"):
        Store.open(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"format": 3}', "format 3: made by a newer version of Cineloop; accepted: up to 2"),
        ('{"format": 0}', "format 0: no such format; accepted: 1 to 2"),
        ("[]", 'not readable; accepted: {"format": 2}'),
        ('{"format": "two"}', 'not readable; accepted: {"format": 2}'),
        ("", 'not readable; accepted: {"format": 2}'),
    ],
)
def test_other_formats_are_refused_in_one_line(tmp_path: Path, content: str, said: str) -> None:
    Store.open(tmp_path, create=True).about.write_text(content)
    with pytest.raises(InputError) as caught:
        Store.open(tmp_path)
    assert str(caught.value) == f"{tmp_path / 'workspace.json'}: {said}"


def test_a_folder_without_a_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no workspace here; accepted: a folder with workspace\.json"):
        Store.open(tmp_path / "none")
    assert not (tmp_path / "none").exists()
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(InputError, match="accepted: a folder that can be written"):
        Store.open(blocked / "inside", create=True)
