"""Candidate lists that somebody else made, from the file to the table."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchkit.data.preparation.cache import identify_dataset, load_or_prepare
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError, DataError
from tests.support.command_line import invoked, said

N_USERS, N_ITEMS = 12, 40


def target_of(user):
    return f"i{(7 * user + 3) % N_ITEMS}"


def history_of(user):
    return [f"i{(7 * user + 4 + step) % N_ITEMS}" for step in range(6)]


def negatives_of(user, count=9):
    return [f"i{(7 * user + 12 + 3 * step) % N_ITEMS}" for step in range(count)]


def list_of(user, count=9):
    """The target among the negatives, at a place that differs from user to user."""
    items = negatives_of(user, count)
    place = 5 * user % (count + 1)
    return [*items[:place], target_of(user), *items[place:]]


def records(**fields):
    return [{"user": f"u{u}", "candidates": list_of(u), **fields} for u in range(N_USERS)]


def as_lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def as_toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {as_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


@dataclass
class Shop:
    """A folder with a suite whose lists come from a file."""

    folder: Path
    settings: str = 'file = "lists.jsonl"'

    def write(self, name, text, **settings):
        (self.folder / name).write_text(text, encoding="utf-8")
        pairs = [f"{key} = {as_toml(value)}" for key, value in settings.items()]
        self.settings = ", ".join([f'file = "{name}"', *pairs])
        self.write_suite()

    def write_suite(self, name="s.toml", methods=("random", "popularity"), extra=""):
        rows = "".join(f'[[methods]]\nmethod = "{method}"\n' for method in methods)
        (self.folder / name).write_text(
            'protocols = ["scored"]\n' + extra + '[[datasets]]\nname = "shop"\nsource = "table"\n'
            'options = { interactions = "interactions.csv", items = "items.csv" }\n'
            f"candidates = {{ {self.settings} }}\n{rows}"
        )

    def dataset(self):
        """The dataset as benchkit prepares it."""
        from benchkit.config.suite import load_suite

        return load_or_prepare(load_suite("s.toml").datasets[0], self.folder / "data")

    def lists(self):
        dataset = self.dataset()
        return {r.user: list(r.candidates) for r in dataset.requests(dataset.test)}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        f"u{u},{item},{time}"
        for u in range(N_USERS)
        for time, item in enumerate([*history_of(u), target_of(u)])
    ]
    (tmp_path / "interactions.csv").write_text("\n".join(["user,item,timestamp", *rows]) + "\n")
    items = [f"i{i},Title {i} of {N_ITEMS}" for i in range(N_ITEMS)]
    (tmp_path / "items.csv").write_text("\n".join(["item,title", *items]) + "\n")
    return Shop(tmp_path)


COMPLETE = {
    "json lines": ("lists.jsonl", as_lines(records()), {}),
    "json lines with targets": (
        "lists.jsonl",
        as_lines([{**row, "target": target_of(u)} for u, row in enumerate(records())]),
        {},
    ),
    "other field names": (
        "lists.jsonl",
        as_lines([{"who": f"u{u}", "itemList": "::".join(list_of(u))} for u in range(N_USERS)]),
        {"fields": {"user": "who", "candidates": "itemList"}},
    ),
    "titles": (
        "lists.jsonl",
        as_lines(
            [
                {**row, "candidates": [f"Title {i[1:]} of {N_ITEMS}" for i in row["candidates"]]}
                for row in records()
            ]
        ),
        {},
    ),
    "a json object": (
        "lists.json", json.dumps({f"u{u}": list_of(u) for u in range(N_USERS)}), {},
    ),
    "csv with lists in cells": (
        "lists.csv",
        "user_id,candidates\n" + "".join(f"u{u},{'|'.join(list_of(u))}\n" for u in range(N_USERS)),
        {},
    ),
    "a user and all candidates in a line": (
        "lists.txt", "".join(f"u{u} {' '.join(list_of(u))}\n" for u in range(N_USERS)), {},
    ),
    "in a prompt's text": (
        "prompts.jsonl",
        as_lines(
            [
                {
                    "user": f"u{u}",
                    "prompt": f"[History] item_id:{history_of(u)[0]}\n [Candidates]:\n"
                    + "\n".join(f"- item_id:{item}\n- brand:none" for item in list_of(u)),
                }
                for u in range(N_USERS)
            ]
        ),
        {
            "fields": {"candidates": "prompt"},
            "pattern": r"item_id:(\S+)",
            "after": "[Candidates]:",
        },
    ),
    "in the order of the test rows": (
        "lists.jsonl",
        as_lines([{"candidates": list_of(u)} for u in range(N_USERS)]),
        {"match": "order"},
    ),
    "lines of items alone, in the order of the test rows": (
        "lists.txt",
        "".join(f"{' '.join(list_of(u))}\n" for u in range(N_USERS)),
        {"match": "order"},
    ),
    "titles with a line separator of Unicode between lists": (
        "lists.txt",
        "".join(
            f"u{u}::" + "::".join(f"Title {i[1:]} of {N_ITEMS}" for i in list_of(u)) + "\r\n"
            for u in range(N_USERS)
        ),
        {"separator": "::"},
    ),
    "a byte order mark and another capitalisation": (
        "lists.JSONL",
        "\ufeff"
        + as_lines([{"User_ID": f"u{u}", "CandidateItems": list_of(u)} for u in range(N_USERS)]),
        {},
    ),
    "quoted lists in a table with tabs": (
        "lists.tsv",
        "user\tcandidates\n" + "".join(f'u{u}\t"{list_of(u)}"\n' for u in range(N_USERS)),
        {},
    ),
    "by case id": (
        "lists.jsonl",
        as_lines(
            [{"case_id": f"test:u{u}", "candidates": list_of(u)} for u in reversed(range(N_USERS))]
        ),
        {},
    ),
}  # fmt: skip
NEGATIVES = {
    "a user and negatives in a line, as S3Rec": (
        "negatives.txt", "".join(f"u{u} {' '.join(negatives_of(u))}\n" for u in range(N_USERS)), {},
    ),
    "(user,target) and negatives, as NCF": (
        "shop.test.negative",
        "".join(f"(u{u},{target_of(u)})\t" + "\t".join(negatives_of(u)) + "\n" for u in range(12)),
        {},
    ),
    "with commas": (
        "negatives.txt", "".join(f"u{u},{','.join(negatives_of(u))}\n" for u in range(12)), {},
    ),
    "a field of negatives": (
        "lists.jsonl",
        as_lines([{"user": f"u{u}", "neg_items": negatives_of(u)} for u in range(N_USERS)]),
        {},
    ),
    "called candidates, said to be negatives": (
        "lists.jsonl",
        as_lines([{"user": f"u{u}", "candidates": negatives_of(u)} for u in range(N_USERS)]),
        {"holds": "negatives"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", COMPLETE)
def test_complete_lists_are_taken_as_they_are(shop, form):
    name, text, settings = COMPLETE[form]
    shop.write(name, text, **settings)
    assert shop.lists() == {f"u{u}": list_of(u) for u in range(N_USERS)}


@pytest.mark.parametrize("form", NEGATIVES)
def test_negatives_get_their_target_at_a_place_that_tells_nothing(shop, form):
    name, text, settings = NEGATIVES[form]
    shop.write(name, text, **settings)
    lists = shop.lists()
    assert {user: set(items) for user, items in lists.items()} == {
        f"u{u}": {*negatives_of(u), target_of(u)} for u in range(N_USERS)
    }
    places = {items.index(target_of(int(user[1:]))) for user, items in lists.items()}
    assert len(places) > 4
    negatives = [item for item in lists["u1"] if item != target_of(1)]
    assert negatives != negatives_of(1)  # their order, too, would tell them


def test_the_order_of_negatives_in_the_file_changes_nothing(shop):
    shop.write("negatives.txt", "".join(f"u{u} {' '.join(negatives_of(u))}\n" for u in range(12)))
    before = shop.dataset().candidates_hash
    text = "".join(f"u{u} {' '.join(reversed(negatives_of(u)))}\n" for u in range(12))
    shop.write("negatives.txt", text)
    assert shop.dataset().candidates_hash == before


def test_lists_of_one_candidate_are_counted(shop):
    rows = records()
    for user in (0, 1, 2):
        rows[user]["candidates"] = [target_of(user)]
    rows[3]["candidates"] = negatives_of(3, 1)  # one candidate, and not the answer
    shop.write("lists.jsonl", as_lines(rows))
    text = "3 of 12 test cases have one candidate, the answer: their chance level is 1"
    assert text in " ".join(said("data", "prepare", "--suite", "s.toml").split())
    assert shop.dataset().report["test_cases_with_one_candidate"] == 3
    table = " ".join(said("run", "--suite", "s.toml").split())
    assert text in table
    # HR@1 at chance: 3 cases of 1, one of 0, eight of 1 / 10.
    assert f"{(3 + 8 / 10) / 12:.3f}".lstrip("0") in table


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lists.csv", 'user,candidates\nu0,"i1; i2; i3"\n'),
        ("lists.txt", "u0~i1~i2\n"),
    ],
)
def test_another_separator_of_items_is_asked_for_by_its_setting(shop, name, text):
    shop.write(name, text)
    with pytest.raises(DataError) as caught:
        shop.dataset()
    assert 'candidates.separator = "::"' in caught.value.hint
    assert "--separator" not in caught.value.hint


def test_lengths_differ_and_a_missing_target_is_a_miss(shop):
    rows = records()
    for user in (0, 1, 2):
        rows[user]["candidates"] = negatives_of(user)
    rows[3]["candidates"] = list_of(3, 4)
    shop.write("lists.jsonl", as_lines(rows))
    printed = " ".join(said("data", "prepare", "--suite", "s.toml").split())
    assert "3 of 12 targets are not in their lists, which counts as a miss" in printed
    assert "5 to 10 a case" in printed
    assert "target-missing" in printed
    table = said("run", "--suite", "s.toml")
    assert "3 of 12 targets are not in their lists" in " ".join(table.split())
    # HR@1 at chance: 3 cases of 0, one list of 5, eight of 10.
    chance = (1 / 5 + 8 / 10) / 12
    line = next(line for line in table.splitlines() if line.startswith("Chance"))
    assert float(line.split()[1]) == pytest.approx(chance, abs=5e-4)


def test_exported_cases_are_read_again_as_the_same_cases(shop):
    rows = records()
    rows[3]["candidates"] = list_of(3, 4)
    shop.write("lists.jsonl", as_lines(rows))
    first = shop.dataset()
    said("data", "cases", "--suite", "s.toml", "--out", "out.jsonl")
    shop.settings = 'file = "out.jsonl"'
    shop.write_suite()
    assert shop.dataset().fingerprint == first.fingerprint
    said("data", "cases", "--suite", "s.toml", "--out", "again.jsonl")
    assert (shop.folder / "again.jsonl").read_bytes() == (shop.folder / "out.jsonl").read_bytes()


def test_exported_drawn_cases_are_read_again_as_the_same_cases(shop):
    drawn = shop.folder / "drawn.toml"
    shop.settings = "count = 10"
    shop.write_suite("drawn.toml")
    said("data", "cases", "--suite", str(drawn), "--out", "out.jsonl")
    shop.settings = 'file = "out.jsonl"'
    shop.write_suite()
    said("data", "cases", "--suite", "s.toml", "--out", "again.jsonl")
    assert (shop.folder / "again.jsonl").read_bytes() == (shop.folder / "out.jsonl").read_bytes()
    hashes = {
        json.loads((shop.folder / f"{name}.meta.json").read_text())["fingerprint"]
        for name in ("out", "again")
    }
    assert len(hashes) == 1


def test_candidates_that_nobody_chose_are_in_the_catalogue(shop):
    (shop.folder / "items.csv").write_text(
        (shop.folder / "items.csv").read_text() + "new,A new thing\n"
    )
    rows = records()
    rows[0]["candidates"][-1] = "new"
    shop.write("lists.jsonl", as_lines(rows))
    dataset = shop.dataset()
    assert dataset.catalog.text("new") == "A new thing"
    assert shop.lists()["u0"][-1] == "new"
    assert [r.candidates[0] for r in dataset.requests(dataset.test)][1] == list_of(1)[0]


def test_users_without_a_list_are_not_asked_and_counted(shop):
    shop.write("lists.jsonl", as_lines(records()[:9]))
    dataset = shop.dataset()
    assert len(dataset.test) == 9
    assert dataset.report["test_cases_without_list"] == 3
    assert "3 cases without a list are not asked" in dataset.caveats[0]


def test_validation_lists_of_their_own(shop):
    valid = as_lines(
        [
            {"user": f"u{u}", "candidates": [history_of(u)[-1], *negatives_of(u, 4)]}
            for u in range(N_USERS)
        ]
    )
    (shop.folder / "valid.jsonl").write_text(valid)
    shop.write("lists.jsonl", as_lines(records()), valid_file="valid.jsonl")
    dataset = shop.dataset()
    cases = {r.user: r.candidates for r in dataset.requests(dataset.valid)}
    assert cases["u5"] == (history_of(5)[-1], *negatives_of(5, 4))


def test_another_content_is_another_dataset_wherever_the_file_lies(shop):
    shop.write("lists.jsonl", as_lines(records()))
    first = shop.dataset()
    spec = DatasetSpec.model_validate(
        {
            "name": "shop", "source": "table",
            "options": {"interactions": "../../interactions.csv", "items": "../../items.csv"},
            "candidates": {"file": "../../lists.jsonl"},
        }
    )  # fmt: skip
    data = shop.folder / "data"
    (data / "raw").mkdir()
    identity = identify_dataset(spec, data)
    (shop.folder / "moved.jsonl").write_text(as_lines(records()))
    moved = spec.model_copy(
        update={"candidates": spec.candidates.model_copy(update={"file": "../../moved.jsonl"})}
    )
    assert identify_dataset(moved, data) == identity
    rows = records()
    rows[0]["candidates"].reverse()
    shop.write("lists.jsonl", as_lines(rows))
    assert identify_dataset(spec, data) != identity
    assert shop.dataset().fingerprint != first.fingerprint


def test_a_leak_in_the_lists_is_said_at_once(shop):
    rows = [{**r, "candidates": [target_of(u), *negatives_of(u)]} for u, r in enumerate(records())]
    shop.write("lists.jsonl", as_lines(rows))
    assert "leak place-not-uniform" in shop.dataset().caveats[0]
    assert "place-not-uniform" in said("data", "prepare", "--suite", "s.toml")
    table = said("run", "--suite", "s.toml").split()  # the terminal's width breaks lines anywhere
    assert "leak place-not-uniform" in " ".join(table)


BROKEN = {
    "another target": (
        as_lines([{**row, "target": row["candidates"][3]} for row in records()]),
        {}, DataError, "but the split asks for",
    ),
    "unknown item": (
        as_lines([{**row, "candidates": [*row["candidates"], "i999"]} for row in records()]),
        {}, DataError, "line 1: no item of .* has the id 'i999'",
    ),
    "unknown user": (
        as_lines([{**row, "user": "x"} for row in records()[:1]]), {}, DataError, "user 'x' has no",
    ),
    "two lists": (
        as_lines([*records(), records()[0]]), {}, DataError, "line 13: a second list for user 'u0'",
    ),
    "an item twice": (
        as_lines([{**row, "candidates": [*row["candidates"], "i1", "i1"]} for row in records()]),
        {}, DataError, "item 'i1' stands more than once",
    ),
    "no target anywhere": (
        as_lines([{**row, "candidates": negatives_of(u)} for u, row in enumerate(records())]),
        {}, ConfigError, "0 of 12 lists have their target",
    ),
    "negatives with a target": (
        as_lines(records()), {"holds": "negatives"}, DataError, "the target is among the negatives",
    ),
    "no user": (
        as_lines([{"candidates": list_of(u)} for u in range(12)]), {}, ConfigError, "neither",
    ),
    "order of too few": (
        as_lines(records()[:5]), {"match": "order"}, DataError, "5 lists for 12 cases",
    ),
    "a pattern that finds nothing": (
        as_lines([{"user": "u0", "candidates": "none"}]), {"pattern": "x(.)"}, DataError,
        "finds no item",
    ),
    "a pattern that is none": (
        as_lines([{"user": "u0", "candidates": "none"}]), {"pattern": "x("}, ConfigError, "pattern",
    ),
    "an empty file": ("", {}, DataError, "holds no list"),
    "both kinds of field": (
        as_lines([{**row, "negatives": ["i1"]} for row in records()]), {}, DataError,
        "both candidates",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_what_cannot_be_taken_as_it_is_stops(shop, fault):
    text, settings, kind, message = BROKEN[fault]
    shop.write("lists.jsonl", text, **settings)
    with pytest.raises(kind, match=message) as problem:
        invoked("data", "prepare", "--suite", "s.toml")
    assert problem.value.hint


def test_mixed_lines_of_text_ask_what_they_hold(shop):
    text = "".join(
        f"u{u} {' '.join(list_of(u) if u else negatives_of(u))}\n" for u in range(N_USERS)
    )
    shop.write("lists.txt", text)
    with pytest.raises(ConfigError, match="11 of 12 lists have their target") as problem:
        shop.dataset()
    assert "candidates.holds" in problem.value.hint
    shop.write("lists.txt", text, holds="candidates")
    assert shop.dataset().report["test_lists_without_target"] == 1


def test_answers_made_elsewhere_are_scored_on_the_lists(shop):
    rows = records()
    rows[3]["candidates"] = list_of(3, 4)
    rows[4]["candidates"] = negatives_of(4)
    shop.write("lists.jsonl", as_lines(rows))
    said("data", "cases", "--suite", "s.toml", "--out", "cases.jsonl")
    answers = []
    for line in (shop.folder / "cases.jsonl").read_text().splitlines():
        case = json.loads(line)
        target = target_of(int(case["user"][1:]))
        scores = [float(item["item"] == target) for item in case["candidates"]]
        answers.append({"case_id": case["case_id"], "scores": scores})
    (shop.folder / "mine.jsonl").write_text(as_lines(answers))
    (shop.folder / "mine.meta.json").write_text((shop.folder / "cases.meta.json").read_text())
    said("import", "--suite", "s.toml", "--file", "mine.jsonl", "--label", "oracle")
    table = said("report", "--suite", "s")
    line = next(line for line in table.splitlines() if line.startswith("oracle"))
    assert float(line.split()[1]) == pytest.approx(11 / 12, abs=5e-4)  # one target is not listed


def test_names_that_are_ids_and_titles_are_asked_about(shop):
    rows = [f"i{i},i{(i + 1) % N_ITEMS}" for i in range(N_ITEMS)]
    (shop.folder / "items.csv").write_text("\n".join(["item,title", *rows]) + "\n")
    shop.write("lists.jsonl", as_lines(records()))
    with pytest.raises(ConfigError, match="is the id of one item and the title of another"):
        shop.dataset()
    shop.write("lists.jsonl", as_lines(records()), names="id")
    assert shop.lists()["u3"] == list_of(3)


def test_repeats_can_be_dropped(shop):
    rows = records()
    rows[2]["candidates"] += rows[2]["candidates"][:2]
    shop.write("lists.jsonl", as_lines(rows), repeats="drop")
    assert shop.lists()["u2"] == list_of(2)
    assert shop.dataset().report["test_repeated_candidates_dropped"] == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ('fiel = "lists.jsonl"', "unknown key.*did you mean 'file'|unknown key"),
        ('file = "lists.jsonl", count = 20', "unknown key"),
        ('file = "lists.jsonl", holds = "both"', "candidates.holds"),
    ],
)
def test_wrong_settings_name_their_key(shop, settings, message):
    shop.write("lists.jsonl", as_lines(records()))
    shop.settings = settings
    shop.write_suite()
    with pytest.raises(ConfigError, match=message):
        invoked("data", "prepare", "--suite", "s.toml")


def test_methods_and_protocols_take_lists_of_different_lengths(shop):
    rows = records()
    rows[3]["candidates"] = list_of(3, 4)
    rows[4]["candidates"] = negatives_of(4)
    shop.write("lists.jsonl", as_lines(rows))
    shop.write_suite(
        methods=("random", "popularity", "ease", "item-knn", "markov"),
        extra='metrics = ["hr@1", "ndcg@5", "mrr", "recall@5", "map@5", "novelty@3", "gini@3"]\n',
    )
    suite = (shop.folder / "s.toml").read_text().replace('["scored"]', '["scored", "full"]')
    (shop.folder / "s.toml").write_text(suite)
    printed = said("run", "--suite", "s.toml")
    assert "whole catalogue" in printed
    assert "failed" not in printed


def test_a_user_who_stands_twice_in_an_object_stops(shop):
    lists = [f'"u{u}": {json.dumps(list_of(u))}' for u in (*range(N_USERS), 3)]
    shop.write("lists.json", "{" + ", ".join(lists) + "}")
    with pytest.raises(DataError, match="the key 'u3' stands more than once in an object"):
        shop.dataset()
