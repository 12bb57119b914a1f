"""Demo data in the format of BeerAdvocate as the McAuley lab publishes it: Python literals."""

from benchkit.data.demo.base import DemoFormat
from benchkit.data.demo.file_contents import insert_lines, pack_lines
from benchkit.data.demo.vocabulary import MAKERS
from benchkit.data.demo.world import WorldShape, plant_world

# Suites with this format filter for 20 interactions a user.
_SHAPE = WorldShape(lengths=(24, 36), pause=(0.0, 9.0))


def generate_beeradvocate(users: int, folder: str) -> dict[str, bytes]:
    """Return reviews, each with what is known of its beer; ratings are in halves."""
    world = plant_world("beeradvocate", users, _SHAPE)
    rng = world.generator("beeradvocate")
    reviews = []
    for event in world.events:
        item = world.items[event.item]
        rating = min(5.0, event.rating + 0.5 * int(rng.integers(2)))
        reviews.append(
            repr(
                {
                    "beer/name": item.title,
                    "beer/beerId": str(1000 + event.item),
                    "beer/brewerId": str(100 + MAKERS.index(item.maker)),
                    "beer/ABV": f"{4 + event.item % 40 / 10:.1f}",
                    "beer/style": item.category,
                    "review/appearance": str(rating),
                    "review/aroma": str(rating),
                    "review/palate": str(rating),
                    "review/taste": str(rating),
                    "review/overall": str(rating),
                    "review/time": str(event.time),
                    "review/profileName": f"taster{event.user}",
                    "review/text": event.reason,
                }
            )
        )
    malformed = [reviews[1][:50], "{'beer/name': 'No review'}"]
    lines = insert_lines(reviews, malformed, rng)
    return pack_lines(f"{folder}/beeradvocate.json.gz", lines)


BEERADVOCATE = DemoFormat("beeradvocate", generate_beeradvocate, {"folder": "beeradvocate"})
