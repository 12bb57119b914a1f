"""Digests of values, entries on disk, and files that are left as they are."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.report.incremental.codecs import decode_array, encode_array
from benchkit.report.incremental.digest import digest
from benchkit.report.incremental.environment import hash_files
from benchkit.report.incremental.memo import Memo, UnknownInputsError, trim
from benchkit.report.incremental.output_files import write_changed


@dataclass(frozen=True)
class Point:
    x: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Other:
    x: float
    names: tuple[str, ...] = ()


def draw(figure, point):
    del figure, point


DIFFERENT = [
    None, 0, False, 0.0, "", "0", b"", b"0", [], [[]], ["a", "bc"], ["ab", "c"], {}, {"a": 1},
    {"a": 1, "b": 2}, {"b": 2, "a": 1}, set(), {1}, {1, 2}, Point(1.0), Other(1.0), Point(2.0),
    np.zeros(2), np.zeros((1, 2)), np.zeros((2, 1)), np.zeros(2, np.float32), np.zeros(2, int),
    draw, partial(draw, point=Point(1.0)), partial(draw, point=Point(2.0)), float("nan"), "\ud800",
]  # fmt: skip


def test_different_values_have_different_digests():
    digests = [digest(value) for value in DIFFERENT]
    assert len(set(digests)) == len(DIFFERENT)
    assert digests == [digest(value) for value in DIFFERENT]


def test_a_digest_is_the_same_in_another_process():
    code = (
        "from benchkit.report.incremental.digest import digest;"
        "print(digest([{'x', 'y', 'z'}, {'a': 1.5, 'b': None}, b'x']))"
    )
    seeds = [{**os.environ, "PYTHONHASHSEED": seed} for seed in ("1", "2")]
    texts = [subprocess.check_output([sys.executable, "-c", code], env=env) for env in seeds]
    expected = digest([{"x", "y", "z"}, {"a": 1.5, "b": None}, b"x"])
    assert {text.decode().strip() for text in texts} == {expected}


@pytest.mark.parametrize("value", [Path("a"), lambda: 0, object(), np.array([{}]), open])
def test_what_depends_on_the_process_has_no_digest(value):
    with pytest.raises(TypeError):
        digest([value])


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(SCALARS, lambda v: st.lists(v) | st.dictionaries(st.text(), v), max_leaves=9)


@given(VALUES)
def test_a_value_read_back_from_json_has_the_same_digest(value):
    assert digest(json.loads(json.dumps(value))) == digest(value)


@given(st.lists(st.floats(width=32)), st.sampled_from([np.float32, np.float64]))
def test_arrays_come_back_bit_for_bit(values, kind):
    array = np.array(values, dtype=kind)
    again = decode_array(json.loads(json.dumps(encode_array(array))))
    assert again.dtype == array.dtype and again.tobytes() == array.tobytes()


def test_an_array_that_is_none_of_numbers_is_not_read():
    record = {**encode_array(np.zeros(1)), "dtype": "|O8"}
    with pytest.raises(ValueError, match="none of numbers"):
        decode_array(record)


def recall(memo, inputs, result, calls):
    def compute():
        calls.append(inputs)
        return result

    return memo.recall("sum", lambda: inputs, compute, lambda value: value, lambda value: value)


def test_a_result_is_computed_once_for_the_same_inputs(tmp_path):
    calls = []
    assert recall(Memo(tmp_path), [1, 2], 3, calls) == 3
    assert recall(Memo(tmp_path), (1, 2), 0, calls) == 3
    assert recall(Memo(tmp_path), [2, 1], 4, calls) == 4
    assert recall(Memo(None), [1, 2], 5, calls) == 5
    assert calls == [[1, 2], [2, 1], [1, 2]]


def test_what_follows_from_something_unknown_is_not_stored(tmp_path):
    def unknown():
        raise UnknownInputsError

    same = (lambda value: value,) * 2
    assert Memo(tmp_path).recall("sum", unknown, lambda: 1, *same) == 1
    assert Memo(tmp_path).recall("sum", unknown, lambda: 2, *same) == 2
    assert not list(tmp_path.iterdir())


def test_an_error_is_raised_again_and_not_stored(tmp_path):
    def fail():
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            Memo(tmp_path).recall("sum", lambda: 1, fail, str, str)
    assert not list(tmp_path.iterdir())


def test_the_folder_stays_below_its_bound_and_the_latest_results_stay(tmp_path):
    calls = []
    for number in range(40):
        recall(Memo(tmp_path, max_bytes=20_000), number, "x" * 1000, calls)
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 20_000
    calls.clear()
    recall(Memo(tmp_path), 39, "", calls)
    assert not calls
    recall(Memo(tmp_path, max_bytes=500), 41, "x" * 1000, calls)  # larger than all may be
    assert len(calls) == 1


def test_the_oldest_entries_are_removed_and_no_other_file(tmp_path):
    for number in range(10):
        path = tmp_path / f"plot-{number}.json"
        path.write_text("x" * 100)
        os.utime(path, (number + 1, number + 1))
    (tmp_path / "notes.txt").write_text("x" * 10_000)
    (tmp_path / ".hidden.json").write_text("x" * 10_000)
    removed = trim(tmp_path, 500)
    assert [path.name for path in removed] == [f"plot-{number}.json" for number in range(6)]
    assert len(list(tmp_path.iterdir())) == 6
    assert trim(tmp_path, 500) == [] and trim(tmp_path / "none", 500) == []


def test_a_file_is_written_only_if_it_holds_something_else(tmp_path):
    path = tmp_path / "deep" / "table.md"
    assert write_changed(path, "é\n") and path.read_bytes() == "é\n".encode()
    os.utime(path, (1, 1))
    assert not write_changed(path, "é\n") and path.stat().st_mtime == 1
    assert write_changed(path, "e\n") and path.read_text() == "e\n"


def test_the_hash_of_files_is_of_their_places_and_contents(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "a.py").write_text("1")
        (tmp_path / name / "__pycache__").mkdir()
        (tmp_path / name / "__pycache__" / name).write_text(name)
    assert hash_files(tmp_path / "one") == hash_files(tmp_path / "two")
    (tmp_path / "two" / "deep" / "a.py").rename(tmp_path / "two" / "deep" / "b.py")
    assert hash_files(tmp_path / "one") != hash_files(tmp_path / "two")
