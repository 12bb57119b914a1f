"""What runs share, carried from one cache to another."""

from filelock import FileLock

from benchkit.lm.generation_cache import GenerationCache
from benchkit.runs.cluster.shared_cache import (
    add_answers,
    add_entry,
    collect_answers,
    list_cache_entries,
    pack_entries,
)


def fill(cache):
    for name, size in (("nano/model", 10), ("sft/busy", 10), ("sft/large", 5000)):
        (cache / name).mkdir(parents=True)
        (cache / name / "weights").write_bytes(b"w" * size)
    (cache / "reference").mkdir()
    (cache / "reference" / "scores.npy").write_bytes(b"s")
    (cache / "nano" / ".model.lock").touch()


def test_entries_are_carried_but_for_those_being_made_and_too_large_ones(tmp_path):
    fill(tmp_path / "a")
    with FileLock(tmp_path / "a" / "sft" / "busy" / "lock"):
        assert "sft/busy" not in list_cache_entries(tmp_path / "a")
        packed = dict(pack_entries(tmp_path / "a", known=(), room=1000))
    assert packed.keys() == {"nano/model", "reference/scores.npy"}
    for name, data in packed.items():
        add_entry(tmp_path / "b", name, data)
    assert (tmp_path / "b" / "nano" / "model" / "weights").read_bytes() == b"w" * 10
    assert (tmp_path / "b" / "reference" / "scores.npy").read_bytes() == b"s"
    known = [*packed, "sft/busy"]
    assert dict(pack_entries(tmp_path / "a", known, room=1000)) == {}


def test_an_entry_that_is_there_stays(tmp_path):
    fill(tmp_path / "a")
    packed = dict(pack_entries(tmp_path / "a", known=(), room=1000))
    (tmp_path / "b" / "nano" / "model").mkdir(parents=True)
    add_entry(tmp_path / "b", "nano/model", packed["nano/model"])
    assert not list((tmp_path / "b" / "nano" / "model").iterdir())


def test_answers_are_carried_and_the_newer_one_stays(tmp_path):
    a, b = GenerationCache(tmp_path / "a"), GenerationCache(tmp_path / "b")
    b.put("one", {"text": "old"})
    a.put("one", {"text": "new"})
    a.put("two", {"text": "two"})
    rows = collect_answers(tmp_path / "a")
    assert collect_answers(tmp_path / "nowhere") == []
    add_answers(tmp_path / "b", rows)
    assert (b.get("one"), b.get("two")) == ({"text": "new"}, {"text": "two"})
    add_answers(tmp_path / "b", [("one", '{"text": "forged"}', 9e9, rows[0][3])])
    assert b.get("one") is None
