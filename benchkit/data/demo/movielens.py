"""Demo data in the formats of MovieLens: `.dat` as 1M and 10M have it, else `.csv`."""

import re
from pathlib import PurePosixPath

from benchkit.data.demo.base import DemoFormat
from benchkit.data.demo.file_contents import insert_lines, pack_folder
from benchkit.data.demo.world import PlantedEvent, PlantedItem, WorldShape, plant_world

# MovieLens has users with 20 ratings or more only.
_SHAPE = WorldShape(lengths=(24, 36), pause=(0.0, 2.0), casual=0.0)


def generate_movielens(users: int, folder: str) -> dict[str, bytes]:
    """Return ratings, movies and tags of a release, which the name of `folder` says."""
    release = PurePosixPath(folder).stem
    world = plant_world(f"movielens/{release}", users, _SHAPE)
    rng = world.generator("movielens")
    tagged = [event for event in world.events if rng.random() < 0.2]
    movies = list(enumerate(world.items, start=1))
    if re.search(r"1m|10m", release.casefold()):
        ratings = [_rating("::", event) for event in world.events]
        files = {
            "ratings.dat": insert_lines(ratings, ["1::2::", "no rating"], rng),
            "movies.dat": [f"{n}::{_title(m)}::{m.category}" for n, m in movies],
        }
    else:
        ratings = [_rating(",", event, ".0") for event in world.events]
        files = {
            "ratings.csv": [
                "userId,movieId,rating,timestamp",
                *insert_lines(ratings, ["1,2,", "no rating"], rng),
            ],
            "movies.csv": [
                "movieId,title,genres",
                *(f"{n},{_quote(_title(m))},{m.category}" for n, m in movies),
            ],
            "tags.csv": [
                "userId,movieId,tag,timestamp",
                *(
                    f"{e.user + 1},{e.item + 1},{world.items[e.item].trait},{e.time}"
                    for e in tagged
                ),
            ],
        }
    return pack_folder(folder, files)


def _rating(between: str, event: PlantedEvent, decimals: str = "") -> str:
    numbers = (event.user + 1, event.item + 1, f"{event.rating}{decimals}", event.time)
    return between.join(map(str, numbers))


def _title(item: PlantedItem) -> str:
    return f"{item.title} ({item.year})"


def _quote(title: str) -> str:
    return f'"{title}"' if "," in title else title


MOVIELENS = DemoFormat("movielens", generate_movielens, {"folder": "movielens/demo.zip"})
