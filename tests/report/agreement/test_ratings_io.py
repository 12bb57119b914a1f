"""Grades in long and wide files, and files that hold none."""

import numpy as np
import polars as pl
import pytest

from benchkit.errors import DataError
from benchkit.report.agreement.ratings_io import RatingsColumns, read_ratings

NAN = float("nan")
LONG = """item,rater,grade
x,ann,3
x,bob,2
y,ann,NA
y,bob,1
z,bob,
z,ann, 0
"""


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def test_long_form(tmp_path):
    sheet = read_ratings([write(tmp_path, "g.csv", LONG)])
    assert (sheet.items, sheet.raters, sheet.systems) == (("x", "y", "z"), ("ann", "bob"), None)
    np.testing.assert_array_equal(sheet.grades, [[3, 2], [NAN, 1], [0, NAN]])
    np.testing.assert_array_equal(sheet.select_raters(["bob"]).grades, [[2], [1], [NAN]])


def test_other_names_kinds_and_systems_give_the_same(tmp_path):
    rows = [
        {"q": 1, "who": "a", "mark": 2.0, "method": "m"},
        {"q": 1, "who": "a", "mark": None, "method": "n"},
        {"q": 1, "who": "b", "mark": 3.0, "method": "m"},
    ]
    table = pl.DataFrame(rows)
    table.write_parquet(tmp_path / "g.parquet")
    table.write_ndjson(tmp_path / "g.jsonl")
    table.write_csv(tmp_path / "g.csv")
    table.write_csv(tmp_path / "g.tsv", separator="\t")
    for kind in ("parquet", "jsonl", "csv", "tsv"):
        sheet = read_ratings([tmp_path / f"g.{kind}"], RatingsColumns("q", "who", "mark", "method"))
        assert (sheet.items, sheet.systems) == (("1", "1"), ("m", "n"))
        np.testing.assert_array_equal(sheet.grades, [[2, 3], [NAN, NAN]])


def test_wide_form_and_a_file_a_rater(tmp_path):
    wide = write(tmp_path, "wide.csv", "id,a,b,c\nx,1,2,9\ny,,3,9\n")
    sheet = read_ratings([wide], RatingsColumns(item="id"), ["a", "b"])
    assert (sheet.items, sheet.raters) == (("x", "y"), ("a", "b"))
    np.testing.assert_array_equal(sheet.grades, [[1, 2], [NAN, 3]])
    assert read_ratings([wide], raters=["b", "c"]).items == ("1", "2")  # no column: rows are items
    one = write(tmp_path, "ann.csv", "item,grade\nx,1\ny,2\n")
    two = write(tmp_path, "gpt.csv", "item,grade\ny,2\nz,3\n")
    sheet = read_ratings([one, two])
    assert sheet.raters == ("ann", "gpt")
    np.testing.assert_array_equal(sheet.grades, [[1, NAN], [2, 2], [NAN, 3]])


CELLS = {
    "g.csv": 'item,rater,grade\n x ,ann," 5 "\nx,bob , 4 \n',
    "g.tsv": "item\trater\tgrade\n x \tann\t 5 \nx\tbob \t4 \n",
    "g.jsonl": '{"item": " x ", "rater": "ann", "grade": " 5 "}\n'
    '{"item": "x", "rater": "bob ", "grade": "4"}\n',
}


@pytest.mark.parametrize("name", CELLS)
def test_space_around_cells_is_no_part_of_them(tmp_path, name):
    sheet = read_ratings([write(tmp_path, name, CELLS[name])])
    assert (sheet.items, sheet.raters) == (("x",), ("ann", "bob"))
    np.testing.assert_array_equal(sheet.grades, [[5, 4]])


def test_csv_of_spreadsheets_is_read(tmp_path):
    for text in (
        "sep=;\nitem;rater;grade\nx;ann;5\nx;bob;4\n",
        "item;rater;grade\nx;ann;5\nx;bob;4\n",
        "\ufeffitem,rater,grade\r\nx,ann,5\r\nx,bob,4\r\n",
    ):
        sheet = read_ratings([write(tmp_path, "g.csv", text)])
        np.testing.assert_array_equal(sheet.grades, [[5, 4]])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("g.csv", 'item,rater,grade\nx,ann,"4,5"\n'),
        ("g.csv", "item;rater;grade\nx;ann;4,5\n"),
        ("g.jsonl", '{"item": "x", "rater": "ann", "grade": " 4,5 "}\n'),
    ],
)
def test_a_decimal_comma_is_named(tmp_path, name, text):
    with pytest.raises(
        DataError, match=r"row 1, column 'grade': ' ?4,5 ?' is not a grade"
    ) as error:
        read_ratings([write(tmp_path, name, text)])
    assert error.value.hint == "it has a decimal comma; write a point: 4.5"


def test_rows_that_lack_cells_or_columns_that_stand_twice_are_refused(tmp_path):
    for text, message in (
        ("item,rater,grade\nx,ann\n", "line 2: has 2 cells, and the header has 3"),
        ("item,rater,grade,grade\nx,ann,1,2\n", "two columns are called 'grade'"),
    ):
        with pytest.raises(DataError, match=message):
            read_ratings([write(tmp_path, "g.csv", text)])


