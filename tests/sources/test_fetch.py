"""Downloads from a real HTTP server on this machine, and the ways to MovieLens 100k, with made-up archives."""

from __future__ import annotations

import hashlib
import io
import socket
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cineloop.errors import InputError
from cineloop.store.sources import fetch
from cineloop.store.sources.download import Pin, UnreachableError, download
from cineloop.store.sources.fetch import cache_folder, fetch_movielens_100k
from cineloop.store.sources.movielens import MovieLens

WHEEL = "recbole-1.2.1-py3-none-any.whl"


def pinned(content: bytes) -> Pin:
    return Pin(len(content), hashlib.sha256(content).hexdigest())


@dataclass
class Site:
    """What a server holds and how it misbehaves; `asked` records (path, Range header)."""

    files: dict[str, bytes] = field(default_factory=dict)
    break_after: int | None = None  # bytes of each answer before the connection is cut
    ranges: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            site.asked.append((self.path, asked))
            if self.path not in site.files:
                self.send_error(404)
                return
            content, start = site.files[self.path], 0
            if asked and site.ranges:
                start = int(asked.removeprefix("bytes=").removesuffix("-"))
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            else:
                self.send_response(200)
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = len(content) if site.break_after is None else start + site.break_after
            self.wfile.write(content[start:end])
            if end < len(content):
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


CONTENT = bytes(range(256)) * 2000  # 512,000 bytes


def test_a_download_that_breaks_off_is_resumed_where_it_was(site: Site, tmp_path: Path) -> None:
    site.files["/file"] = CONTENT
    site.break_after = 200_000
    told: list[tuple[str, float, float | None]] = []
    target = download(f"{site.url}/file", tmp_path / "x" / "file", pinned(CONTENT), lambda *a: told.append(a))
    assert target.read_bytes() == CONTENT
    assert [asked for _, asked in site.asked] == [None, "bytes=200000-", "bytes=400000-"]
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
    assert told[-1] == ("file", len(CONTENT), len(CONTENT))
    assert [p.name for p in target.parent.iterdir()] == ["file"]


def test_a_part_from_an_earlier_call_is_used(site: Site, tmp_path: Path) -> None:
    site.files["/file"] = CONTENT
    (tmp_path / "file.part").write_bytes(CONTENT[:100])
    download(f"{site.url}/file", tmp_path / "file", pinned(CONTENT))
    assert site.asked == [("/file", "bytes=100-")]
    download(f"{site.url}/file", tmp_path / "file", pinned(CONTENT))
    assert len(site.asked) == 1  # it is there: nothing is asked


@pytest.mark.parametrize("part", [b"of another version" * 50, CONTENT + b"longer"])
def test_a_part_of_another_version_is_thrown_away(site: Site, tmp_path: Path, part: bytes) -> None:
    site.files["/file"] = CONTENT
    (tmp_path / "file.part").write_bytes(part)
    assert download(f"{site.url}/file", tmp_path / "file", pinned(CONTENT)).read_bytes() == CONTENT


def test_a_server_without_ranges_starts_again(site: Site, tmp_path: Path) -> None:
    site.files["/file"] = CONTENT
    site.ranges = False
    (tmp_path / "file.part").write_bytes(CONTENT[:100])
    assert download(f"{site.url}/file", tmp_path / "file", pinned(CONTENT)).read_bytes() == CONTENT


@pytest.mark.parametrize("served", [CONTENT[::-1], CONTENT + b"more", CONTENT[:1000]])
def test_a_wrong_file_is_one_line_and_leaves_nothing(site: Site, tmp_path: Path, served: bytes) -> None:
    site.files["/file"] = served
    with pytest.raises(InputError, match="not the expected file") as caught:
        download(f"{site.url}/file", tmp_path / "file", pinned(CONTENT))
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_always_breaks_off_at_once_is_given_up(site: Site, tmp_path: Path) -> None:
    site.files["/file"] = CONTENT
    site.break_after = 0
    with pytest.raises(UnreachableError):
        download(f"{site.url}/file", tmp_path / "file", pinned(CONTENT))
    with pytest.raises(UnreachableError, match="404"):
        download(f"{site.url}/other", tmp_path / "file", pinned(CONTENT))
    with pytest.raises(UnreachableError, match="http"):
        download("file:///etc/hostname", tmp_path / "file", pinned(CONTENT))


