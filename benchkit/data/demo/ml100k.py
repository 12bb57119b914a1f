"""Demo data in the form in which RecBole ships MovieLens 100K: two tables with typed headers.

The real data are at hand with RecBole; generated ones stand in for them in a demo, so that all of a
demo is synthetic, small, and there without RecBole.
"""

from benchkit.data.demo.base import DemoFormat
from benchkit.data.demo.file_contents import pack_folder
from benchkit.data.demo.world import WorldShape, plant_world

# MovieLens has users with 20 ratings or more only.
_SHAPE = WorldShape(lengths=(24, 36), pause=(0.0, 2.0), casual=0.0)


def generate_ml100k(users: int, folder: str) -> dict[str, bytes]:
    """Return ratings and movies; their reader tolerates no malformed line, so there is none."""
    world = plant_world("ml-100k", users, _SHAPE)
    ratings = [
        f"{event.user + 1}\t{event.item + 1}\t{event.rating}\t{event.time}"
        for event in world.events
    ]
    movies = [
        f"{number}\t{item.title}\t{item.year}\t{item.category}"
        for number, item in enumerate(world.items, start=1)
    ]
    return pack_folder(
        folder,
        {
            "ml-100k.inter": [
                "user_id:token\titem_id:token\trating:float\ttimestamp:float", *ratings
            ],
            "ml-100k.item": [
                "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq",
                *movies,
            ],
        },
    )  # fmt: skip


ML100K = DemoFormat("ml-100k", generate_ml100k, {"folder": "ml-100k"})
