"""Last.fm of HetRec 2011, in small files in its format."""

import pytest

from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.sources import lastfm
from benchkit.data.spec import DatasetSpec
from benchkit.errors import ConfigError, DataError

SPEC = DatasetSpec(name="lastfm", source="lastfm", candidates={"count": 2})
APRIL, MAY, JUNE = 1238536800000, 1241128800000, 1243807200000

LISTENED = [(2, 51, 13883), (2, 52, 11690), (2, 53, 11351), (2, 54, 10), (3, 51, 7), (3, 55, 900)]
ARTISTS = [(51, "Duran Duran"), (52, "Björk"), (53, "Sigur Rós"), (54, "AC/DC"), (55, "Air")]
TAGS = [(1, "electrónica"), (13, "80s"), (14, "Pop")]
TAGGED = [
    (2, 52, 13, MAY),
    (2, 52, 14, APRIL),
    (2, 51, 13, JUNE),
    (2, 53, 1, -423360000000),
    (9, 51, 13, APRIL),
    (9, 51, 99, APRIL),
]


def write(folder, **changes):
    files = {
        "user_artists.dat": ("userID\tartistID\tweight", LISTENED),
        "artists.dat": (
            "id\tname\turl\tpictureURL",
            [(i, n, f"http://www.last.fm/music/{i}", "http://userserve-ak") for i, n in ARTISTS],
        ),
        "tags.dat": ("tagID\ttagValue", TAGS),
        "user_taggedartists-timestamps.dat": ("userID\tartistID\ttagID\ttimestamp", TAGGED),
    }
    for name, (header, rows) in files.items():
        lines = [header, *("\t".join(map(str, row)) for row in rows), *changes.get(name[:7], [])]
        text = "".join(f"{line}\r\n" for line in lines)
        # The artists are published in UTF-8, the tags in Latin-1.
        (folder / name).write_bytes(text.encode("latin-1" if name == "tags.dat" else "utf-8"))
    return str(folder)


def order(data, user):
    return [data.catalog.ids[i] for i in data.interactions.sequence(data.users.index(user))]


def test_untagged_listening_is_history_without_time(tmp_path):
    data = prepare_dataset(lastfm.read_lastfm(write(tmp_path)), SPEC)
    # 53 was tagged before the site existed and 54 never; 52 in April first, then 51 in June.
    assert order(data, "2") == ["53", "54", "52", "51"]
    assert data.interactions.timestamp.tolist()[:4] == [0, 0, APRIL * 10**6, JUNE * 10**6]
    assert order(data, "3") == ["51", "55"]
    assert data.interactions.rating is None
    assert data.report["without_time"] == 4
    assert data.report["users_without_time"] == 1
    assert data.report["tags_before_2002"] == 1
    assert data.report["tags_without_name"] == 1
    assert data.catalog.text("52") == "Björk"
    assert data.catalog.text("53", "tags") == "electrónica"
    assert data.catalog.text("52", "tags") == "80s, pop"
    assert data.catalog.text("54", "tags") is None


def test_untagged_listening_can_be_dropped(tmp_path):
    listened, tagged = ["9\t53\t1", "9\t51\t1"], [f"9\t53\t1\t{JUNE}"]
    folder = write(tmp_path, user_ar=listened, user_ta=tagged)
    data = prepare_dataset(lastfm.read_lastfm(folder, untimed="drop"), SPEC)
    assert data.users == ("2", "9")
    assert order(data, "2") == ["52", "51"]
    assert order(data, "9") == ["51", "53"]
    assert data.report["without_time"] == 4


def test_counts_become_ratings_when_asked(tmp_path):
    folder = write(tmp_path)
    by_user = lastfm.read_lastfm(folder, rate_within="user").interactions
    assert by_user["rating"].to_list() == [5, 4, 2, 1, 2, 4]
    by_artist = lastfm.read_lastfm(folder, rate_within="item").interactions
    assert by_artist["rating"].to_list() == [4, 3, 3, 3, 2, 3]


def test_bad_lines_are_kept_aside(tmp_path):
    raw = lastfm.read_lastfm(
        write(tmp_path, user_ar=["4\t51", "4\t51\tmany"], artists=["56\tNo Picture"])
    )
    assert raw.malformed.select("file", "line", "text").rows() == [
        ("user_artists.dat", 8, "4\t51"),
        ("user_artists.dat", 9, "4\t51\tmany"),
    ]
    assert raw.funnel["user_artists_malformed"] == 2
    assert raw.items["title"].to_list()[-1] == "No Picture"


def test_options_and_files_are_checked(tmp_path):
    write(tmp_path)
    with pytest.raises(ConfigError, match="untimed = 'last'"):
        lastfm.read_lastfm(str(tmp_path), untimed="last")
    with pytest.raises(ConfigError, match="rate_within"):
        lastfm.read_lastfm(str(tmp_path), rate_within="artist")
    assert {path.name for path in lastfm.lastfm_files(str(tmp_path), untimed="drop")} == {
        path.name for path in tmp_path.iterdir()
    }
    (tmp_path / "tags.dat").unlink()
    with pytest.raises(DataError, match=r"tags.dat: no such file") as caught:
        lastfm.read_lastfm(str(tmp_path))
    assert "benchkit data fetch lastfm" in caught.value.hint
