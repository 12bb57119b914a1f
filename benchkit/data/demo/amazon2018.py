"""Demo data in the format of Amazon Review Data 2018: the 5-core of a domain and its metadata."""

import json
from datetime import UTC, datetime
from pathlib import PurePosixPath

from benchkit.data.demo.base import DemoFormat
from benchkit.data.demo.file_contents import insert_lines, make_code, pack_lines
from benchkit.data.demo.world import PlantedItem, PlantedWorld, WorldShape, plant_world

# Suites with this format filter for 20 interactions a user.
_SHAPE = WorldShape(lengths=(24, 36), pause=(1.0, 8.0))
_SCRIPT = "var aPageStart = (new Date()).getTime();"
_DAY = 86_400


def generate_amazon2018(
    users: int, reviews: str, meta: str, **_options: object
) -> dict[str, bytes]:
    """Return a domain: reviews by the day, metadata with scripts for titles, malformed lines."""
    domain = PurePosixPath(reviews).name.partition(".")[0].removesuffix("_5")
    world = plant_world(f"amazon2018/{domain}", users, _SHAPE)
    rng = world.generator("amazon2018")
    lines = []
    for event in world.events:
        day = event.time // _DAY * _DAY
        first, _, rest = event.reason.partition(". ")
        lines.append(
            json.dumps(
                {
                    "overall": float(event.rating),
                    "verified": bool(rng.random() < 0.9),
                    "reviewTime": datetime.fromtimestamp(day, UTC).strftime("%m %d, %Y"),
                    "reviewerID": "A" + make_code(13, world.name, "user", event.user),
                    "asin": _asin(world, event.item),
                    "reviewerName": f"Customer {event.user}",
                    "reviewText": rest or first,
                    "summary": first.replace("&", "&amp;"),
                    "unixReviewTime": day,
                }
            )
        )
    malformed = [lines[1][:60], '{"overall": 5.0}']
    rows = [_describe(world, number, item) for number, item in enumerate(world.items)]
    return {
        **pack_lines(reviews, insert_lines(lines, malformed, rng)),
        **pack_lines(meta, insert_lines(rows, [rows[0], rows[0][:40]], rng)),
    }


def _asin(world: PlantedWorld, item: int) -> str:
    return "B00" + make_code(7, world.name, "item", item)


def _describe(world: PlantedWorld, number: int, item: PlantedItem) -> str:
    domain = world.name.partition("/")[2].replace("_", " ")
    is_junk = item.is_rare and number % 7 == 0
    return json.dumps(
        {
            "category": [domain, item.category],
            "description": [f"A {item.trait} choice for everybody who likes {item.category}."],
            "title": _SCRIPT if is_junk else item.title.replace("&", "&amp;"),
            "brand": item.maker,
            "feature": [f"{item.trait}", f"{item.noun}"],
            "rank": [],
            "price": f"${item.price:.2f}" if number % 3 else "",
            "asin": _asin(world, number),
        }
    )


AMAZON2018 = DemoFormat(
    "amazon2018",
    generate_amazon2018,
    {"reviews": "amazon2018/Demo_5.json.gz", "meta": "amazon2018/meta_Demo.json.gz"},
)
