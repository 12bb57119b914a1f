"""Answers on disk, shared by threads and processes."""

import multiprocessing
import random
import sqlite3
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from benchkit.errors import StoreError
from benchkit.lm.generation_cache import (
    CACHE_FILE,
    GenerationCache,
    answer_key,
    ask_again_since,
)


def test_the_first_answer_stays(tmp_path):
    cache = GenerationCache(tmp_path)
    assert cache.get("k") is None
    assert cache.put("k", {"a": 1.5}) == {"a": 1.5}
    assert cache.put("k", {"a": 2}) == {"a": 1.5}
    assert cache.get("k") == {"a": 1.5}
    assert len(cache) == 1


def test_answers_outlive_the_object_and_odd_text_comes_back(tmp_path):
    first = GenerationCache(tmp_path)
    first.put("k", {"text": "né\x00 \U0001f600 \ufffd"})
    first.close()
    assert GenerationCache(tmp_path).get("k") == {"text": "né\x00 \U0001f600 \ufffd"}


def test_keys_depend_on_everything_but_the_order_of_names():
    parts = {"model": "m", "revision": None, "endpoint": "e", "body": {"a": 1, "b": [2]}, "seed": 1}
    key = answer_key(**parts, samples=1)
    assert key == answer_key(samples=1, **(parts | {"body": {"b": [2], "a": 1}}))
    changed = [{"model": "n"}, {"revision": "1"}, {"endpoint": "f"}, {"body": {"a": 1}}]
    changed += [{"seed": 2}, {"seed": None}, {"samples": 2}]
    keys = {answer_key(**({**parts, "samples": 1} | change)) for change in changed}
    assert len(keys | {key}) == len(changed) + 1


def test_what_is_no_number_is_not_stored(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        GenerationCache(tmp_path).put("k", {"logprob": float("nan")})


def test_a_damaged_file_is_moved_aside_and_named(tmp_path):
    (tmp_path / CACHE_FILE).write_bytes(b"not a database" * 100)
    with pytest.warns(UserWarning, match=r"requests\.sqlite is damaged"):
        assert GenerationCache(tmp_path).get("k") is None
    assert GenerationCache(tmp_path).put("k", {"a": 1}) == {"a": 1}
    assert len(list(tmp_path.glob(f"{CACHE_FILE}.damaged-*"))) == 1


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match=r"requests\.sqlite"):
        GenerationCache(tmp_path / "file").put("k", {})


@pytest.mark.parametrize(
    "change", ["answer = '{\"a\": 2}'", "stored = stored + 1e9", "checksum = NULL", "answer = '{'"]
)
def test_a_damaged_answer_counts_as_none_and_is_replaced(tmp_path, change):
    cache = GenerationCache(tmp_path)
    cache.put("k", {"a": 1})
    cache.put("l", {"a": 5})
    with sqlite3.connect(tmp_path / CACHE_FILE) as database:
        database.execute(f"UPDATE answers SET {change} WHERE key = 'k'")
    database.close()
    assert cache.get("k") is None
    assert cache.get("l") == {"a": 5}
    assert cache.put("k", {"a": 3}) == {"a": 3}
    assert cache.get("k") == {"a": 3}


def test_no_flipped_bit_gives_another_answer(tmp_path):
    """sqlite may lose an answer, which is asked again, or refuse the file; it never differs."""
    answers = {f"key {n}": {"text": f"answer {n}" * 9, "usage": {"tokens": n}} for n in range(40)}
    first = GenerationCache(tmp_path / "origin")
    for key, answer in answers.items():
        first.put(key, answer)
    first.close()
    content = (tmp_path / "origin" / CACHE_FILE).read_bytes()
    draw = random.Random(0)
    for number in range(300):
        damaged = bytearray(content)
        place = draw.randrange(8 * len(content))
        damaged[place // 8] ^= 1 << place % 8
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / CACHE_FILE).write_bytes(damaged)
        cache = GenerationCache(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for key, answer in answers.items():
                with suppress(StoreError):
                    assert cache.get(key) in (None, answer)
        cache.close()


def test_reading_creates_no_file(tmp_path):
    assert GenerationCache(tmp_path / "new").get("k") is None
    assert not list(tmp_path.iterdir())


def test_a_closed_cache_opens_again(tmp_path):
    cache = GenerationCache(tmp_path / "new")
    cache.put("k", {"a": 1})
    cache.close()
    assert cache.get("k") == {"a": 1}


def _fill(folder, name):
    cache = GenerationCache(folder)
    for i in range(100):
        cache.put(f"k{i}", {"by": name, "i": i})


def test_several_processes_and_threads_agree(tmp_path):
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_fill, args=(tmp_path, n)) for n in "ab"]
    for process in processes:
        process.start()
    cache = GenerationCache(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        answers = list(
            pool.map(lambda i: cache.put(f"k{i % 100}", {"by": "c", "i": i % 100}), range(400))
        )
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert len(cache) == 100
    assert all(answer == cache.get(f"k{answer['i']}") for answer in answers)


def test_a_file_of_an_earlier_version_is_read_and_written(tmp_path):
    with sqlite3.connect(tmp_path / CACHE_FILE) as database:
        database.execute(
            "CREATE TABLE answers (key TEXT PRIMARY KEY, answer TEXT NOT NULL) WITHOUT ROWID"
        )
        database.execute("INSERT INTO answers VALUES ('k', '{\"a\": 1}')")
    database.close()
    cache = GenerationCache(tmp_path)
    assert cache.get("k") == {"a": 1}
    assert cache.put("l", {"a": 2}) == {"a": 2}
    with ask_again_since(time.time()):
        fresh = GenerationCache(tmp_path)
    assert fresh.get("k") is None
    assert GenerationCache(tmp_path).get("k") == {"a": 1}


def test_an_answer_from_before_a_moment_is_asked_for_once_more(tmp_path):
    old = GenerationCache(tmp_path)
    old.put("k", {"a": 1})
    with ask_again_since(time.time() + 100):  # also if the clock is set back
        fresh = GenerationCache(tmp_path)
        assert GenerationCache(tmp_path).get("k") is None
    assert fresh.put("k", {"a": 2}) == {"a": 2}
    assert fresh.put("k", {"a": 3}) == {"a": 2}  # the first of those since then stays
    assert old.get("k") == {"a": 2}
    assert len(old) == 1
