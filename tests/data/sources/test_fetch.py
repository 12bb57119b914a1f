"""Fetching several files: sizes, room, what goes on after an interruption, and no network."""

import gzip
from collections import namedtuple

import pytest

from benchkit.config.suite import load_suite
from benchkit.data.sources import fetch, remote_files
from benchkit.data.sources.fetch import fetch_files, format_size, measure_sizes
from benchkit.data.sources.missing_files import find_missing_files
from benchkit.data.sources.remote_files import RemoteFile, find_remote_file
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError, DataError
from tests.support.file_server import BODY, SHA, serve_files

NOWHERE = "http://127.0.0.1:9"  # nobody listens there


@pytest.fixture
def server():
    with serve_files() as behaviour:
        yield behaviour


def two_files(base):
    return (
        RemoteFile(f"{base}/one.bin", "sub/one.bin", SHA),
        RemoteFile(f"{base}/two.bin", "two.bin"),
    )


class Bars:
    def __init__(self):
        self.lines = []

    def start(self, what, total=None):
        self.lines.append([what, total, 0])

    def advance(self, steps=1, note=""):
        self.lines[-1][2] += steps


def get(server, folder, files=None, **options):
    return fetch_files(files or two_files(server.base), folder, sleep=lambda _: None, **options)


def test_all_files_come_with_their_sizes(server, tmp_path):
    bars = Bars()
    paths = get(server, tmp_path, progress=bars)
    assert paths == [tmp_path / "sub" / "one.bin", tmp_path / "two.bin"]
    assert all(path.read_bytes() == BODY for path in paths)
    assert bars.lines == [["one.bin", 300_000, 300_000], ["two.bin", 300_000, 300_000]]
    server.asked.clear()
    assert get(server, tmp_path) == paths
    assert not server.asked and server.heads == 2  # what is here is not asked for again


def test_an_interrupted_file_goes_on_in_a_later_call(server, tmp_path):
    server.cuts = [100_000, *[0] * 10]
    with pytest.raises(DataError) as caught:
        get(server, tmp_path)
    assert "2 files of data are missing: the connection is lost" in caught.value.cause
    assert (tmp_path / "sub" / "one.bin.part").stat().st_size == 100_000
    server.cuts, server.asked = [], []
    bars = Bars()
    get(server, tmp_path, progress=bars)
    assert server.asked == ["bytes=100000-", None]
    assert bars.lines[0] == ["one.bin", 300_000, 300_000]
    assert (tmp_path / "sub" / "one.bin").read_bytes() == BODY


def test_what_has_come_before_a_lost_connection_is_not_named(server, tmp_path):
    server.cuts = [300_000, *[0] * 10]
    with pytest.raises(DataError, match="a file of data is missing") as caught:
        get(server, tmp_path)
    assert "two.bin (300.0 kB)" in str(caught.value) and "one.bin" not in str(caught.value)


def test_a_wrong_checksum_stops_and_is_kept_aside(server, tmp_path):
    server.files["/one.bin"] = BODY[:-1] + b"!"
    with pytest.raises(DataError, match="its sha256 is"):
        get(server, tmp_path)
    assert (tmp_path / "sub" / "one.bin.bad").exists()
    assert not (tmp_path / "two.bin").exists()


def test_a_file_that_is_shorter_than_was_said_is_not_taken(server, tmp_path):
    """Without a length in the answer, the size that HEAD said tells that bytes are missing."""
    server.says_length, server.cuts = False, [120_000]
    (remote, _) = two_files(server.base)
    sized = RemoteFile(remote.url, remote.path, None, size=len(BODY))
    (path,) = get(server, tmp_path, [sized])
    assert path.read_bytes() == BODY
    assert server.asked == [None, "bytes=120000-"]


def test_no_network_names_every_file_at_once(tmp_path):
    with pytest.raises(DataError) as caught:
        get(None, tmp_path, two_files(NOWHERE))
    assert "2 files of data are missing: there is no connection" in caught.value.cause
    for remote in two_files(NOWHERE):
        assert remote.url in caught.value.hint
        assert str(tmp_path / remote.path) in caught.value.hint
    assert "--from DIR" in caught.value.hint
    assert not list(tmp_path.iterdir())


