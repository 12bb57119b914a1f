"""Steam, in small files in the format of the McAuley lab: Python literals, one a line."""

import gzip

import pytest

from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.sources import steam
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError

SPEC = DatasetSpec(name="steam", source="steam", candidates={"count": 2}, untitled="drop")
DAY = 86_400
FIRST = 1_388_534_400  # 2014-01-01


def review(user, game, hours, date="2014-01-01", text="fun", **more):
    return {
        "username": user, "hours": hours, "products": 41, "product_id": game, "page_order": 0,
        "date": date, "text": text, "early_access": False, "page": 1, **more,
    }  # fmt: skip


REVIEWS = [
    review("Chaos Syren", "10", 0.1, "2014-01-03", 'It\'s "fine"\nreally: \u2605'),
    review("Chaos Syren", "20", 51.1, "2014-01-02", user_id="76561198007483075"),
    review("Chaos Syren", "30", 2.0, "2014-01-01", compensation="Product received for free"),
    review("b", "10", 5.0, "2014-01-01"),
    review("b", "40", 7.5, "2014-01-01"),
    review("c", "10", 900.0),
    review("c", "20", 1.0, "2014-02-01"),
    review("d", "10", 7.0),
    review("e", "10", 3.0),
    review("e", "99", 3.0),
]
GAMES = [
    {
        "publisher": "Kotoshiro", "genres": ["Action", "Indie"], "app_name": "Lost Kitty",
        "title": "Lost Summoner Kitty", "url": "http://store.steampowered.com/app/10/",
        "release_date": "2018-01-04", "tags": ["Strategy", "Café"], "price": 4.99, "id": "10",
        "early_access": False, "developer": "Kotoshiro",
    },
    {"app_name": "Only App Name", "id": "20", "price": "Free To Play"},
    {"title": "Thirty", "app_name": "Thirty", "id": "30", "price": None},
    {"title": "Forty's \"Quotes\"", "id": "40"},
    {"title": "Thirty again", "id": "30"},
    {"title": "Has no id"},
]  # fmt: skip


def python2(record):
    """A dictionary as Python 2 printed it: text in ASCII with a u before it."""
    pairs = (
        f"u{key!r}: u{value!a}" if isinstance(value, str) else f"u{key!r}: {value!a}"
        for key, value in record.items()
    )
    return "{" + ", ".join(pairs) + "}"


def write(folder, reviews=REVIEWS, games=GAMES, bad=()):
    lines = [*map(python2, reviews), *bad]
    with gzip.open(folder / "steam_reviews.json.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    with gzip.open(folder / "steam_games.json.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(map(python2, games)))
    return str(folder)


def test_from_files_to_cases(tmp_path):
    data = prepare_dataset(steam.read_steam(write(tmp_path)), SPEC)
    user = data.users.index("Chaos Syren")
    sequence = data.interactions.sequence(user)
    assert [data.catalog.ids[i] for i in sequence] == ["30", "20", "10"]
    rows = slice(data.interactions.offsets[user], data.interactions.offsets[user + 1])
    assert (data.interactions.timestamp[rows] // 10**9).tolist() == [
        FIRST,
        FIRST + DAY,
        FIRST + 2 * DAY,
    ]
    # Of five players of game 10 the one with the fewest hours is rated 1; alone with a game: 3.
    assert data.interactions.rating[rows].tolist() == [3, 4, 1]
    assert data.interactions.review[rows.stop - 1] == 'It\'s "fine"\nreally: ★'
    assert data.catalog.text("10") == "Lost Summoner Kitty"
    assert data.catalog.text("10", "genres") == "Action, Indie"
    assert data.catalog.text("10", "tags") == "Strategy, Café"
    assert data.catalog.text("10", "released") == "2018-01-04"
    assert data.catalog.text("20") == "Only App Name"
    assert data.catalog.text("20", "price") == "Free To Play"
    assert data.catalog.text("40") == 'Forty\'s "Quotes"'
    assert data.report["reviews_records"] == 10
    assert data.report["games_records"] == 6
    assert data.report["games_malformed"] == 1  # the one without an id
    assert data.report["games_repeated"] == 1
    assert data.report["without_title"] == 1  # game 99


