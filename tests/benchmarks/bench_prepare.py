"""How long preparing takes: raw Amazon-2023-like reviews to frozen cases on disk.

Beside it stands the usual plain-Python way: `json.loads` a line, dictionaries that count, repeated
until nothing changes, leave-one-out written as CSV; it draws no candidates. Each runs in a process
of its own on the same generated file; the counts they end with must agree.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

WORDS = """the of and to it is was for this my on with not very good great love product use would
that have but they color size fit nice well just bought one really like quality price works easy
perfect gift son daughter old new week month return box arrived broken cheap soft bright"""
CORE = 5


def zipf(rng: np.random.Generator, size: int, ranks: int, exponent: float) -> np.ndarray:
    """Ranks 0..ranks-1, drawn with probability about proportional to rank ** -exponent."""
    power = 1 - exponent
    rank = (1 + rng.random(size) * (ranks**power - 1)) ** (1 / power) - 1
    return rank.astype(np.int64)


def generate(path: Path, reviews: int, seed: int = 0) -> None:
    """A file of `reviews` reviews in the published format, 430 bytes each on average."""
    rng = np.random.default_rng(seed)
    words, drawn = WORDS.split(), random.Random(seed)
    lengths = np.minimum(np.exp(rng.normal(2.9, 1.0, 20_000)), 700).astype(int).tolist()
    texts = [json.dumps(" ".join(drawn.choices(words, k=1 + n)) + "<br />") for n in lengths]
    titles = [json.dumps(" ".join(drawn.choices(words, k=drawn.randint(1, 7)))) for _ in texts]
    with path.open("w") as file:
        for size in _chunks(reviews, 100_000):
            columns = (
                rng.choice([1, 2, 3, 4, 5], size, p=[0.1, 0.05, 0.08, 0.15, 0.62]),
                rng.integers(0, len(titles), size),
                rng.integers(0, len(texts), size),
                zipf(rng, size, reviews // 10, 0.85),
                zipf(rng, size, reviews, 0.7),
                rng.integers(1_300_000_000_000, 1_690_000_000_000, size),
            )
            rows = zip(*(column.tolist() for column in columns), strict=True)
            file.write("".join(_line(titles, texts, *row) for row in rows))
        file.flush()
        os.fsync(file.fileno())  # else it is still being written while the first way is measured


def _chunks(total: int, size: int) -> Iterator[int]:
    for start in range(0, total, size):
        yield min(size, total - start)


def _line(
    titles: list[str], texts: list[str], stars: int, title: int, text: int, item: int, user: int,
    time: int,
) -> str:  # fmt: skip
    # A multiplier without small factors: ids that look random, and each rank has one of its own.
    asin = f"B{item * 0x9E3779B1 % 2**36:09X}"
    name = f"AE{user * 0x9E3779B97F4A7C15F39CC0605 % 2**104:026X}"
    return (
        f'{{"rating": {stars}.0, "title": {titles[title]}, "text": {texts[text]}, "images": [], '
        f'"asin": "{asin}", "parent_asin": "{asin}", "user_id": "{name}", "timestamp": {time}, '
        '"helpful_vote": 0, "verified_purchase": true}\n'
    )


def ours(path: Path, with_reviews: bool) -> dict[str, object]:
    """Read, prepare and save as `benchkit` does."""
    from benchkit.data import sources
    from benchkit.data.preparation import cache, pipeline
    from benchkit.data.spec import DatasetSpec

    options = {"reviews": str(path), "titles": "id", "with_reviews": with_reviews}
    spec = DatasetSpec(
        name="bench", source="amazon2023", options=options, k_core=CORE, duplicates="first"
    )
    start = time.perf_counter()
    raw = sources.read_source(spec.source, spec.options)
    read = time.perf_counter()
    dataset = pipeline.prepare_dataset(raw, spec)
    built = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        cache.save_dataset(dataset, Path(folder) / "saved")
        saved = time.perf_counter()
    stages = {"read": read - start, "build": built - read, "save": saved - built}
    return {
        "seconds": saved - start,
        "stages": {name: round(seconds, 2) for name, seconds in stages.items()},
        "counts": [len(dataset.users), len(dataset.catalog), len(dataset.interactions)],
        "cases": [len(dataset.valid), len(dataset.test)],
    }


def plain(path: Path) -> dict[str, object]:
    """The same as public preprocessing scripts do it: tuples, dictionaries and sets of ids."""
    start = time.perf_counter()
    by_user = defaultdict(list)
    with path.open() as file:
        for line in file:
            r = json.loads(line)
            row = (r["user_id"], r["parent_asin"], float(r["rating"]), int(r["timestamp"]))
            by_user[row[0]].append(row)
    rows = []
    for own in by_user.values():
        own.sort(key=lambda row: row[3])
        had = set()
        for row in own:
            if row[1] not in had:
                had.add(row[1])
                rows.append(row)
    while True:
        per_user, per_item = defaultdict(int), defaultdict(int)
        for user, item, _, _ in rows:
            per_user[user] += 1
            per_item[item] += 1
        users = {user for user, count in per_user.items() if count >= CORE}
        items = {item for item, count in per_item.items() if count >= CORE}
        if len(users) == len(per_user) and len(items) == len(per_item):
            break
        rows = [row for row in rows if row[0] in users and row[1] in items]
    sequences = defaultdict(list)
    for row in rows:
        sequences[row[0]].append(row)
    parts = {"train": slice(None, -2), "valid": slice(-2, -1), "test": slice(-1, None)}
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        for name, part in parts.items():
            with (Path(folder) / f"{name}.csv").open("w") as file:
                for own in sequences.values():
                    for user, item, rating, when in own[part]:
                        file.write(f"{user},{item},{rating},{when}\n")
    return {
        "seconds": time.perf_counter() - start,
        "counts": [len(sequences), len(items), len(rows)],
        "cases": [len(sequences), len(sequences)],
    }


WAYS = {
    "benchkit": lambda path: ours(path, with_reviews=False),
    "benchkit_with_reviews": lambda path: ours(path, with_reviews=True),
    "plain_python": plain,
}


def measured(way: str, path: Path) -> dict[str, object]:
    """Run one of the ways in a process of its own; adds CPU seconds and peak memory."""
    command = [sys.executable, __file__, "--way", way, "--file", str(path)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(out)


def one(way: str, path: Path) -> dict[str, object]:
    """What a process of `measured` prints."""
    figures = WAYS[way](path)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return figures | {
        "seconds": round(figures["seconds"], 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_gb": round(usage.ru_maxrss / 2**20, 2),  # Linux counts in KiB
    }


def compared(path: Path, ways: list[str]) -> dict[str, object]:
    """Figures of one file; the ways must agree on what is left."""
    figures = {way: measured(way, path) for way in ways}
    ends = [(f["counts"], f["cases"]) for f in figures.values()]
    assert all(end == ends[0] for end in ends), ends
    result = {"bytes": path.stat().st_size, **figures}
    if "plain_python" in figures:
        for way in set(ways) - {"plain_python"}:
            ratio = figures["plain_python"]["seconds"] / figures[way]["seconds"]
            result[f"times_faster:{way}"] = round(ratio, 1)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reviews", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--folder", type=Path, help="where the generated file goes (400 B/review)")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(one(options.way, options.file)))
        return
    figures: dict[str, object] = {}
    for reviews in options.reviews:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            path = Path(folder) / "reviews.jsonl"
            generate(path, reviews)
            figures[str(reviews)] = compared(path, options.ways)
    sizes = sorted(options.reviews)
    for way in options.ways:
        seconds = [figures[str(size)][way]["seconds"] for size in sizes]
        figures[f"growth:{way}"] = [round(s / seconds[0], 1) for s in seconds]
    print(json.dumps(figures, indent=2))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
