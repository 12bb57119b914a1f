"""Demo data in the format of Amazon Reviews 2023: a domain's reviews and metadata as JSON lines."""

import json
from pathlib import PurePosixPath

from benchkit.data.demo.base import DemoFormat
from benchkit.data.demo.file_contents import insert_lines, make_code, pack_lines
from benchkit.data.demo.world import PlantedItem, PlantedWorld, plant_world

_N_REPEATED = 5  # reviews that stand in the file twice


def generate_amazon2023(
    users: int, reviews: str, meta: str | None = None, **_options: object
) -> dict[str, bytes]:
    """Return a domain: products with variants, reviews, malformed and repeated lines.

    A few products have no title, or no metadata at all.
    """
    domain = PurePosixPath(reviews).name.partition(".")[0]
    world = plant_world(f"amazon2023/{domain}", users)
    rng = world.generator("amazon2023")
    lines = [
        json.dumps(
            {
                "rating": float(event.rating),
                "title": f"{'Five' if event.rating == 5 else event.rating} stars",
                "text": event.reason.replace(". ", ".<br />", 1),
                "images": [],
                "asin": _asin(world, event.item, int(rng.integers(3))),
                "parent_asin": _asin(world, event.item),
                "user_id": "A" + make_code(27, world.name, "user", event.user),
                "timestamp": event.time * 1000 + 137,
                "helpful_vote": int(rng.poisson(0.3)),
                "verified_purchase": bool(rng.random() < 0.9),
            }
        )
        for event in world.events
    ]
    # In the file they stand anyhow, but those of one moment in their order.
    order = sorted(range(len(lines)), key=lambda row: (world.events[row].time, row))
    lines = [lines[row] for row in order]
    repeated = [lines[int(row)] for row in rng.integers(0, len(lines), _N_REPEATED)]
    malformed = [lines[1][:60], "", '{"rating": 5.0, "user_id": null}']
    files = pack_lines(reviews, insert_lines(lines, [*repeated, *malformed], rng))
    if meta is not None:
        rows = [
            _describe(world, number, item)
            for number, item in enumerate(world.items)
            if not (item.is_rare and number % 7 == 0)
        ]
        files |= pack_lines(meta, insert_lines(rows, [rows[0][:40]], rng))
    return files


def _asin(world: PlantedWorld, item: int, variant: int = 0) -> str:
    """Return the id of a product, or of a variant of it."""
    return "B0" + make_code(8, world.name, "item", item, variant)


def _describe(world: PlantedWorld, number: int, item: PlantedItem) -> str:
    domain = world.name.partition("/")[2].replace("_", " ")
    return json.dumps(
        {
            "main_category": domain,
            "title": "" if item.is_rare and number % 7 == 1 else item.title,
            "average_rating": 4.1,
            "rating_number": 1 + number,
            "features": [f"A {item.trait} {item.noun.lower()}", f"By {item.maker}"],
            "description": [f"For everybody who likes {item.category.lower()}."],
            "price": item.price if number % 3 else None,
            "images": [],
            "store": item.maker,
            "categories": [domain, item.category],
            "details": {"Brand": item.maker, "Style": item.trait},
            "parent_asin": _asin(world, number),
            "bought_together": None,
        }
    )


AMAZON2023 = DemoFormat(
    "amazon2023",
    generate_amazon2023,
    {"reviews": "amazon2023/Demo.jsonl.gz", "meta": "amazon2023/meta_Demo.jsonl.gz"},
)
