"""What pages export, checked against the key."""

import csv
import io

import pytest

from benchkit.errors import DataError
from benchkit.judging.annotation.batch import make_batch
from benchkit.judging.annotation.batch_key import read_key
from benchkit.judging.annotation.exports import EXPORT_COLUMNS
from benchkit.judging.annotation.labels import (
    read_annotation_labels,
)
from benchkit.judging.annotation.population import collect_population, find_judgements
from benchkit.judging.rubric import load_rubric
from tests.support.annotation_store import make_store

RUNS = {
    ("toys", "a"): [0, 1, 2, 3] * 4,
    ("toys", "b"): [0, 1, 1, 3] * 4,
    ("toys", "c"): [3, 3, 2, 3] * 4,
}


@pytest.fixture(scope="module", params=["rationale-0-3"])
def folder(tmp_path_factory, request):
    """A batch by a rubric of one criterion, annotated by two."""
    root = tmp_path_factory.mktemp("labels")
    make_store(root / "runs", RUNS, rubric=load_rubric(request.param))
    make_batch(collect_population(find_judgements([root / "runs"], "plum")), 24, 2, 0.5).write(
        root / "out"
    )
    return root / "out"


@pytest.fixture
def key(folder):
    return read_key(folder / "key.json")


def export(key, annotator, /, grader=lambda item: 2, **changes):
    """What a page would export with the same grade for every criterion; changes: to every row."""
    return [
        {
            "batch": key.batch, "annotator": annotator, "name": f"Dr {annotator}", "id": identifier,
            "criterion": criterion.name, "grade": grader(key.items[identifier]), "skipped": 0,
            "note": "", "seconds": 12.5, **changes,
        }
        for identifier in key.annotators[annotator] for criterion in key.rubric.criteria
    ]  # fmt: skip


def written(path, rows, columns=EXPORT_COLUMNS, start="\ufeff", **options):
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", **options)
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes((start + out.getvalue()).encode())
    return path


@pytest.mark.parametrize(
    "form", [{"delimiter": ";"}, {"delimiter": "\t"}, {"lineterminator": "\n"}, {"quoting": 1}]
)
def test_what_spreadsheets_make_of_it_is_read(key, tmp_path, form):
    rows = export(key, "annotator-1", note="a, b; c\nd", skipped="FALSE", grader=lambda i: "2.0")
    rows[0] |= {"grade": "", "skipped": "TRUE"}
    labels = read_annotation_labels([written(tmp_path / "a.csv", rows, start="", **form)], key)
    assert labels.progress[0].complete == 17
    assert labels.progress[0].skipped == 1
    assert {row[3] for row in labels.rows if row[1] == "annotator-1"} == {2}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch": "b0"}, "it is of batch 'b0', and the key of b"),
        ({"annotator": "annotator-9"}, "no annotator 'annotator-9'; there are annotator-1"),
        ({"id": "x0"}, "annotator-1 was not given 'x0'"),
        ({"criterion": "charm"}, "no criterion 'charm'; there are rating"),
        ({"grade": "4"}, r"'4' is no grade of rating \(0 to 3\)"),
        ({"grade": "-1"}, "'-1' is no grade"),
        ({"grade": "1.5"}, "'1.5' is no grade"),
        ({"grade": "nan"}, "'nan' is no grade"),
        ({"grade": "good"}, "'good' is no grade"),
        ({"skipped": "maybe"}, "skipped is 'maybe', not 0 or 1"),
        ({"skipped": "1"}, "it is skipped, and has grade 2"),
        ({"seconds": "-3"}, "seconds is '-3'"),
        ({"seconds": "soon"}, "seconds is 'soon'"),
    ],
)
def test_bad_rows_are_refused_with_their_line(key, tmp_path, changes, message):
    path = written(tmp_path / "bad.csv", export(key, "annotator-1", **changes))
    with pytest.raises(DataError, match=f"bad.csv, line 2: .*{message}"):
        read_annotation_labels([path], key)


def test_an_answer_of_the_other_annotator_is_refused(key, tmp_path):
    other = set(key.annotators["annotator-2"]) - set(key.annotators["annotator-1"])
    rows = export(key, "annotator-1", id=other.pop())
    with pytest.raises(DataError, match="annotator-1 was not given"):
        read_annotation_labels([written(tmp_path / "a.csv", rows)], key)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "no column 'batch'"),
        (b"batch,annotator\n", "no column 'name'"),
        (b"\xff\xfe\x00b", "can't decode"),
        (
            ",".join(EXPORT_COLUMNS).encode() + b"\nb1,annotator-1\n",
            "line 2: it has not as many fields",
        ),
        (
            ",".join(EXPORT_COLUMNS).encode() + b'\nb1,"annotator-1',
            "line 1: unexpected end of data",
        ),
        (None, "there is no file"),
    ],
)
def test_files_that_are_no_export_are_refused(key, tmp_path, text, message):
    path = tmp_path / "x.csv"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(DataError, match=message):
        read_annotation_labels([path], key)
