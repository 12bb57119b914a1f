"""Amazon Review Data 2018, in small files in its format."""

import gzip
import json

import pytest

from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.sources import amazon2018
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError

SPEC = DatasetSpec(
    name="beauty", source="amazon2018", candidates={"count": 2}, untitled="drop", duplicates="last"
)
SCRIPT = "var aPageStart = (new Date()).getTime();\nvar ue_t0=ue_t0||+new Date();"


def review(user, item, overall, time, **more):
    return {
        "overall": overall, "verified": True, "reviewTime": "09 1, 2016", "reviewerID": user,
        "asin": item, "style": {"Size:": " 7.0 oz"}, "reviewerName": "Shelly F",
        "reviewText": "As advertised.", "summary": "Five Stars", "unixReviewTime": time, **more,
    }  # fmt: skip


def meta(item, title, **more):
    return {
        "category": [], "tech1": "", "description": [], "fit": "", "title": title, "also_buy": [],
        "image": [], "brand": "", "feature": [], "rank": "2,938,573 in Beauty", "asin": item,
        "main_cat": "All Beauty", "price": "", "details": {"ASIN: ": item}, **more,
    }  # fmt: skip


REVIEWS = [
    review("A3CI", "B01", 5.0, 1472688000),
    review("A3CI", "B02", 4.0, 1472601600, summary="Good", reviewText="Good &amp; cheap<br />ok"),
    review("A3CI", "B03", 1.0, 1372601600, vote="2,5"),
    review("A3CI", "B03", 2.0, 1372688000, summary="Changed my mind", reviewText=None),
    review("B4DJ", "B02", 3.0, 1, reviewText=""),
    review("B4DJ", "B04", 3.0, 2),
    review("B4DJ", "B05", 3.0, 2),
    review("C5EK", "B05", 3.0, 2),
]
META = [
    meta(
        "B01", "Yes to Tomatoes &amp; Co", brand="Yes To", price="$4.99",
        description=["Clears skin.", "", "Daily."], feature=["Cruelty-free", "95% natural"],
        category=["Beauty", "Skin Care", "</span></span></span>", "Imported"],
    ),
    meta("B02", SCRIPT, brand="first entry"),
    meta("B02", "Second Entry", price=".a-box-inner{background-color:#fff}"),
    meta("B03", "Third"),
    meta("B04", SCRIPT),
    meta("B05", "Fifth"),
]  # fmt: skip


def write(folder, reviews=REVIEWS, items=META, bad=()):
    paths = [folder / "All_Beauty_5.json.gz", folder / "meta_All_Beauty.json.gz"]
    for path, records in zip(paths, (reviews, items), strict=True):
        lines = [*map(json.dumps, records), *(bad if records is reviews else ())]
        path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return {"reviews": str(paths[0]), "meta": str(paths[1])}


def test_from_files_to_cases(tmp_path):
    data = prepare_dataset(amazon2018.read_amazon2018(**write(tmp_path)), SPEC)
    assert data.users == ("A3CI", "B4DJ", "C5EK")
    assert [data.catalog.ids[i] for i in data.interactions.sequence(0)] == ["B03", "B02", "B01"]
    assert data.interactions.rating[:3].tolist() == [2, 4, 5]
    assert (data.interactions.timestamp[:3] // 10**9).tolist() == [
        1372688000,
        1472601600,
        1472688000,
    ]
    assert data.interactions.review[:3] == [
        "Changed my mind",
        "Good & cheap\nok",
        "Five Stars. As advertised.",
    ]
    texts = {name: data.catalog.text("B01", name) for name in data.catalog.texts}
    assert texts == {
        "title": "Yes to Tomatoes & Co",
        "description": "Clears skin.\nDaily.",
        "features": "Cruelty-free\n95% natural",
        "categories": "Beauty > Skin Care",
        "brand": "Yes To",
        "price": "$4.99",
    }
    # Of an item that stands twice the entry whose title is one, with the texts of that entry.
    assert data.catalog.text("B02") == "Second Entry"
    assert data.catalog.text("B02", "brand") is None
    assert data.catalog.text("B02", "price") is None
    report = data.report
    assert (report["lines"], report["meta_lines"]) == (8, 6)
    assert (report["meta_junk_titles"], report["meta_repeated_items"]) == (2, 1)
    assert (report["meta_items_without_title"], report["without_title"]) == (1, 1)
    assert report["duplicates_removed"] == 1


def test_reviews_can_be_left_out(tmp_path):
    raw = amazon2018.read_amazon2018(**write(tmp_path), with_reviews=False)
    assert prepare_dataset(raw, SPEC).interactions.review is None


def test_bad_lines_are_kept_aside(tmp_path):
    bad = ['{"overall": 5.0', json.dumps(review("A", None, 5.0, 1)), "", "[]"]
    raw = amazon2018.read_amazon2018(**write(tmp_path, bad=bad))
    assert raw.malformed["line"].to_list() == [9, 10, 12]
    assert raw.malformed["file"].unique().to_list() == ["All_Beauty_5.json.gz"]
    assert raw.funnel["malformed_lines"] == 3
    assert raw.funnel["blank_lines"] == 1
    assert len(raw.interactions) == 8


def test_missing_files_say_how_to_get_them(tmp_path):
    paths = write(tmp_path)
    (tmp_path / "meta_All_Beauty.json.gz").unlink()
    with pytest.raises(DataError, match=r"meta_All_Beauty.json.gz: no such file") as caught:
        amazon2018.read_amazon2018(**paths)
    assert "benchkit data fetch amazon2018" in caught.value.hint
    assert "--from DIR" in caught.value.hint
    assert [str(path) for path in amazon2018.amazon2018_files(**paths, with_reviews=False)] == [
        *paths.values()
    ]
