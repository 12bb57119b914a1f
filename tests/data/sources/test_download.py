"""Downloads from a server on this machine that drops connections and worse."""

import hashlib

import numpy as np
import pytest

from benchkit.data.sources.download import download_file
from benchkit.data.sources.remote_files import RemoteFile, fetchable_datasets, remote_files
from benchkit.errors import ConfigError, DataError
from tests.support.file_server import BODY, SHA, serve_files


@pytest.fixture
def server():
    with serve_files() as behaviour:
        yield behaviour


def get(server, path, checksum=SHA):
    pauses = []
    download_file(RemoteFile(server.url, path.name, checksum), path, sleep=pauses.append)
    return pauses


@pytest.mark.parametrize("cuts", [[1], [0, 0, 150_000], [299_999], [70_000] * 4, [0] * 4])
def test_a_download_that_is_cut_off_anywhere_goes_on(server, tmp_path, cuts):
    server.cuts = list(cuts)
    pauses = get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert len(pauses) == len(cuts)
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]
    assert sum(server.asked.count(f"bytes={n}-") for n in np.cumsum(cuts) if n) >= bool(sum(cuts))


def test_a_later_call_goes_on_where_an_earlier_one_stopped(server, tmp_path):
    server.cuts = [100_000] + [0] * 10
    with pytest.raises(Exception, match="IncompleteRead"):
        get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin.part").stat().st_size == 100_000
    server.cuts, server.asked = [], []
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY
    assert server.asked == ["bytes=100000-"]


def test_a_server_without_ranges_starts_over(server, tmp_path):
    server.ranges, server.cuts = False, [200_000]
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_file_that_changed_meanwhile_is_not_joined_to_the_old_one(server, tmp_path):
    server.cuts = [100_000] + [0] * 10
    with pytest.raises(Exception, match="IncompleteRead"):
        get(server, tmp_path / "file.bin")
    server.cuts, server.body, server.tag = [], BODY[::-1], '"two"'
    checksum = f"sha256:{hashlib.sha256(server.body).hexdigest()}"
    get(server, tmp_path / "file.bin", checksum)
    assert (tmp_path / "file.bin").read_bytes() == server.body


def test_a_part_that_is_whole_already_is_taken(server, tmp_path):
    (tmp_path / "file.bin.part").write_bytes(BODY)
    get(server, tmp_path / "file.bin")
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_errors_of_the_server_are_waited_out(server, tmp_path):
    server.codes = [500, 503, 429]
    assert len(get(server, tmp_path / "file.bin")) == 3
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_what_is_not_there_is_said_at_once(server, tmp_path):
    server.codes = [404]
    with pytest.raises(DataError, match="the server says 404"):
        get(server, tmp_path / "file.bin")


def test_a_wrong_checksum_is_refused_and_the_file_kept_aside(server, tmp_path):
    server.body = BODY + b"x"
    with pytest.raises(DataError, match="its sha256 is") as caught:
        get(server, tmp_path / "file.bin")
    assert "file.bin.bad" in str(caught.value)
    assert [p.name for p in sorted(tmp_path.iterdir()) if p.suffix != ".etag"] == ["file.bin.bad"]


def test_a_page_in_the_place_of_an_archive_is_refused(server, tmp_path):
    server.body = b"<html>please log in</html>"
    with pytest.raises(DataError, match=r"it is no \.gz file"):
        get(server, tmp_path / "file.gz", None)
    assert (tmp_path / "file.gz.bad").exists()


def test_names():
    assert [d.path for d in remote_files("amazon2023/Video_Games")] == [
        "amazon2023/Video_Games.jsonl.gz", "amazon2023/meta_Video_Games.jsonl.gz",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="has no domain"):
        remote_files("amazon2018")
    with pytest.raises(ConfigError, match="several releases"):
        remote_files("movielens")
    with pytest.raises(ConfigError, match="did you mean 'steam'"):
        remote_files("steem")
    assert "lastfm" in fetchable_datasets()


def test_suites_look_where_fetch_puts_things():
    from benchkit.config.suite import list_shipped_suites, load_suite

    fetched = {
        d.path for name in fetchable_datasets() if "DOMAIN" not in name for d in remote_files(name)
    }
    for suite in map(load_suite, list_shipped_suites()):
        for spec in suite.datasets:
            if spec.source.startswith("amazon"):
                domain = spec.options["reviews"].split("/")[1].split(".")[0].removesuffix("_5")
                wanted = {d.path for d in remote_files(f"{spec.source}/{domain}")}
                assert {spec.options["reviews"], spec.options["meta"]} == wanted
            elif "folder" in spec.options:
                folder = spec.options["folder"]
                assert any(path == folder or path.startswith(f"{folder}/") for path in fetched)
