"""`benchkit run` and `benchkit data fetch --suite` with data that are not here."""

import pytest

from benchkit.data.demo import DEMO_FORMATS
from benchkit.data.sources import download, remote_files
from benchkit.errors import ConfigError, DataError
from tests.support.command_line import invoked, said
from tests.support.file_server import serve_files

FASHION = ("--suite", "amazon5", "--dataset", "fashion")
RUN = ("run", *FASHION, "--method", "random")
PATHS = ("amazon2023/Amazon_Fashion.jsonl.gz", "amazon2023/meta_Amazon_Fashion.jsonl.gz")


@pytest.fixture(scope="module")
def published():
    """Generated files stand in for the published ones, which are too large for a test."""
    reviews, meta = PATHS
    return DEMO_FORMATS.load("amazon2023").generate(100, reviews=reviews, meta=meta)


@pytest.fixture
def server(published, tmp_path, monkeypatch):
    """A server of the published files, in whose place they are looked for."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    with serve_files() as behaviour:
        folder = "/amazon_2023/raw"
        behaviour.body = b""
        behaviour.files = {
            f"{folder}/review_categories/Amazon_Fashion.jsonl.gz": published[PATHS[0]],
            f"{folder}/meta_categories/meta_Amazon_Fashion.jsonl.gz": published[PATHS[1]],
        }
        monkeypatch.setattr(remote_files, "_MCAULEY_LAB", behaviour.base)
        monkeypatch.setattr(download, "_LONGEST_PAUSE", 0.0)
        yield behaviour


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(remote_files, "_MCAULEY_LAB", "http://127.0.0.1:9")


def test_a_run_fetches_what_is_missing_and_runs(server, tmp_path, published):
    printed = said(*RUN)
    for path in PATHS:
        assert (tmp_path / "data" / "raw" / path).read_bytes() == published[path]
    assert "fetch Amazon_Fashion.jsonl.gz" in printed and " kB)" in printed
    assert "1 run, 1 computed now" in printed
    assert "SYNTHETIC" not in printed
    server.asked.clear()
    assert "1 run, 0 computed now" in said(*RUN)
    assert not server.asked


def test_an_interrupted_run_goes_on_with_the_file(server, tmp_path, published):
    server.cuts = [1000, *[0] * 20]
    with pytest.raises(DataError, match="2 files of data are missing: the connection is lost"):
        invoked(*RUN)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").rglob("plan.json"))
    server.cuts, server.asked = [], []
    assert "1 run, 1 computed now" in said(*RUN)
    assert server.asked == ["bytes=1000-", None]


def test_a_dry_run_shows_files_sizes_and_addresses_and_fetches_nothing(server, tmp_path, published):
    printed = said(*RUN, "--dry-run")
    assert (
        f"to fetch  {PATHS[0]}  {len(published[PATHS[0]]) / 1000:.1f} kB  {server.base}/" in printed
    )
    assert "to fetch  2 files" in printed and "in all" in printed
    assert "to run    fashion / random  (its data are fetched first)" in printed
    assert server.heads == 2 and not server.asked
    assert not list(tmp_path.iterdir())
    said(*RUN)
    assert "to fetch" not in said(*RUN, "--dry-run")


def test_no_fetch_names_them_and_stops(server, tmp_path):
    with pytest.raises(DataError, match="2 files of data are missing") as caught:
        invoked(*RUN, "--no-fetch")
    assert server.base in caught.value.hint
    assert not server.asked and not server.heads


def test_without_network_all_files_of_all_datasets_are_named(no_network, tmp_path):
    with pytest.raises(DataError, match="10 files of data are missing: there is no conn") as caught:
        invoked("run", "--suite", "amazon5", "--method", "random")
    assert caught.value.hint.count("http://127.0.0.1:9/") == 10
    printed = said("run", "--suite", "amazon5", "--method", "random", "--dry-run")
    assert printed.count("size unknown") == 10
    assert "10 files, 0 B in all, 10 of unknown size" in printed


def test_all_files_of_a_suite_are_fetched_at_once(server, tmp_path, published):
    printed = said("data", "fetch", *FASHION)
    assert "to fetch  2 files" in printed
    for path in PATHS:
        assert (tmp_path / "data" / "raw" / path).read_bytes() == published[path]
    assert "nothing is missing" in said("data", "fetch", *FASHION)
    assert "nothing is missing" in said("data", "fetch", "--suite", "amazon5@demo100")
    with pytest.raises(DataError, match="the server says 404"):
        invoked("data", "fetch", "--suite", "amazon5", "--dataset", "grocery")


def test_a_suite_from_a_folder_at_hand(no_network, tmp_path, published):
    hand = tmp_path / "hand"
    hand.mkdir()
    for path in PATHS:
        (hand / path.rpartition("/")[2]).write_bytes(published[path])
    said("data", "fetch", *FASHION, "--from", hand)
    assert "1 run, 1 computed now" in said(*RUN)


def test_either_a_dataset_or_a_suite(no_network):
    assert "either a DATASET or a --suite" in invoked("data", "fetch", code=2).stderr
    assert "either" in invoked("data", "fetch", "steam", *FASHION, code=2).stderr
    assert "--suite" in invoked("data", "fetch", "steam", "--dataset", "x", code=2).stderr
    with pytest.raises(ConfigError, match="unknown dataset"):
        invoked("data", "fetch", "--suite", "amazon5", "--dataset", "fashon")


def test_a_page_instead_of_the_data_is_kept_aside(server, tmp_path):
    name = next(iter(server.files))
    server.files[name] = b"<html>moved</html>"
    with pytest.raises(DataError, match=r"no \.gz file"):
        invoked(*RUN)
    assert (tmp_path / "data" / "raw" / f"{PATHS[0]}.bad").exists()
