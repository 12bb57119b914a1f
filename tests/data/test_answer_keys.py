"""Answers lie apart from questions, where the user says, and readable to the user alone."""

import os

import polars as pl
import pytest

from benchkit.data import answer_keys
from benchkit.data.preparation.cache import clear_dataset_cache, dataset_dir, load_or_prepare
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError
from tests.support.command_line import invoked

TOY = DatasetSpec(
    name="toy", source="toy", options={"users": 30, "items": 40}, candidates={"count": 5}
)


@pytest.fixture
def keys(tmp_path, monkeypatch):
    folder = tmp_path / "keys"
    monkeypatch.setenv(answer_keys.KEYS_VARIABLE, str(folder))
    return folder


def test_a_data_folder_holds_no_answer(tmp_path, keys):
    dataset = load_or_prepare(TOY, tmp_path / "data")
    folder = dataset_dir(TOY, tmp_path / "data")
    questions = pl.read_parquet(folder / "test.parquet")
    assert set(questions.columns) == {"case_id", "user", "start", "stop", "candidates"}
    rows = pl.read_parquet(folder / "interactions.parquet")
    assert len(rows) == len(dataset.interactions) - len(dataset.test)
    taken = set(rows.select("user", "item").iter_rows())
    pairs = zip(dataset.test.user.tolist(), dataset.test.target.tolist(), strict=True)
    assert not taken & set(pairs)


def test_a_key_is_for_its_user_alone_and_no_table(tmp_path, keys):
    load_or_prepare(TOY, tmp_path / "data")
    (path,) = keys.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600 and keys.stat().st_mode & 0o777 == 0o700
    for read in (pl.read_parquet, pl.read_ipc, pl.read_csv):
        with pytest.raises((pl.exceptions.PolarsError, OSError)):
            read(path)


def test_a_dataset_whose_key_is_gone_is_prepared_again(tmp_path, keys):
    before = load_or_prepare(TOY, tmp_path / "data").fingerprint
    next(keys.iterdir()).unlink()
    clear_dataset_cache()
    assert load_or_prepare(TOY, tmp_path / "data").fingerprint == before
    assert len(list(keys.iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"x", b"benchkit answer key 1\nrows 9\nnothing.."])
def test_a_damaged_key_is_named(tmp_path, keys, damage):
    load_or_prepare(TOY, tmp_path / "data")
    (path,) = keys.iterdir()
    path.write_bytes(damage)
    clear_dataset_cache()
    with pytest.raises(DataError, match=r"\.key"):
        load_or_prepare(TOY, tmp_path / "data")


def test_the_key_of_another_dataset_is_noticed(tmp_path, keys):
    other = TOY.model_copy(update={"options": {"users": 30, "items": 41}})
    load_or_prepare(TOY, tmp_path / "data")
    (mine,) = keys.iterdir()
    load_or_prepare(other, tmp_path / "data")
    (theirs,) = set(keys.iterdir()) - {mine}
    mine.write_bytes(theirs.read_bytes())
    clear_dataset_cache()
    with pytest.raises(DataError):
        load_or_prepare(TOY, tmp_path / "data")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--keys", "elsewhere", "data", "prepare", "--suite", "s.toml"),
        ("data", "prepare", "--keys", "elsewhere", "--suite", "s.toml"),
        ("data", "prepare", "--suite", "s.toml", "--keys=elsewhere"),
    ],
)
def test_keys_go_where_the_command_line_says(tmp_path, keys, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text(
        'title = "t"\n[[datasets]]\nname = "toy"\nsource = "toy"\n'
        "options = { users = 30, items = 40 }\ncandidates = { count = 5 }\n"
        '[[methods]]\nmethod = "random"\n'
    )
    assert invoked(*arguments).exit_code == 0
    assert [path.suffix for path in (tmp_path / "elsewhere").iterdir()] == [".key"]
    assert not keys.exists()
    os.environ[answer_keys.KEYS_VARIABLE] = str(keys)
