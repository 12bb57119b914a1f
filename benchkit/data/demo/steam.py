"""Demo data in the format of Steam as the McAuley lab publishes it: Python literals."""

from datetime import UTC, datetime

from benchkit.data.demo.base import DemoFormat
from benchkit.data.demo.file_contents import insert_lines, pack_lines
from benchkit.data.demo.world import PlantedItem, WorldShape, plant_world

# Suites with this format filter for 20 interactions a user.
_SHAPE = WorldShape(lengths=(25, 36), pause=(1.0, 8.0))


def generate_steam(users: int, folder: str, **_options: object) -> dict[str, bytes]:
    """Return reviews with the hours played, and games, some of which have no title."""
    world = plant_world("steam", users, _SHAPE)
    rng = world.generator("steam")
    reviews = []
    for event in world.events:
        record = {
            "username": f"player_{event.user}",
            "hours": event.amount,
            "products": 40,
            "product_id": str(10 + 10 * event.item),
            "page_order": 0,
            "date": datetime.fromtimestamp(event.time, UTC).strftime("%Y-%m-%d"),
            "text": event.reason,
            "early_access": False,
            "page": 1,
        }
        if rng.random() < 0.005:
            del record["hours"]  # then the rating is not known
        reviews.append(repr(record))
    malformed = [reviews[1][:50], "{'username': u'nobody'}"]
    games = [repr(_describe(number, item)) for number, item in enumerate(world.items)]
    return {
        **pack_lines(f"{folder}/steam_reviews.json.gz", insert_lines(reviews, malformed, rng)),
        **pack_lines(f"{folder}/steam_games.json.gz", insert_lines(games, [games[0][:30]], rng)),
    }


def _describe(number: int, item: PlantedItem) -> dict[str, object]:
    record: dict[str, object] = {
        "publisher": item.maker,
        "genres": [item.category],
        "app_name": item.title,
        "title": item.title,
        "release_date": f"{item.year}-05-01",
        "tags": [item.category, item.trait],
        "price": item.price if number % 5 else "Free To Play",
        "id": str(10 + 10 * number),
        "developer": item.maker,
    }
    if number % 9 == 0:
        del record["title"]  # the name of the app is left
        if item.is_rare:
            del record["app_name"]
    return record


STEAM = DemoFormat("steam", generate_steam, {"folder": "steam"})
