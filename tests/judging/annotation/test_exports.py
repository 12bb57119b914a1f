"""What pages export, checked against the key."""

import pytest

from benchkit.errors import DataError
from benchkit.judging.annotation.exports import EXPORT_COLUMNS
from benchkit.judging.annotation.labels import (
    read_annotation_labels,
)
from tests.support.annotation_exports import export_rows, write_export


@pytest.mark.parametrize(
    "form", [{"delimiter": ";"}, {"delimiter": "\t"}, {"lineterminator": "\n"}, {"quoting": 1}]
)
def test_what_spreadsheets_make_of_it_is_read(key, tmp_path, form):
    rows = export_rows(
        key, "annotator-1", note="a, b; c\nd", skipped="FALSE", grader=lambda i: "2.0"
    )
    rows[0] |= {"grade": "", "skipped": "TRUE"}
    labels = read_annotation_labels([write_export(tmp_path / "a.csv", rows, start="", **form)], key)
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
    path = write_export(tmp_path / "bad.csv", export_rows(key, "annotator-1", **changes))
    with pytest.raises(DataError, match=f"bad.csv, line 2: .*{message}"):
        read_annotation_labels([path], key)


def test_an_answer_of_the_other_annotator_is_refused(key, tmp_path):
    other = set(key.annotators["annotator-2"]) - set(key.annotators["annotator-1"])
    rows = export_rows(key, "annotator-1", id=other.pop())
    with pytest.raises(DataError, match="annotator-1 was not given"):
        read_annotation_labels([write_export(tmp_path / "a.csv", rows)], key)


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
