"""Fetching files and archives, from a server on this machine: nothing here leaves it."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from file_server import GOOD, Server, archive, names, zipped
from palate.datasets import download, jester
from palate.datasets.download import fetch
from palate.errors import DownloadError

pytestmark = pytest.mark.usefixtures("cache")

CONTENT = bytes(range(256)) * 4_000  # about 1 MB


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pooch waits a second and more before it tries again; tests do not."""
    monkeypatch.setattr("pooch.core.time", SimpleNamespace(sleep=lambda _: None))


# ------------------------------------------------------------------------------------------------------------ fetching


def test_fetch_delivers_the_file_and_reports_its_progress(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    seen: list[tuple[int, int | None]] = []
    fetch([server.url("a")], tmp_path / "new" / "a", progress=lambda *state: seen.append(state))
    assert (tmp_path / "new" / "a").read_bytes() == CONTENT
    assert names(tmp_path / "new") == ["a"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_fetch_continues_what_an_earlier_call_left(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    (tmp_path / "a.part").write_bytes(CONTENT[:1000])
    fetch([server.url("a")], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-"]


def test_fetch_starts_again_where_the_server_ignores_ranges(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    server.ignores_ranges = True
    (tmp_path / "a.part").write_bytes(b"x" * 1000)
    fetch([server.url("a")], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def starts(server: Server) -> list[int]:
    """The first byte that each request asked for."""
    return [int((asked or "bytes=0-")[6:-1]) for asked in server.ranges]


def test_fetch_continues_after_a_broken_connection(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    server.breaks_after = [300_000, 300_000]
    fetch([server.url("a")], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    # Up to the last whole piece nothing is fetched twice.
    first, second, third = starts(server)
    assert first == 0
    assert 200_000 < second <= 300_000
    assert second + 200_000 < third <= second + 300_000


def test_fetch_keeps_what_came_when_it_gives_up(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    server.breaks_after = [300_000, 0, 0]
    with pytest.raises(DownloadError, match=r"the connection broke after 2\d\d,\d\d\d of 1,024,000 bytes"):
        fetch([server.url("a")], tmp_path / "a")
    assert names(tmp_path) == ["a.part"]
    came = (tmp_path / "a.part").stat().st_size
    fetch([server.url("a")], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert starts(server) == [0, came, came, came]


def test_ctrl_c_keeps_what_came(server: Server, tmp_path: Path) -> None:
    def press(done: int, total: int | None) -> None:
        if done > 300_000:
            raise KeyboardInterrupt

    server.files["a"] = CONTENT
    with pytest.raises(KeyboardInterrupt):
        fetch([server.url("a")], tmp_path / "a", progress=press)
    assert names(tmp_path) == ["a.part"]
    fetch([server.url("a")], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert starts(server)[1] > 300_000


def test_a_full_disk_is_no_fault_of_the_address(server: Server, tmp_path: Path) -> None:
    def fill(done: int, total: int | None) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    server.files["a"] = CONTENT
    with pytest.raises(
        DownloadError, match=r"cannot write to the cache folder .* \(No space left on device\): set PAL"
    ):
        fetch([server.url("a"), server.url("b")], tmp_path / "a", progress=fill)
    assert len(server.ranges) == 1


def test_fetching_prints_nothing(server: Server, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    server.files["a"] = CONTENT
    fetch([server.url("a")], tmp_path / "a")
    assert capfd.readouterr() == ("", "")


def test_fetch_starts_again_when_the_part_is_longer_than_the_file(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    (tmp_path / "a.part").write_bytes(CONTENT + CONTENT)
    fetch([server.url("a")], tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_fetch_starts_again_when_the_continued_file_is_wrong(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    (tmp_path / "a.part").write_bytes(b"x" * 1000)
    fetch([server.url("a")], tmp_path / "a", check=lambda path: "" if path.read_bytes() == CONTENT else "wrong")
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert server.ranges == ["bytes=1000-", None]


def test_fetch_takes_the_next_address(server: Server, tmp_path: Path) -> None:
    server.files |= {"bad": b"<html>", "good": CONTENT}
    urls = [server.url(name) for name in ("missing", "bad", "good")]
    fetch(urls, tmp_path / "a", check=lambda path: "too short" if path.stat().st_size < 100 else "")
    assert (tmp_path / "a").read_bytes() == CONTENT


def test_fetch_names_every_address_with_its_reason_and_the_way_out(server: Server, tmp_path: Path) -> None:
    server.files["bad"] = b"<html>"
    urls = [server.url("missing"), server.url("bad"), "http://127.0.0.1:1/closed"]
    with pytest.raises(DownloadError) as caught:
        fetch(urls, tmp_path / "a.zip", check=lambda path: "not a zip file")
    message = str(caught.value)
    assert "\n" not in message
    assert f"cannot fetch a.zip: {urls[0]} (HTTP 404 Not Found); {urls[1]} (not a zip file); {urls[2]} (" in message
    assert "refused" in message
    assert message.endswith(f"put a.zip into {tmp_path} by hand, or give a folder that holds its files with --folder")
    assert names(tmp_path) == []


def test_fetch_does_not_wait_for_ever(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    server.delay = 0.5
    with pytest.raises(DownloadError, match=r"nothing came for 0\.1 s"):
        fetch([server.url("a")], tmp_path / "a", timeout=0.1)


def test_many_fetches_of_one_file_at_once_do_no_damage(server: Server, tmp_path: Path) -> None:
    server.files["a"] = CONTENT
    (tmp_path / "a.part").write_bytes(CONTENT[:1000])
    racing = [threading.Thread(target=fetch, args=([server.url("a")], tmp_path / "a")) for _ in range(8)]
    for thread in racing:
        thread.start()
    for thread in racing:
        thread.join()
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert names(tmp_path) == ["a"]
    assert server.ranges.count("bytes=1000-") == 1


def test_a_cache_that_cannot_be_written_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PALATE_CACHE", str(tmp_path / "file"))
    with pytest.raises(DownloadError, match="set PALATE_CACHE"):
        jester.ARCHIVE.provide()


def test_the_cache_follows_the_platform_unless_it_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    assert download.cache_folder() == Path(os.environ["PALATE_CACHE"])
    monkeypatch.delenv("PALATE_CACHE")
    assert download.cache_folder().parts[-1] in {"palate", "Cache"}


# ------------------------------------------------------------------------------------------------------------ archives


def test_an_archive_is_fetched_once_and_unpacked(server: Server, cache: Path) -> None:
    wanted = archive(server, GOOD, sha256=hashlib.sha256(GOOD).hexdigest())
    assert not wanted.is_cached()
    assert wanted.provide() == cache / "set"
    assert wanted.is_cached()
    wanted.provide()
    assert len(server.ranges) == 1
    assert names(cache / "set") == ["a.dat", "a.dat.sha256", "b.txt", "b.txt.sha256", "set.zip"]
    assert (cache / "set" / "a.dat").read_text() == "1\n2"


def test_only_the_named_members_leave_an_archive_and_none_leaves_its_folder(server: Server, cache: Path) -> None:
    evil = zipped({"../../a.dat": "1\n2\n", "/tmp/b.txt": "b", "../evil.txt": "c"})
    archive(server, evil).provide()
    assert names(cache) == ["set"]
    assert names(cache / "set") == ["a.dat", "a.dat.sha256", "b.txt", "b.txt.sha256", "set.zip"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"<html>Please log in</html>", "not the expected zip file: File is not a zip file"),
        (GOOD[:-30], "not the expected zip file: File is not a zip file"),
        (GOOD.replace(b"1\n2", b"1\n3", 1), "not the expected zip file: Bad CRC-32"),
        (zipped({"a.dat": "1\n2\n"}), "not the expected zip file: it holds no b.txt"),
        (zipped({"a.dat": "1\n2\n3\n", "b.txt": ""}), "its a.dat has 3 lines, expected 2"),
    ],
)
def test_what_is_not_the_archive_is_refused(server: Server, cache: Path, content: bytes, reason: str) -> None:
    wanted = archive(server, content)
    with pytest.raises(DownloadError, match=reason):
        wanted.provide()
    assert names(cache / "set") == []


def test_another_checksum_is_refused(server: Server, cache: Path) -> None:
    with pytest.raises(DownloadError, match=r"its SHA-256 is \w{16}…, expected 0000"):
        archive(server, GOOD, sha256="0" * 64).provide()
    assert names(cache / "set") == []


def test_a_changed_file_is_noticed_and_comes_back_from_the_archive(server: Server, cache: Path) -> None:
    wanted = archive(server, GOOD)
    wanted.provide()
    damaged = cache / "set" / "a.dat"
    damaged.write_text("1\n3")
    with pytest.raises(DownloadError, match=r"a\.dat has changed since it was fetched: delete it and try again"):
        wanted.provide()
    damaged.unlink()
    wanted.provide()
    assert damaged.read_text() == "1\n2"
    assert len(server.ranges) == 1


def test_an_archive_put_into_the_cache_by_hand_is_used(server: Server, cache: Path) -> None:
    (cache / "set").mkdir(parents=True)
    (cache / "set" / "set.zip").write_bytes(b"not a zip")
    wanted = archive(server, GOOD)
    with pytest.raises(DownloadError, match=r"set\.zip: not the expected zip file: .*; delete it and try again"):
        wanted.provide()
    (cache / "set" / "set.zip").write_bytes(GOOD)
    wanted.provide()
    assert server.ranges == []
