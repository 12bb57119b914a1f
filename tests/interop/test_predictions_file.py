"""Reading predictions: the forms are one, and whatever is wrong is named with its line."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchkit.errors import BenchkitError, DataError
from benchkit.interop import answer_parsing
from benchkit.interop.answer_parsing import AnswerError
from benchkit.interop.predictions_file import read_predictions
from benchkit.types import Catalog, Sample
from tests.support.external_predictions import by_item, exported, whole, write
from tests.support.suites import make_suite


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """The place, its cases, and a folder with cases.jsonl in it."""
    folder = tmp_path_factory.mktemp("asked")
    return (*exported(make_suite(), folder), folder)


def read(asked, path, n=5, **options):
    place = asked[0]
    return read_predictions(path, place.dataset, place.cases, n, **options)


def text(asked, tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8")
    return read(asked, tmp_path / name, allow_missing=1.0)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "ndjson", "parquet"])
@pytest.mark.parametrize("form", [whole, by_item])
def test_all_forms_and_formats_say_the_same(asked, tmp_path, ending, form):
    path = write(tmp_path / f"p.{ending}", form(asked[1]), header=False)
    found = read(asked, path)
    assert found.protocols == ("scored",) and not found.missing
    assert {c: list(p.scores) for c, p in found.predictions.items()} == {
        row["case_id"]: row["scores"] for row in whole(asked[1])
    }


def test_the_order_of_rows_means_nothing(asked, tmp_path):
    rows = by_item(asked[1])
    order = np.random.default_rng(3).permutation(len(rows))
    path = write(tmp_path / "p.csv", [rows[i] for i in order], header=False)
    straight = write(tmp_path / "q.csv", rows, header=False)
    assert read(asked, path).predictions == read(asked, straight).predictions


def test_what_a_ranking_does_not_list_was_not_retrieved(asked, tmp_path):
    case = asked[1][0]
    items = [c["item"] for c in case["candidates"]]
    row = {"case_id": case["case_id"], "ranking": [items[3], items[0]]}
    path = write(tmp_path / "p.jsonl", [row], header=False)
    found = read(asked, path, allow_missing=1.0)
    rest = -np.inf
    answer = found.predictions[case["case_id"]]
    assert answer.scores == [1.0, rest, rest, 2.0, *[rest] * 6] and answer.partial
    assert len(found.missing) == 39
    assert {found.predictions[c].status for c in found.missing} == {"error"}
    assert all(found.predictions[c].scores is None for c in found.missing)


def test_numbers_are_ids_too_and_a_row_can_say_why_there_is_no_answer(asked, tmp_path):
    cases = [case["case_id"] for case in asked[1]]
    found = text(
        asked, tmp_path, "p.csv",
        f'case_id,ranking,status,rationale\n\n{cases[0]},,refused,\n{cases[1]},"[""{asked[1][1]["candidates"][0]["item"]}""]",,"two\nlines"\n',
    )  # fmt: skip
    assert found.predictions[cases[0]].status == "refused"
    assert found.predictions[cases[0]].scores is None
    assert found.predictions[cases[1]].rationale == "two\nlines"
    assert len(found.missing) == 38
    catalog = Catalog(("7", "8"), {"title": ["x", "y"]})
    assert answer_parsing.parse_ranking([8, "7"], ("7", "8"), catalog) == [1.0, 2.0]


def test_item_by_item_the_rationale_is_that_of_the_first_item(asked, tmp_path):
    rows = by_item(asked[1][:1])
    top = max(range(10), key=lambda i: rows[i]["score"])
    for place, row in enumerate(rows):
        row["rationale"] = f"because {place}"
    path = write(tmp_path / "p.jsonl", rows, header=False)
    case = asked[1][0]["case_id"]
    assert read(asked, path, allow_missing=1.0).predictions[case].rationale == f"because {top}"


@given(st.permutations(range(6)), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_scores_of_a_ranking_order_the_items_as_it_does(order, length):
    items = tuple("abcdef")
    catalog = Catalog(items, {"title": list(items)})
    listed = [items[i] for i in order[:length]]
    scores = dict(zip(items, answer_parsing.parse_ranking(listed, items, catalog), strict=True))
    assert sorted(listed, key=lambda i: -scores[i]) == listed
    rest = {scores[i] for i in items if i not in listed}
    assert len(rest) <= 1 and all(scores[i] > r for i in listed for r in rest)
    assert len({scores[i] for i in listed}) == length


# <C>, <D>: two cases. <I>, <J>: the first candidate of each. <O>: an item that is none of <C>'s.
DEFECTS = [
    ("jsonl", '{"scores": [1]}', "line 1: no case_id"),
    ("jsonl", '{"case_id": 1.5, "scores": []}', "line 1: case 1.5: 1.5 is no id"),
    ("jsonl", '{"case_id": "x", "scores": []}', "case 'x': is no test case of 'toy'"),
    ("jsonl", '{"case_id": "<C>", "scores": [1, 2]}', "2 scores for 10 candidates"),
    ("jsonl", '{"case_id": "<C>", "scores": "high"}', "scores are no list"),
    (
        "jsonl",
        '{"case_id": "<C>", "scores": [0,1,2,3,4,5,6,7,8,NaN]}',
        "1 of 10 candidates have no score",
    ),
    ("jsonl", '{"case_id": "<C>", "scores": [0,1,2,3,4,5,6,7,8,1e999]}', "a score is inf"),
    (
        "jsonl",
        '{"case_id": "<C>", "scores": [0,1,2,3,4,5,6,7,8,1%s]}' % ("0" * 400),
        "a score is inf",
    ),
    (
        "jsonl",
        '{"case_id": "<C>", "scores": [0,1,2,3,4,5,6,7,8,null]}',
        "1 of 10 candidates have no score",
    ),
    ("jsonl", '{"case_id": "<C>", "scores": [0,1,2,3,4,5,6,7,8,true]}', "score True is no number"),
    ("jsonl", '{"case_id": "<C>", "scores": [0,1,2,3,4,5,6,7,8,"9"]}', "score '9' is no number"),
    ("jsonl", '{"case_id": "<C>"}', "has no answer"),
    ("jsonl", '{"case_id": "<C>", "status": "lost"}', "unknown status 'lost'"),
    (
        "jsonl",
        '{"case_id": "<C>", "status": "refused", "ranking": ["<I>"]}',
        "status 'refused', but",
    ),
    ("jsonl", '{"case_id": "<C>", "status": "refused"}', "holds no answer"),
    ("jsonl", '{"case_id": "<C>", "ranking": []}', "an empty ranking"),
    ("jsonl", '{"case_id": "<C>", "ranking": ["<I>", "<I>"]}', "'<I>' stands twice in the ranking"),
    ("jsonl", '{"case_id": "<C>", "ranking": ["<O>"]}', "'<O>' is no candidate of this case"),
    ("jsonl", '{"case_id": "<C>", "ranking": ["nothing"]}', "'nothing' is no item of the dataset"),
    ("jsonl", '{"case_id": "<C>", "ranking": [true]}', "True is no id"),
    ("jsonl", '{"case_id": "<C>", "ranking": ["<I>"], "scores": []}', "has scores and a ranking"),
    ("jsonl", '{"case_id": "<C>", "ranking": ["<I>"], "rationale": 5}', "rationale is no text"),
    ("jsonl", '{"case_id": "<C>", "rankings": ["<I>"]}', "line 1: unknown column 'rankings'"),
    (
        "jsonl",
        '{"case_id": "<C>", "ranking": ["<I>"], "ranking": ["<I>"]}',
        "line 1: no JSON: a field",
    ),
    ("jsonl", '{"case_id": "<C>", "ranking"', "line 1: no JSON"),
    ("jsonl", "[" * 100_000, "line 1: no JSON"),
    ("jsonl", '\n["<C>"]', "line 2: is no object"),
    ("jsonl", '{"case_id": "<C>", "item": "<I>"}', "an item without a score"),
    ("jsonl", '{"case_id": "<C>", "score": 1}', "a score without an item"),
    ("jsonl", '{"case_id": "<C>", "item": "<O>", "score": 1}', "'<O>' is no candidate"),
    (
        "jsonl",
        '{"case_id": "<C>", "item": "<I>", "score": 1}',
        "1 scores for 10 candidates, e.g. none",
    ),
    (
        "jsonl",
        '{"case_id": "<C>", "item": "<I>", "score": 1, "status": "ok"}',
        "has status, and the score of an item",
    ),
    (
        "jsonl",
        '{"case_id": "<C>", "ranking": ["<I>"]}\n\n{"case_id": "<C>", "ranking": ["<I>"]}',
        "line 3: case '<C>': was answered already, line 1",
    ),
    (
        "jsonl",
        '{"case_id": "<C>", "item": "<I>", "score": 1}\n'
        '{"case_id": "<C>", "item": "<I>", "score": 2}',
        "line 2: case '<C>': item '<I>' was scored already",
    ),
    (
        "jsonl",
        '{"case_id": "<C>", "item": "<I>", "score": 1}\n{"case_id": "<C>", "status": "refused"}',
        "line 2: case '<C>': was answered already, line 1",
    ),
    (
        "jsonl",
        '{"case_id": "<C>", "status": "refused"}\n{"case_id": "<C>", "item": "<I>", "score": 1}',
        "line 2: case '<C>': was answered already, line 1",
    ),
    ("csv", "case_id,item,score\n<C>,<I>,nan", "line 2: case '<C>': a score is nan"),
    ("csv", "case_id,item,score\n<C>,<I>,-inf", "line 2: case '<C>': a score is -inf"),
    ("csv", "case_id,item,score\n<C>,<I>,high", "line 2, column 'score': 'high'"),
    ("csv", "case_id,item,score\n<C>,<I>,1_0", "line 2, column 'score': '1_0': is no number"),
    ("csv", 'case_id,ranking,rationale\n<C>,<I>,"a\nb"', "line 2, column 'ranking': '<I>'"),
    (
        "csv",
        'case_id,rationale,ranking\n"x",\'a\n"<C>","a\nb",I',
        "line 2: 2 cells, but the header",
    ),
    (
        "csv",
        'case_id,rationale,status\n<C>,"a\nb",refused\n<C>,,refused',
        "line 4: case '<C>': was",
    ),
    ("csv", "case_id,item,item\n<C>,<I>,I", "line 1: column 'item' stands twice"),
    ("csv", 'case_id,item,score\n"<C>,<I>,1', "cannot be read"),
    ("csv", "case_id,scores\n", "holds no answer"),
    ("csv", "", "holds no answer"),
    ("txt", "", "unknown kind of file"),
    ("parquet", "no parquet", "cannot be read"),
    ("jsonl", '{"case_id": "<C>", "samples": ["a"]}', "1 samples instead of 5"),
    ("jsonl", '{"case_id": "<C>", "samples": ["a"], "rationale": "b"}', "a rationale of no sample"),
    ("jsonl", '{"case_id": "<C>", "samples": ["a", "b", "c", "d", 5]}', "5 is no sample"),
    ("jsonl", '{"case_id": "<C>", "samples": ["a", "b", "c", "d", {}]}', "neither text nor item"),
    ("jsonl", '{"case_id": "<C>", "samples": ["a", "b", "c", "d", {"x": 1}]}', "is no sample"),
    (
        "jsonl",
        '{"case_id": "<C>", "samples": ["a", "b", "c", "d", {"item": "<O>"}]}',
        "'<O>' is no",
    ),
    (
        "jsonl",
        '{"case_id": "<C>", "samples": ["a", "b", "c", "d", {"text": "x", "status": "late"}]}',
        "unknown status 'late'",
    ),
    ("csv", "sep=;\ncase_id;item;score\n<C>;<I>;1\n<D>;<J>\n", "line 4: 2 cells, but the header"),
    (
        "jsonl",
        '{"case_id": "<D>", "ranking": ["<J>"]}\n'
        '{"case_id": "<C>", "samples": ["a", "b", "c", "d", "e"]}',
        "line 1: case '<D>': has no samples, as other cases have",
    ),
]


@pytest.mark.parametrize(("ending", "content", "message"), DEFECTS)
def test_a_defect_is_named_with_its_line_and_its_mend(asked, tmp_path, ending, content, message):
    place, cases, _ = asked
    first, second = cases[0], cases[1]
    own = [candidate["item"] for candidate in first["candidates"]]
    other = next(item for item in place.dataset.catalog.ids if item not in own)
    names = {
        "<C>": first["case_id"],
        "<D>": second["case_id"],
        "<I>": own[0],
        "<J>": second["candidates"][0]["item"],
        "<O>": other,
    }
    for short, long in names.items():
        content, message = content.replace(short, long), message.replace(short, long)
    with pytest.raises(DataError) as caught:
        text(asked, tmp_path, f"p.{ending}", content)
    assert message in caught.value.cause
    assert f"p.{ending}" in caught.value.cause and caught.value.hint


def test_rows_of_a_parquet_are_counted_from_one(asked, tmp_path):
    rows = [{"case_id": c["case_id"], "scores": [1.0] * 10} for c in asked[1][:3]]
    rows[2]["scores"] = [1.0] * 9 + [float("nan")]
    pl.DataFrame(rows).write_parquet(tmp_path / "p.parquet")
    with pytest.raises(DataError, match=r"row 3: case .* 1 of 10 candidates have no score"):
        read(asked, tmp_path / "p.parquet", allow_missing=1.0)


def test_no_file_and_no_text(asked, tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read(asked, tmp_path / "p.csv")
    (tmp_path / "p.csv").write_bytes(b"case_id,item\n\xff,\xfe\n")
    with pytest.raises(DataError, match="cannot be read"):
        read(asked, tmp_path / "p.csv")


def test_too_many_missing_cases_are_refused_and_the_mend_is_what_helps(asked, tmp_path):
    path = write(tmp_path / "p.jsonl", whole(asked[1][3:]), header=False)
    with pytest.raises(DataError, match=r"3 of 40 cases \(7.5%\) are not in it") as caught:
        read(asked, path, allow_missing=0.05)
    share = float(caught.value.hint.rpartition(" ")[2])
    assert read(asked, path, allow_missing=share).missing == tuple(
        case["case_id"] for case in asked[1][:3]
    )


def test_samples_are_read_as_the_answers_of_a_run(asked):
    titles = ["Blue Moon", "Black", "Rebecca Black", "C++"]
    items = ("i1", "i2", "i3", "i4")
    catalog = Catalog(items, {"title": titles})
    given_samples = [
        "Rebecca Black",
        "<think>Likes jazz.</think><item>Blue Moon</item>",
        "I'm sorry, but I can't recommend anything.",
        "Red Moon",
        {"item": "i4"},
        {"text": "black", "rationale": "dark"},
        {"text": "cut of", "status": "truncated"},
        {"status": "error"},
        {"text": "the blue one", "item": "i1", "status": "ok"},
        {"text": "Black", "item": "i2"},
    ]
    found, unread = answer_parsing.parse_samples(given_samples, 10, items, catalog)
    assert unread == 2  # one has no text, and one does not name its item
    assert found == (
        Sample("Rebecca Black", "i3", None, "ok"),
        Sample(given_samples[1], "i1", "Likes jazz.", "ok"),
        Sample(given_samples[2], None, None, "refused"),
        Sample("Red Moon", None, None, "unparsed"),
        Sample("", "i4", None, "ok"),
        Sample("black", "i2", "dark", "ok"),
        Sample("cut of", None, None, "truncated"),
        Sample("", None, None, "error"),
        Sample("the blue one", "i1", None, "ok"),
        Sample("Black", "i2", None, "ok"),
    )
    with pytest.raises(AnswerError) as caught:
        answer_parsing.parse_samples([{"text": "Black", "item": "i1"}], 1, items, catalog)
    assert caught.value.cause == "a sample has the item 'i1', but its text names 'i2'"


def test_scores_and_samples_may_stand_in_one_row(asked, tmp_path):
    rows = [
        {**row, "samples": [case["candidates"][0]["item"]] * 5, "rationale": "short"}
        for row, case in zip(whole(asked[1]), asked[1], strict=True)
    ]
    rows[4] = {"case_id": rows[4]["case_id"], "status": "truncated"}
    path = write(tmp_path / "p.jsonl", rows, header=False)
    found = read(asked, path)
    assert found.protocols == ("scored", "sampled") and not found.missing
    one = found.predictions[rows[0]["case_id"]]
    assert one.rationale == "short" and {s.status for s in one.samples} == {"ok"}
    assert found.predictions[rows[4]["case_id"]].status == "truncated"


JUNK = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["item", "text", "a"]), inner, max_size=2)
    ),
    max_leaves=6,
)
NAMES = ["case_id", "scores", "ranking", "samples", "item", "score", "status", "rationale", "x"]


@given(st.lists(st.dictionaries(st.sampled_from(NAMES), JUNK, max_size=4), max_size=3))
@settings(max_examples=200, deadline=None)
def test_junk_is_refused_and_never_crashes(asked, tmp_path_factory, rows):
    path = tmp_path_factory.getbasetemp() / "junk.jsonl"
    case = asked[1][0]["case_id"]
    path.write_text(
        "".join(json.dumps({**row, "case_id": row.get("case_id", case)}) + "\n" for row in rows)
    )
    with pytest.raises(BenchkitError):
        read(asked, path)
