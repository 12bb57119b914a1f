"""What is asked, in a file: everything that a request has, and no answer."""

import json
from dataclasses import replace

import pytest

from benchkit.errors import ConfigError, DataError
from benchkit.interop.cases_file import header_path, make_header, read_header, write_cases
from benchkit.interop.evaluation_task import EvaluationTask, load_task
from tests.support.external_predictions import exported
from tests.support.suites import make_suite


def test_the_file_holds_the_requests_and_nothing_else(tmp_path):
    place, cases = exported(make_suite(), tmp_path)
    requests = list(place.dataset.requests(place.cases))
    assert [case["case_id"] for case in cases] == [request.case_id for request in requests]
    catalog = place.dataset.catalog
    for case, request in zip(cases, requests, strict=True):
        assert case.keys() == {"case_id", "user", "history", "candidates"}
        assert case["candidates"] == [
            {"item": item, "title": catalog.text(item)} for item in request.candidates
        ]
        assert [(e["item"], e["title"], e["rating"], e["timestamp"]) for e in case["history"]] == [
            (e.item, catalog.text(e.item), e.rating, e.timestamp) for e in request.history
        ]
        assert {name for event in case["history"] for name in event} == {
            "item", "title", "rating", "timestamp",
        }  # fmt: skip


def test_the_target_is_in_the_file_as_a_candidate_among_others_only(tmp_path):
    place, cases = exported(make_suite(), tmp_path)
    other = place.cases.target[::-1]  # the file may not depend on who the answer is
    assert list(other) != list(place.cases.target)
    changed = replace(place.dataset, test=replace(place.cases, target=other))
    again = EvaluationTask(place.suite, place.task, changed)
    write_cases(again, tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "cases.jsonl").read_bytes()
    assert make_header(again).cases_hash != make_header(place).cases_hash
    assert len(cases) == 40


def test_the_header_names_the_cases(tmp_path):
    suite = make_suite(protocols=["scored", "full", "sampled"], decoding={"n": 3})
    place, _ = exported(suite, tmp_path)
    header = read_header(tmp_path / "cases.jsonl")
    assert header == make_header(place)
    assert header.cases_hash == place.dataset.candidates_hash
    assert header.fingerprint == place.dataset.fingerprint
    assert (header.suite, header.dataset, header.cases) == ("small", "toy", 40)
    assert header.protocols == ("scored", "sampled") and header.decoding.n == 3
    assert read_header(tmp_path / "none.jsonl") is None


def test_only_so_many_users(tmp_path):
    place, cases = exported(make_suite(), tmp_path, limit_users=7)
    assert place.suite_name == "small@7users"
    assert [case["case_id"] for case in cases] == list(place.cases.ids) and len(cases) == 7
    assert read_header(tmp_path / "cases.jsonl").limit_users == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "cases_hash: is missing"),
        ('{"cases_hash": "a", "hash": "b"}', "hash: unknown key; did you mean 'cases_hash'"),
        ("no", "Invalid JSON"),
        ('{"cases_hash": "a", "format": 9}', "format 9 is newer"),
    ],
)
def test_a_header_that_is_none_is_refused(tmp_path, text, message):
    header_path(tmp_path / "x.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_header(tmp_path / "x.csv")


def test_a_place_is_named_or_the_only_one(tmp_path):
    two = make_suite(
        datasets=[
            {"name": name, "source": "toy", "candidates": {"count": 5}} for name in ("a", "b")
        ]
    )
    assert load_task(two, "b", tmp_path).task.name == "b"
    with pytest.raises(ConfigError, match="has 2 datasets"):
        load_task(two, "", tmp_path)
    with pytest.raises(ConfigError, match="dataset of suite 'small': 'c'"):
        load_task(two, "c", tmp_path)


def test_the_file_is_one_object_a_line_whatever_titles_hold(tmp_path):
    (tmp_path / "i.csv").write_text(
        "user,item,rating\n"
        + "".join(f"u{u},{'abcde'[(u + k) % 5]},5\n" for u in range(5) for k in range(4))
    )
    (tmp_path / "t.csv").write_text(
        'item,title\na,"Two\nlines"\nb,"Quote "" and, comma"\nc,推荐 \u2028 😀\nd,D\ne,E\n',
        encoding="utf-8",
    )
    options = {"interactions": str(tmp_path / "i.csv"), "items": str(tmp_path / "t.csv")}
    suite = make_suite(
        datasets=[
            {
                "name": "own",
                "source": "table",
                "options": options,
                "candidates": {"count": 2},
                "rating_scale": [1, 5],
            }
        ]
    )
    place, cases = exported(suite, tmp_path)
    assert len(cases) == len(place.cases)
    titles = {c["item"]: c["title"] for case in cases for c in case["candidates"]}
    assert all(place.dataset.catalog.text(item) == title for item, title in titles.items())
    raw = (tmp_path / "cases.jsonl").read_bytes()
    assert [json.loads(line) for line in raw.split(b"\n") if line] == cases