def test_a_file_that_the_server_lacks_is_said(server, tmp_path):
    server.files["/one.bin"] = b""
    with pytest.raises(DataError, match="the server says 404"):
        get(server, tmp_path)


def test_a_disk_without_room_is_said_before_anything_is_fetched(server, tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(fetch.shutil, "disk_usage", lambda _: usage(500_000))
    with pytest.raises(DataError, match=r"600.0 kB are to be fetched, and the disk has 500.0 kB"):
        get(server, tmp_path / "not" / "there")
    assert not server.asked
    (tmp_path / "two.bin.part").write_bytes(BODY[:150_000])  # so much has come already
    get(server, tmp_path)


def test_files_at_hand_are_checked_and_copied(tmp_path):
    hand, here = tmp_path / "hand", tmp_path / "here"
    hand.mkdir()
    files = two_files(NOWHERE)
    with pytest.raises(DataError, match=r"no one\.bin, two\.bin in it") as caught:
        fetch_files(files, here, source=hand)
    assert files[1].url in caught.value.hint
    (hand / "one.bin").write_bytes(b"something else")
    (hand / "two.bin").write_bytes(BODY)
    with pytest.raises(DataError, match="its sha256 is"):
        fetch_files(files, here, source=hand)
    (hand / "one.bin").write_bytes(BODY)
    assert [path.read_bytes() for path in fetch_files(files, here, source=hand)] == [BODY] * 2
    (hand / "one.bin").unlink()
    assert fetch_files(files, here, source=hand)  # they are there: nothing is needed


def test_a_size_that_no_server_says_is_unknown(server):
    server.says_length = False
    assert [remote.size for remote in measure_sizes(two_files(server.base)).files] == [None, None]
    assert measure_sizes(two_files(NOWHERE)).error is not None
    mixed = (two_files(server.base)[0], two_files(NOWHERE)[1])
    assert measure_sizes(mixed).error is None
    assert [format_size(n) for n in (0, 1_500, 2_000_000)] == ["0 B", "1.5 kB", "2.0 MB"]


def test_every_public_file_is_known_by_its_path():
    for dataset in ("movielens/ml-1m", "lastfm", "steam", "amazon2018/Books", "amazon2023/Books"):
        for remote in remote_files.remote_files(dataset):
            assert find_remote_file(remote.path) == remote
    for path in ("amazon2023/x/Books.jsonl.gz", "mine.csv", "amazon2018/Books.json.gz", ""):
        assert find_remote_file(path) is None


def test_missing_files_of_a_suite_are_listed_once(tmp_path):
    missing = find_missing_files(load_suite("cold-start").datasets, tmp_path)
    assert [remote.path for remote in missing] == [
        "amazon2018/Movies_and_TV_5.json.gz", "amazon2018/meta_Movies_and_TV.json.gz",
    ]  # fmt: skip
    (tmp_path / "amazon2018").mkdir()
    (tmp_path / missing[1].path).write_bytes(gzip.compress(b"{}"))
    assert find_missing_files(load_suite("cold-start").datasets, tmp_path) == missing[:1]
    assert len(find_missing_files(load_suite("preference").datasets, tmp_path)) == 5
    assert not find_missing_files(load_suite("preference@demo100").datasets, tmp_path)
    (tmp_path / "steam").mkdir()
    (tmp_path / "steam" / "steam_games.json").write_text("{}")  # unpacked counts, too
    paths = [r.path for r in find_missing_files(load_suite("preference").datasets, tmp_path)]
    assert "steam/steam_reviews.json.gz" in paths and "steam/steam_games.json.gz" not in paths


def test_what_nobody_can_fetch_is_said_before_anything_is_fetched(tmp_path):
    options = {"interactions": "mine.csv", "items": "items.csv"}
    mine = DatasetSpec(name="mine", source="table", options=options)
    specs = [*load_suite("cold-start").datasets, mine]
    with pytest.raises(DataError, match=r"mine\.csv: no such file"):
        find_missing_files(specs, tmp_path)
    wrong = DatasetSpec(name="ml", source="movielens", options={"file": "x"})
    with pytest.raises(ConfigError, match=r"unexpected keyword|missing a required"):
        find_missing_files([wrong], tmp_path)
