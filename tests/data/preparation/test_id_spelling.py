"""Ids that look alike: stopped where nobody means two, named where somebody may."""

import polars as pl
import pytest

from benchkit.data.preparation.cache import load_or_prepare
from benchkit.data.preparation.id_spelling import similar_forms, visible_form
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError
from tests.support.command_line import said

N_USERS, N_ITEMS = 6, 8


def row(user, item, time):
    return f"{user},{item},{1_600_000_000 + time}"


def events(spell_user="u{}".format, spell_item="i{}".format, spell_first_user=None):
    """Five choices of each user; the third one may write the user in another way."""
    rows = []
    for u in range(N_USERS):
        for step in range(5):
            spell = spell_first_user if spell_first_user and step == 2 else spell_user
            rows.append(row(spell(u), spell_item((u + step) % N_ITEMS), 10 * u + step))
    return rows


def table(rows, header="user,item,timestamp"):
    return "\n".join([header, *rows]) + "\n"


def catalogue(spell_item="i{}".format):
    return table([f"{spell_item(i)},Thing {i}" for i in range(N_ITEMS)], "item,title")


def write(folder, files):
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def prepare(folder, files, **settings):
    write(folder, files)
    options = {"items": str(folder / "items.csv")}
    if "split" not in settings:
        options["interactions"] = str(folder / "r.csv")
    spec = DatasetSpec(
        name="d", source="table", options=options, candidates={"count": 3}, **settings
    )
    return load_or_prepare(spec, folder / "data")


def split_files(folder, spell_test_user, spell_user="{}".format):
    """Files of a split, in whose test file users may be written in another way."""
    parts = {"tr": range(3), "va": range(3, 4), "te": range(4, 5)}
    files = {"items.csv": catalogue()}
    for name, steps in parts.items():
        spell = spell_test_user if name == "te" else spell_user
        rows = [
            row(spell(u), f"i{(u + step) % N_ITEMS}", 10 * u + step)
            for u in range(N_USERS)
            for step in steps
        ]
        files[f"{name}.csv"] = table(rows)
    paths = {"train": "tr", "valid": "va", "test": "te"}
    return files, {part: str(folder / f"{name}.csv") for part, name in paths.items()}


LOOK_ALIKE = {
    "a space after it": ("u{}", "u{} "),
    "a tab before it": ("u{}", '"\tu{}"'),
    "a space that does not break": ("u{}", "u{}\u00a0"),
    "an ideographic space": ("u{}", "\u3000u{}"),
    "a space without width": ("u{}", "\u200bu{}"),
    "a byte order mark": ("u{}", "\ufeffu{}"),
    "a soft hyphen": ("u{}", "u\u00ad{}"),
    "a mark of direction": ("u{}", "\u200eu{}"),
    "a variant of an emoji": ("\u2764{}", "\u2764\ufe0f{}"),
    "a decomposed letter": ("\u00e9{}", "e\u0301{}"),
    "a composed Korean syllable": ("\ud55c{}", "\u1112\u1161\u11ab{}"),
    "both of them changed": ("u{} ", "u{}\u00a0"),
}


@pytest.mark.parametrize(("one", "other"), LOOK_ALIKE.values(), ids=LOOK_ALIKE)
def test_users_that_look_alike_stop(tmp_path, one, other):
    files = {
        "items.csv": catalogue(),
        "r.csv": table(events(one.format, "i{}".format, other.format)),
    }
    with pytest.raises(DataError) as stop:
        prepare(tmp_path, files)
    spellings = [ascii(text.format(0).strip('"')) for text in (one, other)]
    assert all(spelling in stop.value.cause for spelling in spellings)
    assert "r.csv line 2" in stop.value.cause
    assert "r.csv line 4" in stop.value.cause
    assert f"({N_USERS} such users)" in stop.value.cause
    assert 'similar_ids = "keep"' in stop.value.hint
    assert len(prepare(tmp_path, files, similar_ids="keep").users) == 2 * N_USERS


def test_items_that_look_alike_stop_in_one_file_and_between_two(tmp_path):
    files = {
        "items.csv": catalogue("\u00e9{}".format) + "e\u03017,Thing again\n",
        "r.csv": table(events(spell_item="\u00e9{}".format)),
    }
    with pytest.raises(DataError, match=r"items\.csv line 10, and r\.csv line 21: items"):
        prepare(tmp_path, files)
    files["items.csv"] = catalogue("i{}\u00a0".format)
    files["r.csv"] = table(events())
    with pytest.raises(DataError, match=r"r\.csv line 2, and items\.csv line 2: items 'i0' and"):
        prepare(tmp_path, files, untitled="drop")


