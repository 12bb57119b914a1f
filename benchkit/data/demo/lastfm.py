"""Demo data in the format of Last.fm 2K (HetRec 2011): who listened to whom, and tagged what."""

from datetime import UTC, datetime

from benchkit.data.demo.base import DemoFormat
from benchkit.data.demo.file_contents import insert_lines, pack_folder
from benchkit.data.demo.vocabulary import TRAITS
from benchkit.data.demo.world import WorldShape, plant_world

# Tags are dated to the month, so a month and more lies between two of a user's artists.
_SHAPE = WorldShape(lengths=(9, 16), pause=(31.0, 12.0))
_UNTAGGED = 0.2  # share of further artists that a user listened to and never tagged


def generate_lastfm(users: int, folder: str, **_options: object) -> dict[str, bytes]:
    """Return the four files that are read: listening counts, artists, tags and their dates."""
    world = plant_world("lastfm", users, _SHAPE)
    rng = world.generator("lastfm")
    tags = [*(name.casefold() for name in {i.category: None for i in world.items}), *TRAITS]
    listens: dict[int, list[tuple[float, int]]] = {}
    tag_lines = []
    for event in world.events:
        item = world.items[event.item]
        listens.setdefault(event.user, []).append((round(10 * event.amount), event.item))
        moment = datetime.fromtimestamp(event.time, UTC)
        month = moment.replace(day=1, hour=0, minute=0, second=0)
        for tag in (item.category.casefold(), item.trait):
            numbers = (event.user, event.item, tags.index(tag), int(month.timestamp()) * 1000)
            tag_lines.append("\t".join(map(str, numbers)))
    for user, artists in listens.items():
        known = {item for _, item in artists}
        for item in rng.integers(0, len(world.items), int(_UNTAGGED * len(artists))).tolist():
            if item not in known:
                artists.append((int(rng.integers(1, 40)), item))
                known.add(item)
        artists.sort(reverse=True)
        listens[user] = artists
    counts = [f"{user}\t{item}\t{n}" for user, row in listens.items() for n, item in row]
    artists_lines = [f"{n}\t{item.title}\t\t" for n, item in enumerate(world.items)]
    return pack_folder(
        folder,
        {
            "user_artists.dat": [
                "userID\tartistID\tweight", *insert_lines(counts, ["1\t2", "x"], rng)
            ],
            "user_taggedartists-timestamps.dat": [
                "userID\tartistID\ttagID\ttimestamp", *insert_lines(tag_lines, ["1\t2\t3"], rng)
            ],
            "artists.dat": ["id\tname\turl\tpictureURL", *artists_lines],
            "tags.dat": ["tagID\ttagValue", *(f"{n}\t{tag}" for n, tag in enumerate(tags))],
        },
    )  # fmt: skip


LASTFM = DemoFormat("lastfm", generate_lastfm, {"folder": "lastfm.zip"})
