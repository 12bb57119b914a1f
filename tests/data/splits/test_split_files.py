"""A split that somebody else made: what trains, what is asked, with which history."""

import json

import polars as pl
import pytest

from benchkit.config.suite import load_suite
from benchkit.data.preparation.cache import identify_dataset, load_or_prepare
from benchkit.errors import ConfigError, DataError
from benchkit.judging.inputs import read_answers
from tests.support.command_line import invoked, said

ITEMS = "item,title\n" + "".join(f"{c},Title {c.upper()}\n" for c in "abcdefghijklmnop")
TRAIN = [("u", "a", 5, 1), ("u", "b", 3, 2), ("v", "c", 4, 1), ("v", "a", 2, 4)]
VALID = [("u", "c", 4, 3), ("v", "d", 5, 5)]
TEST = [("u", "d", 5, 4), ("v", "e", 1, 6)]
SEVERAL = [("u", "d", 5, 4), ("u", "e", 2, 5), ("u", "f", 3, 6), ("v", "e", 1, 6)]


def write(
    folder, settings="", extra="", files=None, columns=("user", "item", "rating", "timestamp")
):
    filler = [("w", item, 3, time) for time, item in enumerate("ghijklmnop")]
    parts = {"train": TRAIN, "valid": VALID, "test": TEST, **(files or {})}
    (folder / "items.csv").write_text(ITEMS)
    for name, rows in parts.items():
        if rows is not None:
            rows = [*rows, *filler] if name == "train" else rows
            lines = [",".join(columns), *(",".join(map(str, row[: len(columns)])) for row in rows)]
            (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    named = ", ".join(f'{name} = "{name}.csv"' for name, rows in parts.items() if rows is not None)
    (folder / "s.toml").write_text(
        f'{extra}[[datasets]]\nname = "shop"\nsource = "table"\n'
        f'options = {{ items = "items.csv" }}\nsplit = {{ {named}{settings} }}\n'
        'candidates = { count = 6 }\n[[methods]]\nmethod = "random"\n[[methods]]\n'
        'method = "popularity"\n'
    )


def dataset(folder):
    return load_or_prepare(load_suite(str(folder / "s.toml")).datasets[0], folder / "data")


def asked(data, cases):
    """Case id -> (items of the history, relevant items)."""
    ids = data.catalog.ids
    return {
        request.case_id: (
            "".join(event.item for event in request.history),
            "".join(ids[code] for code in relevant if code >= 0),
        )
        for request, relevant in zip(data.requests(cases), cases.relevant, strict=True)
    }


def test_files_are_taken_as_they_are(tmp_path):
    write(tmp_path)
    data = dataset(tmp_path)
    assert asked(data, data.test) == {"test:u": ("abc", "d"), "test:v": ("cad", "e")}
    assert asked(data, data.valid) == {"valid:u": ("ab", "c"), "valid:v": ("ca", "d")}
    view = data.train_view()
    assert "".join(view.catalog.ids[code] for code in view.interactions.item) == "abcaghijklmnop"
    assert view.interactions.rating.tolist() == [5, 3, 4, 2, *[3] * 10]


def test_validation_can_be_absent(tmp_path):
    write(tmp_path, files={"valid": None})
    data = dataset(tmp_path)
    assert len(data.valid) == 0
    assert asked(data, data.test) == {"test:u": ("ab", "d"), "test:v": ("ca", "e")}


def test_a_random_split_keeps_training_before_the_test_and_says_so(tmp_path):
    train = [("u", "a", 5, 1), ("u", "b", 3, 9), ("v", "c", 4, 1), ("v", "a", 2, 4)]
    write(tmp_path, files={"train": train})
    data = dataset(tmp_path)
    assert asked(data, data.test)["test:u"] == ("abc", "d")
    assert data.report["users_with_test_before_training"] == 1


def test_without_times_rows_are_in_the_order_of_the_files(tmp_path):
    write(tmp_path, files={"train": TRAIN[::-1]}, columns=("user", "item"))
    data = dataset(tmp_path)
    assert asked(data, data.test) == {"test:u": ("bac", "d"), "test:v": ("acd", "e")}


def test_several_rows_of_a_user_are_asked_about(tmp_path):
    write(tmp_path, files={"test": SEVERAL})
    message = r"several rows in the test file \(4 rows of 2 users\)"
    with pytest.raises(ConfigError, match=message) as problem:
        dataset(tmp_path)
    assert 'split.cases = "row"' in problem.value.hint
    assert 'split.cases = "user"' in problem.value.hint


def test_a_case_a_row(tmp_path):
    write(tmp_path, ', cases = "row"', files={"test": SEVERAL})
    data = dataset(tmp_path)
    assert asked(data, data.test) == {
        "test:u": ("abc", "d"),
        "test:u#2": ("abcd", "e"),
        "test:u#3": ("abcde", "f"),
        "test:v": ("cad", "e"),
    }


def test_a_case_a_user_with_all_that_is_relevant(tmp_path):
    write(tmp_path, ', cases = "user", grades = "rating"', files={"test": SEVERAL})
    data = dataset(tmp_path)
    assert asked(data, data.test) == {"test:u": ("abc", "def"), "test:v": ("cad", "e")}
    assert data.test.grades.tolist() == [[5, 2, 3], [1, 0, 0]]
    candidates = [set(request.candidates) for request in data.requests(data.test)]
    assert {"d", "e", "f"} < candidates[0]
    assert len(candidates[0]) == len(candidates[1]) == 6
    assert data.report["relevant_items"] == 4
    back = dataset(tmp_path)  # read from disk
    assert back.test.grades.tolist() == data.test.grades.tolist()
    assert back.test.sample(1).relevant.shape == (1, 3)


METRICS = (
    'metrics = ["recall@3", "precision@3", "map@3", "graded-ndcg@3"]\nprimary = "recall@3"\n'
    'protocols = ["scored", "full"]\n'
)


def test_a_table_of_several_relevant_items(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, ', cases = "user", grades = "rating"', METRICS, files={"test": SEVERAL})
    printed = said("run", "--suite", "s.toml")
    chance = next(line for line in printed.splitlines() if line.startswith("Chance")).split()
    # Three of six ranks: every relevant item is there with probability 1/2, 2 of them a case.
    assert [float(value) for value in chance[1:3]] == pytest.approx([1 / 2, 1 / 3], abs=5e-4)
    assert "GNDCG@3" in printed


def test_metrics_of_one_item_are_refused_for_several(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, ', cases = "user"', files={"test": SEVERAL})
    printed = invoked("run", "--suite", "s.toml", code=1).output
    assert "several relevant items" in " ".join(printed.split())


def test_rubrics_with_one_right_answer_are_refused_for_several(tmp_path):
    write(tmp_path, ', cases = "user"', files={"test": SEVERAL})
    data = dataset(tmp_path)
    with pytest.raises(ConfigError, match="rubrics know one right answer"):
        next(read_answers(pl.DataFrame(), data, data.test, "scored"))


def test_grades_need_ratings(tmp_path):
    settings = ', cases = "user", grades = "rating"'
    write(tmp_path, settings, files={"test": SEVERAL}, columns=("user", "item"))
    with pytest.raises(DataError, match="needs ratings"):
        dataset(tmp_path)


FAULTS = {
    "an item in two files": (
        {"files": {"test": [("u", "a", 5, 4), ("v", "e", 1, 6)]}}, DataError,
        "user 'u' has item 'a' more than once .train.csv line 2 and test.csv line 2",
    ),
    "an empty cell": (
        {"files": {"valid": [("u", "", 4, 3), ("v", "d", 5, 5)]}}, DataError, "valid.csv, line 2",
    ),
    "a file that is not there": (
        {"files": {"test": None}, "settings": ', test = "no.csv"'}, DataError, "no.csv: no such",
    ),
    "no test": ({"files": {"test": None}}, ConfigError, "test: is missing"),
    "an unknown key": ({"settings": ', tset = "a.csv"'}, ConfigError, "unknown key"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_taken_stops(tmp_path, fault):
    changes, kind, message = FAULTS[fault]
    write(tmp_path, **changes)
    with pytest.raises(kind, match=message):
        dataset(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('source = "table"', 'source = "table"\nk_core = 5', "k_core would change"),
        ('source = "table"', 'source = "table"\nmin_length = 5', "min_length would change"),
        ('source = "table"', 'source = "toy"', "source 'toy' reads its own"),
        ("{ items", '{ interactions = "all.csv", items', "leave out options.interactions"),
    ],
)
def test_settings_that_would_change_the_split_are_refused(tmp_path, old, new, message):
    write(tmp_path)
    suite = tmp_path / "s.toml"
    suite.write_text(suite.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError, match=message):
        dataset(tmp_path)


def test_columns_of_their_own_names(tmp_path):
    write(tmp_path, columns=("uid", "iid", "rating", "timestamp"))
    suite = tmp_path / "s.toml"
    columns = '{ items = "items.csv", columns = { user = "uid", item = "iid" } }'
    suite.write_text(suite.read_text().replace('{ items = "items.csv" }', columns))
    (tmp_path / "items.csv").write_text(ITEMS.replace("item,", "iid,", 1))
    assert asked(dataset(tmp_path), dataset(tmp_path).test)["test:u"] == ("abc", "d")


def test_files_of_sequences_are_no_interactions(tmp_path):
    write(tmp_path)
    for name in ("train", "valid", "test"):
        (tmp_path / f"{name}.inter").write_text(
            "user_id:token\titem_id_list:token_seq\titem_id:token\nu\ta b\tc\n"
        )
    suite = tmp_path / "s.toml"
    suite.write_text(
        suite.read_text().replace('.csv",', '.inter",').replace("test.csv", "test.inter")
    )
    with pytest.raises(DataError, match=r"holds a history \('item_id_list'\)"):
        dataset(tmp_path)


def test_the_identity_follows_the_content_of_each_file(tmp_path):
    write(tmp_path)
    spec = load_suite(str(tmp_path / "s.toml")).datasets[0]
    before = identify_dataset(spec, tmp_path / "data")
    write(tmp_path, files={"test": [("u", "e", 5, 4), ("v", "e", 1, 6)]})
    assert identify_dataset(spec, tmp_path / "data") != before


def test_lists_in_the_order_of_the_test_file(tmp_path):
    """As NCF and others ship them: test.csv, and a file of lists with a line for each row."""
    rows = [("v", "e", 1, 6), ("u", "d", 5, 4)]
    write(tmp_path, files={"test": rows})
    (tmp_path / "lists.jsonl").write_text(
        '{"candidates": ["e", "f", "g"]}\n{"candidates": ["h", "d", "i"]}\n'
    )
    suite = tmp_path / "s.toml"
    suite.write_text(
        suite.read_text().replace("count = 6", 'file = "lists.jsonl", match = "order"')
    )
    data = dataset(tmp_path)
    assert {r.user: "".join(r.candidates) for r in data.requests(data.test)} == {
        "u": "hdi", "v": "efg",
    }  # fmt: skip


def test_lists_of_rows_are_told_apart_by_their_targets(tmp_path):
    write(tmp_path, ', cases = "row"', files={"test": SEVERAL})
    lists = [("u", "e", "pen"), ("u", "d", "opd"), ("u", "f", "fgh"), ("v", "e", "ijke")]
    lines = [
        f'{{"user": "{u}", "target": "{t}", "candidates": {json.dumps(list(c))}}}'
        for u, t, c in lists
    ]
    (tmp_path / "lists.jsonl").write_text("\n".join(lines))
    suite = tmp_path / "s.toml"
    suite.write_text(suite.read_text().replace("count = 6", 'file = "lists.jsonl"'))
    data = dataset(tmp_path)
    assert {r.case_id: "".join(r.candidates) for r in data.requests(data.test)} == {
        "test:u": "opd", "test:u#2": "pen", "test:u#3": "fgh", "test:v": "ijke",
    }  # fmt: skip
    (tmp_path / "lists.jsonl").write_text("\n".join(lines).replace('"target"', '"other"'))
    with pytest.raises(DataError, match="user 'u' has 3 cases"):
        dataset(tmp_path)
