"""BeerAdvocate, in small files in the three forms that are about."""

import gzip
import json

import pytest

from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.sources import beeradvocate
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError

SPEC = DatasetSpec(name="beer", source="beeradvocate", candidates={"count": 2})


def review(user, beer, overall, time, name="Sausa Weizen", text="A lot of foam."):
    return {
        "beer/name": name, "beer/beerId": beer, "beer/brewerId": "10325", "beer/ABV": "5.00",
        "beer/style": "Hefeweizen", "review/appearance": "2.5", "review/aroma": "2",
        "review/palate": "1.5", "review/taste": "1.5", "review/overall": overall,
        "review/time": time, "review/profileName": user, "review/text": text,
    }  # fmt: skip


REVIEWS = [
    review("stcules", "47986", "1.5", "1234817823", text='It\'s: "good" {really}'),
    review("stcules", "48213", "3", "1235915097", "Kölsch: No. 1", "Überraschend."),
    review("stcules", "48215", "4.5", "1235916604", "Black Horse", ""),
    review("oline73", "47986", "4", "1234725145", "Renamed Weizen"),
    review("oline73", "64883", "0", "1293735206", "Cauldron's DIPA"),
]


def literals(reviews):
    return "".join(f"{review!r}\n" for review in reviews)


def lines_of_json(reviews):
    return "".join(f"{json.dumps(review)}\n" for review in reviews)


def blocks(reviews):
    return "".join("".join(f"{k}: {v}\n" for k, v in r.items()) + "\n" for r in reviews)


def write(folder, text, name="beeradvocate.json.gz", encoding="utf-8"):
    data = text.encode(encoding)
    (folder / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return str(folder)


FORMS = [
    (literals, "beeradvocate.json.gz", "utf-8"),
    (lines_of_json, "beeradvocate.json", "utf-8"),
    (blocks, "beeradvocate.txt.gz", "latin-1"),
]


@pytest.mark.parametrize(("form", "name", "encoding"), FORMS)
def test_every_form_says_the_same(tmp_path, form, name, encoding):
    raw = beeradvocate.read_beeradvocate(write(tmp_path, form(REVIEWS), name, encoding))
    data = prepare_dataset(raw, SPEC)
    user = data.users.index("stcules")
    assert [data.catalog.ids[i] for i in data.interactions.sequence(user)] == [
        "47986",
        "48213",
        "48215",
    ]
    assert data.interactions.rating.tolist() == [4, 0, 1.5, 3, 4.5]
    assert data.interactions.timestamp[0] == 1234725145 * 10**9
    assert data.interactions.review[2:] == ['It\'s: "good" {really}', "Überraschend.", None]
    assert data.catalog.text("47986") == "Sausa Weizen"  # as the first review calls it
    assert data.catalog.text("48213") == "Kölsch: No. 1"
    assert data.catalog.text("48213", "style") == "Hefeweizen"
    assert data.catalog.text("48213", "abv") == "5.00"
    assert data.report["reviews_records"] == 5
    assert data.report["reviews_malformed"] == 0
    assert beeradvocate.beeradvocate_files(str(tmp_path)) == [tmp_path / name]


@pytest.mark.parametrize(("form", "name", "encoding"), FORMS)
def test_bad_records_are_kept_aside(tmp_path, form, name, encoding):
    bad = [
        review("", "1", "4", "1"),
        review("x", "1", "four", "1"),
        review("x", "1", "4", "1.5"),
        {"beer/name": "Nothing else"},
    ]
    raw = beeradvocate.read_beeradvocate(write(tmp_path, form([*bad, *REVIEWS]), name, encoding))
    assert raw.malformed["reason"].to_list() == [
        "'review/profileName' is missing",
        "'review/overall' cannot be 'four'",
        "'review/time' cannot be '1.5'",
        "'review/profileName' is missing",
    ]
    assert raw.malformed["line"].to_list() == ([1, 15, 29, 43] if form is blocks else [1, 2, 3, 4])
    assert raw.malformed["file"].unique().to_list() == [name]
    assert raw.funnel["reviews_malformed"] == 4
    assert raw.funnel["reviews_records"] == 9
    assert raw.reviews([1]) == ["Überraschend."]


def test_a_missing_file_says_how_to_get_it(tmp_path):
    with pytest.raises(DataError, match=r"beeradvocate.json.gz: no such file") as caught:
        beeradvocate.read_beeradvocate(str(tmp_path))
    assert "benchkit data fetch beeradvocate" in caught.value.hint


def test_another_file_is_refused(tmp_path):
    with pytest.raises(DataError, match="malformed"):
        beeradvocate.read_beeradvocate(write(tmp_path, "<html>\n\nno beer</html>\n"))
