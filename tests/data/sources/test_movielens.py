"""MovieLens, in small files in the formats of GroupLens."""

import zipfile

import pytest

from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.sources import movielens
from benchkit.data.spec import DatasetSpec
from benchkit.errors import DataError

SPEC = DatasetSpec(name="ml", source="movielens", candidates={"count": 2})

RATINGS_DAT = (
    "1::1193::5::978300760\n1::661::3::978302109\n1::914::3::978301968\n"
    "2::661::4::9\n2::1194::1::3\n"
)
MOVIES_DAT = (
    "661::James and the Giant Peach (1996)::Animation|Children's|Musical\n"
    "914::Léon: The Professional :: Uncut (1994)::Crime\n"
    "1193::One Flew Over the Cuckoo's Nest (1975)::Drama\n"
    "1194::Unrated, The::Documentary\n"
)
CSV = {
    "ratings.csv": "userId,movieId,rating,timestamp\n1,1,4.0,964982703\n1,11,0.5,964981247\n"
    "2,1,3.5,1445714835\n2,7,5.0,1445714000\n",
    "movies.csv": "movieId,title,genres\n1,Toy Story (1995),Adventure|Animation\n"
    '7,"""Great Performances"" Cats (1998)",Musical\n'
    '11,"American President, The (1995)",(no genres listed)\n12,Fargo (2014-2017),\n',
    "tags.csv": "userId,movieId,tag,timestamp\n2,1,pixar,1445714994\n3,1,Pixar ,1445714996\n"
    '3,1,"fun, really",1445714992\n3,1,animated,1445714992\n4,7,"""camp""",1\n',
}


def write(folder, files, encoding="utf-8"):
    for name, text in files.items():
        (folder / name).write_bytes(text.encode(encoding))
    return str(folder)


def dat(folder, ratings=RATINGS_DAT, movies=MOVIES_DAT):
    return write(folder, {"ratings.dat": ratings, "movies.dat": movies}, "latin-1")


def test_1m(tmp_path):
    raw = movielens.read_movielens(dat(tmp_path))
    data = prepare_dataset(raw, SPEC)
    assert data.users == ("1", "2")
    assert [data.catalog.ids[i] for i in data.interactions.sequence(0)] == ["1193", "914", "661"]
    assert data.interactions.rating.tolist() == [5, 3, 3, 1, 4]
    assert data.interactions.timestamp[0] == 978300760 * 10**9
    assert data.catalog.text("914") == "Léon: The Professional :: Uncut (1994)"
    assert data.catalog.text("914", "year") == "1994"
    assert data.catalog.text("661", "genres") == "Animation, Children's, Musical"
    assert "tags" not in data.catalog.texts
    assert data.report["ratings_lines"] == 5
    assert data.report["movies_without_year"] == 1
    assert data.catalog.text("1194", "year") is None


def test_latest(tmp_path):
    raw = movielens.read_movielens(write(tmp_path, CSV))
    data = prepare_dataset(raw, SPEC)
    assert data.interactions.rating.tolist() == [0.5, 4.0, 5.0, 3.5]
    assert data.catalog.text("7") == '"Great Performances" Cats (1998)'
    assert data.catalog.text("11") == "American President, The (1995)"
    assert data.catalog.text("11", "genres") is None
    assert data.catalog.text("1", "tags") == "pixar, animated, fun, really"
    assert data.catalog.text("7", "tags") == '"camp"'
    assert data.catalog.text("11", "tags") is None
    assert data.report["tags_lines"] == 5
    years = dict(raw.items.select("item", "year").rows())
    assert years == {"1": "1995", "7": "1998", "11": "1995", "12": "2014"}


@pytest.mark.parametrize("inside", ["", "ml-1m/"])
def test_the_zip_says_the_same_as_the_folder(tmp_path, inside):
    folder = tmp_path / "ml-1m"
    folder.mkdir()
    raw = movielens.read_movielens(dat(folder))
    zipped = tmp_path / "ml-1m.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("__MACOSX/ml-1m/deeper/ratings.dat", b"not it")
        for name in ("ratings.dat", "movies.dat"):
            archive.write(folder / name, inside + name)
    assert (
        prepare_dataset(movielens.read_movielens(str(zipped)), SPEC).fingerprint
        == prepare_dataset(raw, SPEC).fingerprint
    )
    assert movielens.movielens_files(str(zipped)) == [zipped]
    assert folder / "ratings.dat" in movielens.movielens_files(str(folder))


def test_bad_lines_are_kept_aside(tmp_path):
    ratings = RATINGS_DAT + "3::661::great::9\n\n3::661::5\r\n3::661::5::12\r\n"
    raw = movielens.read_movielens(dat(tmp_path, ratings, MOVIES_DAT + "Toy Story\n"))
    assert raw.malformed.rows() == [
        ("ratings.dat", 6, "not UserID::MovieID::Rating::Timestamp", "3::661::great::9"),
        ("ratings.dat", 8, "not UserID::MovieID::Rating::Timestamp", "3::661::5"),
        ("movies.dat", 5, "not MovieID::Title::Genres", "Toy Story"),
    ]
    assert raw.funnel["ratings_lines"] == 8
    assert raw.funnel["ratings_malformed"] == 2
    assert raw.funnel["movies_malformed"] == 1
    assert raw.interactions.rows()[-1] == ("3", "661", 5.0, 12)


def test_what_is_not_movielens_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"ratings.dat or ratings.csv: no such file") as caught:
        movielens.read_movielens(str(tmp_path))
    assert "benchkit data fetch movielens" in caught.value.hint
    assert "--from DIR" in caught.value.hint
    with pytest.raises(DataError, match="no such file"):
        movielens.read_movielens(str(tmp_path / "ml-1m.zip"))
    (tmp_path / "ml-1m.zip").write_bytes(b"<html>")
    with pytest.raises(DataError, match="not a zip file"):
        movielens.read_movielens(str(tmp_path / "ml-1m.zip"))
    write(tmp_path, CSV)
    (tmp_path / "movies.csv").unlink()
    with pytest.raises(DataError, match=r"movies.csv: no such file"):
        movielens.read_movielens(str(tmp_path))
    write(tmp_path, CSV | {"ratings.csv": "user;item\n1;2\n"})
    with pytest.raises(DataError, match=r"ratings.csv, line 1: 'user;item' is not the header"):
        movielens.read_movielens(str(tmp_path))
    dat(tmp_path, ratings="1,2,3,4\n5,6,7,8\n")
    with pytest.raises(DataError, match="has both"):
        movielens.read_movielens(str(tmp_path))
    (tmp_path / "ratings.csv").unlink()
    with pytest.raises(DataError, match=r"ratings.dat: 2 of its first 2 lines are malformed"):
        movielens.read_movielens(str(tmp_path))