def test_nobody_there_and_a_silent_server_cost_their_patience(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/file"
        with pytest.raises(UnreachableError):
            download(url, tmp_path / "file", pinned(CONTENT), patience=0.2)
    with pytest.raises(UnreachableError):
        download(url, tmp_path / "file", pinned(CONTENT), patience=0.2)


def test_a_name_server_that_hangs_costs_its_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *a, **k: released.wait(30))
    began = time.monotonic()
    with pytest.raises(UnreachableError, match=r"no answer within 0\.2 seconds"):
        download("http://nowhere.invalid/file", tmp_path / "file", pinned(CONTENT), patience=0.2)
    assert not released.is_set() and time.monotonic() - began < 25  # it did not wait for the name
    released.set()


@dataclass
class World:
    """Made-up artefacts in the real shapes, and their pins."""

    owner: dict[str, bytes]
    recbole: dict[str, bytes]
    archive: bytes
    wheel: bytes
    pins: dict[str, Pin]

    def client(self, folder: Path) -> Path:
        (folder / WHEEL).write_bytes(self.wheel)
        return folder / WHEEL


def archived(folder: str, files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, content in files.items():
            made.writestr(f"{folder}/{name}", content)
        made.writestr("../escape", b"never written")
    return out.getvalue()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.delenv(fetch.MIRROR, raising=False)
    flags = "|0" * 19
    owner = {
        "u.data": b"1\t10\t5\t881250949\n",
        "u.item": f"10|Heat (1995)|01-Jan-1995||{flags}\n".encode(),
    }
    inter = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t10\t5\t881250949\n"
    item = (
        b"item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n10\tHeat\t1995\tCrime\n"
    )
    recbole = {"ml-100k.inter": inter, "ml-100k.item": item}
    archive = archived("ml-100k", owner)
    wheel = archived("recbole/dataset_example/ml-100k", recbole)
    everything = {**owner, **recbole, "ml-100k.zip": archive, WHEEL: wheel}
    return World(
        owner, recbole, archive, wheel, {name: pinned(content) for name, content in everything.items()}
    )


def no_client(folder: Path) -> Path:
    raise UnreachableError("pip download recbole==1.2.1: no index")


def held(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_the_owner_comes_before_the_package_client(site: Site, world: World, tmp_path: Path) -> None:
    site.files["/ml-100k.zip"] = world.archive
    folder = fetch_movielens_100k(
        tmp_path, owner=f"{site.url}/ml-100k.zip", pins=world.pins, client=no_client
    )
    assert held(folder) == world.owner
    assert [p.name for p in tmp_path.iterdir()] == ["ml-100k"]
    assert next(iter(MovieLens(folder).read())).rows["title"].item() == "ml-100k:10"
    again = fetch_movielens_100k(
        tmp_path, owner="http://nowhere.invalid/x", pins=world.pins, client=no_client
    )
    assert again == folder and len(site.asked) == 1


def test_the_package_client_where_the_owner_is_not_reached(site: Site, world: World, tmp_path: Path) -> None:
    folder = fetch_movielens_100k(tmp_path, owner=f"{site.url}/gone", pins=world.pins, client=world.client)
    assert held(folder) == world.recbole
    assert MovieLens(folder).name == "ml-100k"
    assert [p.name for p in tmp_path.iterdir()] == ["ml-100k"]


def test_a_wheel_that_is_not_the_pinned_one_is_refused(site: Site, world: World, tmp_path: Path) -> None:
    world.wheel += b"."
    with pytest.raises(InputError, match="not the expected file"):
        fetch_movielens_100k(tmp_path, owner=f"{site.url}/gone", pins=world.pins, client=world.client)
    assert list(tmp_path.iterdir()) == []


def _zip(root: Path, world: World) -> dict[str, bytes]:
    (root / "ml-100k.zip").write_bytes(world.archive)
    return world.owner


def _wheel(root: Path, world: World) -> dict[str, bytes]:
    (root / WHEEL).write_bytes(world.wheel)
    return world.recbole


def _unpacked(root: Path, world: World) -> dict[str, bytes]:
    folder = root / "plays" / "ml-100k"
    folder.mkdir(parents=True)
    for name, content in world.recbole.items():
        (folder / name).write_bytes(content)
    return world.recbole


@pytest.mark.parametrize("lay", [_zip, _unpacked, _wheel])
def test_a_mirror_is_a_folder(
    world: World,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lay: Callable[[Path, World], dict[str, bytes]],
) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    expected = lay(mirror, world)
    monkeypatch.setenv(fetch.MIRROR, str(mirror))
    folder = fetch_movielens_100k(tmp_path / "cache", owner="ftp://no", pins=world.pins, client=no_client)
    assert held(folder) == expected


@pytest.mark.parametrize("unpacked", [False, True])
def test_a_mirror_is_an_address(site: Site, world: World, tmp_path: Path, unpacked: bool) -> None:
    if unpacked:
        site.files |= {f"/m/plays/ml-100k/{name}": content for name, content in world.recbole.items()}
    else:
        site.files["/m/ml-100k.zip"] = world.archive
    folder = fetch_movielens_100k(
        tmp_path, mirror=f"{site.url}/m/", owner="ftp://no", pins=world.pins, client=no_client
    )
    assert held(folder) == (world.recbole if unpacked else world.owner)


def test_a_mirror_without_it_is_passed_over_and_a_wrong_one_is_an_error(world: World, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    cache = tmp_path / "cache"

    def got() -> Path:
        return fetch_movielens_100k(
            cache, mirror=str(mirror), owner="ftp://no", pins=world.pins, client=world.client
        )

    (mirror / "ml-100k.zip").write_bytes(world.archive[:-1])
    with pytest.raises(InputError, match=r"ml-100k\.zip: not the expected file"):
        got()
    (mirror / "ml-100k.zip").unlink()
    assert held(got()) == world.recbole
    with pytest.raises(InputError, match="no such folder"):
        fetch_movielens_100k(tmp_path / "other", mirror=str(tmp_path / "absent"), pins=world.pins)


def test_an_unfit_cache_is_replaced(site: Site, world: World, tmp_path: Path) -> None:
    folder = fetch_movielens_100k(tmp_path, owner=f"{site.url}/gone", pins=world.pins, client=world.client)
    (folder / "ml-100k.inter").write_bytes(b"half")
    fetch_movielens_100k(tmp_path, owner=f"{site.url}/gone", pins=world.pins, client=world.client)
    assert held(folder) == world.recbole


def test_every_closed_way_is_named(world: World, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"owner: ftp://no.*package client: .*no index") as caught:
        fetch_movielens_100k(tmp_path, owner="ftp://no", pins=world.pins, client=no_client)
    assert "\n" not in str(caught.value) and fetch.MIRROR in str(caught.value)


def test_a_given_folder_is_taken_as_it_is(world: World, tmp_path: Path) -> None:
    for name, content in world.owner.items():
        (tmp_path / name).write_bytes(content)
    assert fetch_movielens_100k(tmp_path / "cache", given=tmp_path) == tmp_path
    assert not (tmp_path / "cache").exists()
    with pytest.raises(InputError, match="no such file"):
        fetch_movielens_100k(tmp_path / "cache", given=tmp_path / "absent")


def test_the_cache_follows_the_desktop_standard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "cineloop"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "cineloop"


def test_the_pins_are_those_of_the_files_beside_this_checkout() -> None:
    shared = Path(__file__).resolve().parents[3] / "shared" / "data" / "plays" / "ml-100k"
    if not shared.exists():
        pytest.skip("ml-100k is not beside this checkout (shared/data/plays)")
    for name in ("ml-100k.inter", "ml-100k.item"):
        assert pinned((shared / name).read_bytes()) == fetch.PINS[name]
