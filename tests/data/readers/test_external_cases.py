"""Foreign candidate files: what is read from them, and what is said of the broken ones."""

import json

import pytest

from benchkit.data.readers import external_cases
from benchkit.errors import ConfigError, DataError

CASE = {"historyList": "A::B", "itemList": ["X", "Y", "Z"], "trueSelection": "Y"}


def write(folder, name, content):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def one(path, *arguments):
    (case,) = external_cases.read_external_cases(path, *arguments)
    return case


def test_names_are_guessed_and_lists_are_split(tmp_path):
    case = one(write(tmp_path, "a.json", [CASE]))
    assert case.candidates == ("X", "Y", "Z")
    assert case.target == "Y"
    assert case.history == ("A", "B")
    assert case.case_id == "record 1"


def test_jsonl_csv_and_tsv_say_the_same(tmp_path):
    lines = write(tmp_path, "a.jsonl", f"{json.dumps(CASE)}\n\n{json.dumps(CASE)}\n")
    assert [c.case_id for c in external_cases.read_external_cases(lines)] == ["line 1", "line 3"]
    head = "user_id,history,candidates,target"
    table = write(tmp_path, "a.csv", f'\ufeff{head}\nu1,A|B,"X|Y, ""y""|Z",X\n')
    assert one(table).case_id == "u1" and one(table).candidates == ("X", 'Y, "y"', "Z")
    tabs = write(tmp_path, "a.tsv", head.replace(",", "\t") + "\nu1\tA|B\tX|Y|Z\tY\n")
    assert one(tabs).candidates == ("X", "Y", "Z") and one(tabs).history == ("A", "B")


def test_a_first_line_of_excel_names_the_separator(tmp_path):
    text = "sep=;\nuser_id;candidates;target\nu1;X|Y|Z;X\n"
    assert one(write(tmp_path, "a.csv", text)).candidates == ("X", "Y", "Z")


def test_fields_and_separator_are_taken_as_given(tmp_path):
    path = write(tmp_path, "a.json", [{"a": "X, Y", "b": "Y", "history": "A, B", "target": "no"}])
    fields = {"candidates": "a", "target": "b"}
    case = one(path, fields, ",")
    assert (case.candidates, case.target, case.history) == (("X", "Y"), "Y", ("A", "B"))
    assert external_cases.parse_field_map(" candidates = a ,target=b") == fields
    with pytest.raises(DataError, match="OURS=THEIRS"):
        external_cases.parse_field_map("candidates")


@pytest.mark.parametrize(
    ("record", "target"),
    [
        ({"candidates": ["X", "Y"], "target": 1}, "Y"),
        ({"candidates": ["X", "Y"], "target_index": "0"}, "X"),
        ({"candidates": [7, 8], "target": 8}, "8"),
        ({"candidates": [7, 8], "target_index": 1}, "8"),
        ({"candidates": ["X", "Y"], "target": "nowhere"}, "nowhere"),
        ({"candidates": '["X", "Y"]', "target": "X"}, "X"),
        ({"candidates": "['X', 'Y']", "target": "X"}, "X"),
    ],
)
def test_a_target_is_an_item_or_a_place(tmp_path, record, target):
    case = one(write(tmp_path, "a.json", [record]))
    assert case.target == target
    assert len(case.candidates) == 2 and case.history is None


def test_of_two_guessed_targets_the_item_is_taken_and_a_given_place_wins(tmp_path):
    record = {"candidates": ["X", "Y"], "target": "X", "target_index": 1}
    path = write(tmp_path, "a.json", [record])
    assert one(path).target == "X"
    assert one(path, {"target_index": "target_index"}).target == "Y"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "[{]", r"a\.json: Expecting"),
        ("a.json", {"x": 1}, "no list of objects"),
        ("a.json", [], "holds no record"),
        ("a.json", [CASE, 3], "record 2: is no object"),
        ("a.json", [CASE, {**CASE, "itemList": []}], "record 2, field 'itemList': holds no cand"),
        ("a.json", [CASE, {**CASE, "itemList": 4}], "record 2, field 'itemList': is no list"),
        ("a.json", [CASE, {**CASE, "itemList": [None]}], "record 2, field 'itemList': holds some"),
        ("a.json", [CASE, {"itemList": ["X"]}], "record 2, field 'trueSelection': None is no targ"),
        ("a.json", [CASE, {"trueSelection": "X"}], "record 2, field 'itemList': is missing"),
        ("a.json", [{**CASE, "trueSelection": 3}], "no place 3 in a list of 3"),
        ("a.json", [{"candidates": ["X"], "target_index": "b"}], "'b' is no place"),
        ("a.json", [{"candidates": "X, Y", "target": "X"}], "--separator"),
        ("a.json", [{"prompt": "?", "answer": "X"}], "holds the candidates cannot be guessed"),
        ("a.json", [{"candidates": ["X"]}], "holds the target cannot be guessed"),
        ("a.jsonl", json.dumps(CASE) + "\n{]", "line 2: Expecting"),
        ("a.csv", "candidates,target\nX|Y,X,Z\n", "record 1: has more cells"),
        ("a.txt", "x", "unknown kind of file"),
    ],
)
def test_what_is_said_of_a_broken_file(tmp_path, name, content, message):
    with pytest.raises(DataError, match=message):
        external_cases.read_external_cases(write(tmp_path, name, content))


def test_what_is_said_of_missing_files_and_fields(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        external_cases.read_external_cases(tmp_path / "none.json")
    (tmp_path / "b.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(DataError, match="UTF-8"):
        external_cases.read_external_cases(tmp_path / "b.csv")
    path = write(tmp_path, "a.json", [CASE])
    with pytest.raises(DataError, match="no field 'items'; it has 'historyList', 'itemList'"):
        external_cases.read_external_cases(path, {"candidates": "items"})
    with pytest.raises(ConfigError, match="did you mean 'candidates'"):
        external_cases.read_external_cases(path, {"candidate": "itemList"})