def test_an_id_of_nothing_visible_stops(tmp_path):
    files = {
        "items.csv": catalogue(),
        "r.csv": table([*events(), row("\u200b ", "i1", 1)]),
    }
    with pytest.raises(DataError, match=r"r\.csv line 32, column 'user': '\\u200b ' holds no"):
        prepare(tmp_path, files, similar_ids="keep")


SIMILAR = {
    "capitals": ("u{}", "U{}"),
    "leading zeros": ("{}", "00{}"),
    "a float": ("{}", "{}.0"),
    "a float with a point alone": ("{}", "{}."),
    "digits of full width": ("u1{}", "u\uff11{}"),
}


@pytest.mark.parametrize(("one", "other"), SIMILAR.values(), ids=SIMILAR)
def test_similar_users_of_one_file_are_named(tmp_path, one, other):
    files = {
        "items.csv": catalogue(),
        "r.csv": table(events(one.format, "i{}".format, other.format)),
    }
    dataset = prepare(tmp_path, files)
    assert len(dataset.users) == 2 * N_USERS
    (caveat,) = dataset.caveats
    assert caveat.startswith("12 of 12 users differ from another by capitals, zeros or '.0' alone")
    assert repr(other.format(0)) in caveat


@pytest.mark.parametrize(("one", "other"), SIMILAR.values(), ids=SIMILAR)
def test_a_split_with_users_written_in_two_ways_stops(tmp_path, one, other):
    files, split = split_files(tmp_path, other.format, one.format)
    with pytest.raises(DataError) as stop:
        prepare(tmp_path, files, split=split)
    known, new = ascii(one.format(0)), ascii(other.format(0))
    assert f"user {new} (te.csv line 2) has no rows in the training file" in stop.value.cause
    assert f"and {known} (tr.csv line 2) has: 6 of 6 users" in stop.value.cause
    dataset = prepare(tmp_path, files, split=split, similar_ids="keep")
    assert any(c.startswith("6 of 6 test cases have no history") for c in dataset.caveats)


def test_a_split_with_spaces_in_one_file_stops(tmp_path):
    files, split = split_files(tmp_path, "{} ".format)
    with pytest.raises(DataError, match=r"tr\.csv line 2, and te\.csv line 2: users '0' and '0 '"):
        prepare(tmp_path, files, split=split)


def test_items_whose_titles_stand_under_another_spelling_stop(tmp_path):
    files = {"items.csv": catalogue("{}".format), "r.csv": table(events(spell_item="00{}".format))}
    for untitled in ("error", "drop"):
        with pytest.raises(DataError, match=r"r\.csv line 2: item '000' is not in .*, and '0' is"):
            prepare(tmp_path, files, untitled=untitled)
    with pytest.raises(DataError, match="or has no title there"):
        prepare(tmp_path, files, similar_ids="keep")


def test_ids_that_differ_visibly_pass_without_a_word(tmp_path):
    plain = {"items.csv": catalogue(), "r.csv": table(events("Zo\u00eb{}".format))}
    dataset = prepare(tmp_path, plain)
    assert dataset.caveats == ()
    assert dataset.users[0] == "Zo\u00eb0"


def test_cold_users_and_late_histories_stand_below_the_tables(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files, _ = split_files(tmp_path, "{}".format)
    files["te.csv"] = files["te.csv"].replace("0,i4,1600000004", "0,i4,1500000000")
    files["te.csv"] += row("stranger", "i1", 5) + "\n"
    write(tmp_path, files)
    (tmp_path / "s.toml").write_text(
        'protocols = ["scored"]\n[[datasets]]\nname = "d"\nsource = "table"\n'
        'options = { items = "items.csv" }\ncandidates = { count = 3 }\n'
        'split = { train = "tr.csv", valid = "va.csv", test = "te.csv" }\n'
        '[[methods]]\nmethod = "popularity"\n[[methods]]\nmethod = "random"\n'
    )
    table_text = " ".join(said("run", "--suite", "s.toml").split())
    assert "1 of 7 test cases have no history" in table_text
    assert "1 of 7 users have test or validation rows before training rows" in table_text
    for command in ("report", "compare"):  # by the suite's file, as for a run, or by its name
        by_file = said(command, "--suite", "s.toml")
        assert "popularity" in by_file
        assert by_file == said(command, "--suite", "s")


def test_forms():
    ids = pl.DataFrame({"id": ["a\u00a0b ", "A.0", "000", "10.50", "7.00", "1e3"]})
    visible = ids.select(visible_form(pl.col("id"))).to_series().to_list()
    assert visible == ["a b", "A.0", "000", "10.50", "7.00", "1e3"]
    similar = similar_forms(ids["id"]).to_list()
    assert similar == ["a b", "a.0", "0", "10.50", "7", "1e3"]