def test_clusters_weights_and_scales_are_read(tmp_path):
    text = (
        "item,rater,grade,cluster,weight,scale\nx,ann,1,q,2,0-3\nx,bob,2,q,2,0-3\ny,ann,3,q,5,0-3\n"
    )
    path = write(tmp_path, "g.csv", text)
    sheet = read_ratings([path])
    assert (sheet.items, sheet.clusters, sheet.scales) == (("x", "y"), ("q", "q"), ("0-3",))
    np.testing.assert_array_equal(sheet.weights, [2, 5])
    assert (
        sheet.resampling_units == ("q", "q")
        and sheet.select_raters(["bob"]).weights is sheet.weights
    )
    # Another rater's file need not repeat them.
    more = write(tmp_path, "gpt.csv", "item,grade\ny,3\nx,1\n")
    both = read_ratings([path, more])
    assert (both.raters, both.clusters) == (("ann", "bob", "gpt"), ("q", "q"))
    np.testing.assert_array_equal(both.weights, [2, 5])
    renamed = write(tmp_path, "h.csv", text.replace("cluster", "case").replace("weight", "stands"))
    assert read_ratings([renamed]).clusters is None and read_ratings([renamed]).weights is None
    sheet = read_ratings([renamed], RatingsColumns(cluster="case", weight="stands"))
    assert sheet.clusters == ("q", "q")
    np.testing.assert_array_equal(sheet.weights, [2, 5])


def test_a_cluster_with_several_cases_is_resampled_and_its_cases_are_ranked(tmp_path):
    lines = ["item,rater,grade,system,cluster,case_id"]
    for case, user in (("c1", "u"), ("c2", "u"), ("c3", "v")):
        for system in "ab":
            lines += [
                f"{case}{system},{rater},1,{system},{user},{case}" for rater in ("ann", "bob")
            ]
    sheet = read_ratings([write(tmp_path, "g.csv", "\n".join(lines))])
    assert sheet.resampling_units == ("u", "u", "u", "u", "v", "v")
    assert sheet.questions == ("u/c1", "u/c1", "u/c2", "u/c2", "v/c3", "v/c3")
    one_each = [line.replace(",u,c2", ",w,c2") for line in lines]
    sheet = read_ratings([write(tmp_path, "one.csv", "\n".join(one_each))])
    assert sheet.cases is None
    assert sheet.questions == sheet.resampling_units == ("u", "u", "w", "w", "v", "v")


def test_equal_weights_are_none_and_systems_answer_items_together(tmp_path):
    text = "item,system,rater,grade,weight\nx,m,ann,1,4\nx,n,ann,2,4\n"
    sheet = read_ratings([write(tmp_path, "g.csv", text)])
    assert sheet.weights is None and sheet.resampling_units == sheet.items == ("x", "x")
    wide = write(tmp_path, "w.csv", "item,a,b,weight\nx,1,2,1\ny,2,2,3\n")
    np.testing.assert_array_equal(read_ratings([wide], raters=["a", "b"]).weights, [1, 3])


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "g.csv",
            "item,rater,score\nx,a,1\n",
            "no column 'grade'; it has 'item', 'rater', 'score'",
        ),
        ("g.csv", "item,rater,grade\nx,a,good\n", "row 1, column 'grade': 'good' is not a grade"),
        ("g.csv", "item,rater,grade\nx,a,inf\n", "'inf' is not a grade"),
        ("g.csv", "item,rater,grade\nx,a,1\n,a,1\n", "row 2: no item"),
        ("g.csv", "item,rater,grade\nx,a,1\nx,a,2\n", "rater 'a' graded item 'x' more than once"),
        ("g.csv", "item,rater,grade,weight\nx,a,1,0\n", "row 1: weight 0 is not positive"),
        ("g.csv", "item,rater,grade,weight\nx,a,1,much\n", "'much' is not a weight"),
        (
            "g.csv",
            "item,rater,grade,weight\nx,a,1,2\nx,b,1,3\n",
            "item 'x' has more than one weight",
        ),
        (
            "g.csv",
            "item,system,rater,grade,cluster\nx,m,a,1,q\ny,m,a,1,\n",
            "system 'm' on item 'y' has no cluster, but other items have one",
        ),
        ("g.csv", "item,rater,grade\n", "no rows"),
        ("g.csv", "", "it is empty"),
        ("g.txt", "item,rater,grade\n", "unknown file type"),
        ("g.jsonl", "{", "g.jsonl"),
    ],
)
def test_files_that_say_nothing_name_what_is_wrong(tmp_path, name, text, message):
    with pytest.raises(DataError) as caught:
        read_ratings([write(tmp_path, name, text)])
    assert message in str(caught.value)
    assert "hint: " in str(caught.value)


def test_what_does_not_fit_together_is_refused(tmp_path):
    plain = write(tmp_path, "a.csv", LONG)
    named = write(tmp_path, "b.csv", "item,system,rater,grade\nx,m,a,1\n")
    for paths, columns, raters, message in (
        ([plain, named], None, (), "some files have a column of systems"),
        ([plain], RatingsColumns(system="method"), (), "no column 'method'"),
        ([plain], RatingsColumns(weight="stands"), (), "no column 'stands'"),
        ([plain], RatingsColumns(cluster="case"), (), "no column 'case'"),
        ([plain], None, ("eve",), "no column 'eve'"),
        ([tmp_path / "none.csv"], None, (), "there is no file"),
    ):
        with pytest.raises(DataError, match=message):
            read_ratings(paths, columns, raters)