def test_hours_are_compared_among_the_players_of_a_game(tmp_path):
    table = steam.read_steam(write(tmp_path)).interactions
    rating = {(user, item): r for user, item, _, r in table.rows()}
    assert [rating[user, "10"] for user in ("Chaos Syren", "e", "b", "d", "c")] == [1, 2, 3, 4, 5]
    table = steam.read_steam(str(tmp_path), rate_within="user").interactions
    rating = {(user, item): r for user, item, _, r in table.rows()}
    assert [rating["Chaos Syren", game] for game in ("10", "30", "20")] == [1, 3, 5]


def test_unknown_hours_are_counted_and_left_out_of_ratings_only(tmp_path):
    unknown = {k: v for k, v in review("f", "10", 1).items() if k != "hours"}
    folder = write(tmp_path, [*REVIEWS, unknown, review("f", "20", 1)])
    raw = steam.read_steam(folder)
    assert raw.funnel["reviews_without_hours"] == 1
    assert "f" in raw.interactions["user"].to_list()
    assert len(raw.interactions) == 11
    raw = steam.read_steam(folder, rate_within="none")
    assert len(raw.interactions) == 12
    assert "rating" not in raw.interactions.columns


def test_the_reviews_that_are_left_keep_their_texts(tmp_path):
    pairs = [("x", "20"), ("y", "20"), ("z", "30"), ("x", "10"), ("z", "10"), ("y", "30")]
    reviews = [review(user, game, 1, text=f"{user} on {game}") for user, game in pairs]
    folder = write(tmp_path)
    # Lines that are left out or cannot be read stand before those whose text is asked for.
    before = ["", "{'no", python2({**review("w", "40", 1), "hours": None})]
    lines = [*before, *map(python2, reviews), python2(review("v", "40", 1))]
    (tmp_path / "steam_reviews.json.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    data = prepare_dataset(steam.read_steam(folder), SPEC.model_copy(update={"k_core": 2}))
    got = {
        (data.users[u], data.catalog.ids[i], review)
        for u, i, review in zip(
            data.interactions.user, data.interactions.item, data.interactions.review, strict=True
        )
    }
    assert got == {(user, game, f"{user} on {game}") for user, game in pairs}


def test_characters_written_in_halves(tmp_path):
    line = python2(review("smile", "10", 1)).replace("'smile'", r"'\ud83d\ude00 \ud83d \d'")
    raw = steam.read_steam(write(tmp_path, bad=[line]))
    assert raw.interactions["user"].to_list()[-1] == "\U0001f600 \ufffd \\d"


def test_bad_lines_are_kept_aside_and_nothing_is_run(tmp_path):
    bad = [
        "{u'username': u'x', u'product_id'",
        "__import__('os').system('false')",
        "{u'username': __import__('os').getcwd()}",
        python2(review("x", "10", 1, "yesterday")),
        python2(review("x", "10", "many")),
        python2(review("", "10", 1)),
        "[1, 2]",
        "{'a': " * 5_000,
    ]
    raw = steam.read_steam(write(tmp_path, bad=bad))
    found = {line: reason for _, line, reason, _ in raw.malformed.rows() if line > 10}
    assert list(found) == list(range(11, 19))
    assert "neither a Python literal nor JSON" in found[11]
    assert found[12] == "neither a dictionary nor lines of `key: value`"
    assert "neither a Python literal nor JSON" in found[13]
    assert found[14] == "'date' cannot be 'yesterday'"
    assert found[15] == "'hours' cannot be 'many'"
    assert found[16] == "'username' is missing"
    assert raw.funnel["reviews_malformed"] == 8
    assert len(raw.interactions) == 10


def test_too_many_bad_lines_are_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"steam_reviews.json.gz: 11 of its first 21 lines are malformed"
    ):
        steam.read_steam(write(tmp_path, bad=["{"] * 11))


def test_missing_and_damaged_files(tmp_path):
    with pytest.raises(DataError, match=r"steam_games.json.gz: no such file") as caught:
        steam.read_steam(str(tmp_path))
    assert "benchkit data fetch steam" in caught.value.hint
    assert "--from DIR" in caught.value.hint
    write(tmp_path)
    path = tmp_path / "steam_reviews.json.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="the archive is damaged"):
        steam.read_steam(str(tmp_path))
    path.unlink()
    plain = tmp_path / "steam_reviews.json"
    plain.write_text("\n".join(map(python2, REVIEWS)))
    assert len(steam.read_steam(str(tmp_path)).interactions) == 10
    assert steam.steam_files(str(tmp_path), rate_within="user")[0] == plain
    plain.write_text("\n")
    with pytest.raises(DataError, match="it is empty"):
        steam.read_steam(str(tmp_path))
