"""Preparing what outgrows memory: peak memory, time, and whether it is the same dataset.

Reviews in the format of Amazon 2018, gzipped, are generated and prepared as `benchkit` does, each
time in a process of its own whose address space is limited. With `--compare` the same file is
prepared in memory too, without a limit, and every file of the two datasets must have the same
bytes.
"""

import argparse
import gzip
import hashlib
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.benchmarks.bench_prepare import WORDS, zipf

CORE = 5
BLOCK = 100_000  # reviews that are generated at once
USERS, ITEMS = 0.4, 0.05  # that there are, for each review
FILES = {"reviews": "Bench.json.gz", "meta": "meta_Bench.json.gz"}
_MULTIPLIER = 0x9E3779B97F4A7C15
_DAY = 86_400
_REVIEW = pl.concat_str(
    pl.lit('{"overall": '), "stars", pl.lit('.0, "verified": true, "reviewerID": "'), "user",
    pl.lit('", "asin": "'), "item", pl.lit('", '), "texts", pl.lit(', "unixReviewTime": '), "time",
    pl.lit("}"),
)  # fmt: skip
_META = pl.concat_str(
    pl.lit('{"asin": "'), "item", pl.lit('", "title": "Thing no. '), "rank",
    pl.lit('", "brand": "Acme"}'),
)  # fmt: skip


def generate(folder: Path, reviews: int, words: float, seed: int = 0) -> int:
    """Write reviews and metadata; return the bytes of the reviews, unpacked.

    words: of a review, the median.
    """
    rng = np.random.default_rng(seed)
    texts = pl.Series(_texts(words, seed))
    n_users, n_items = (max(2, int(reviews * share)) for share in (USERS, ITEMS))
    size = 0
    with gzip.open(folder / FILES["reviews"], "wb", compresslevel=1) as file:
        for start in range(0, reviews, BLOCK):
            count = min(BLOCK, reviews - start)
            table = pl.DataFrame(
                {
                    "stars": rng.choice([1, 2, 3, 4, 5], count, p=[0.1, 0.05, 0.08, 0.15, 0.62]),
                    "user": user_ids(zipf(rng, count, n_users, 0.7)),
                    "item": item_ids(zipf(rng, count, n_items, 0.85)),
                    "texts": texts.gather(rng.integers(0, len(texts), count)),
                    "time": rng.integers(10_000, 17_800, count) * _DAY,
                }
            )
            size += file.write(_lines(table.select(_REVIEW)))
    with gzip.open(folder / FILES["meta"], "wb", compresslevel=1) as file:
        for start in range(0, n_items, BLOCK):
            ranks = np.arange(start, min(start + BLOCK, n_items))
            table = pl.DataFrame({"item": item_ids(ranks), "rank": ranks})
            file.write(_lines(table.select(_META)))
    return size


def _lines(table: pl.DataFrame) -> bytes:
    return ("\n".join(table.to_series()) + "\n").encode()


def _texts(words: float, seed: int) -> list[str]:
    drawn, vocabulary = random.Random(seed), WORDS.split()
    lengths = np.random.default_rng(seed).lognormal(np.log(words), 1.0, 20_000)
    return [
        f'"reviewText": {json.dumps(" ".join(drawn.choices(vocabulary, k=1 + min(int(n), 700))))},'
        f' "summary": {json.dumps(" ".join(drawn.choices(vocabulary, k=drawn.randint(1, 5))))}'
        for n in lengths
    ]


def user_ids(ranks: np.ndarray) -> pl.Series:
    """Return ids of 14 characters."""
    return _ids("A", ranks, 43, 13)


def item_ids(ranks: np.ndarray) -> pl.Series:
    """Return ids of 10 characters."""
    return _ids("B", ranks, 29, 9)


def _ids(letter: str, ranks: np.ndarray, bits: int, digits: int) -> pl.Series:
    # An odd multiplier: ids look random, and each rank has one of its own.
    scattered = (ranks.astype(np.uint64) * np.uint64(_MULTIPLIER)) & np.uint64(2**bits - 1)
    return letter + pl.Series(scattered).cast(pl.String).str.zfill(digits)


def prepared(folder: Path, data: Path, reviews: bool, limit: int | None) -> dict[str, object]:
    """Prepare the generated files below `data`; with a limit of the address space, in bytes."""
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    from benchkit.data import out_of_core
    from benchkit.data.preparation import cache
    from benchkit.data.spec import DatasetSpec

    paths = {name: str(folder / file) for name, file in FILES.items()}
    spec = DatasetSpec(
        name="bench",
        source="amazon2018",
        options={**paths, "with_reviews": reviews},
        k_core=CORE,
        duplicates="first",
        untitled="drop",
    )
    start = time.perf_counter()
    dataset = cache.load_or_prepare(spec, data)
    seconds = time.perf_counter() - start
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "out_of_core": os.environ[out_of_core.OUT_OF_CORE],
        "seconds": round(seconds, 1),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 1),
        "peak_rss_gb": round(usage.ru_maxrss / 2**20, 2),  # Linux counts in KiB
        "peak_address_space_gb": round(_peak_address_space() / 2**20, 2),
        "users": len(dataset.users),
        "items": len(dataset.catalog),
        "interactions": len(dataset.interactions),
        "test_cases": len(dataset.test),
        "fingerprint": dataset.fingerprint,
    }


def _peak_address_space() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmPeak:"))


def hashes(data: Path) -> dict[str, str]:
    """Return the hash of each file of the datasets and answer keys below a folder."""
    return {
        str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(data.rglob("*"))
        if path.is_file() and not path.name.startswith(".")
    }


def in_child(folder: Path, way: str, reviews: bool, limit_gb: float | None) -> dict[str, object]:
    """Prepare in a process of its own, with data and keys in folders of the way's name."""
    data = folder / way
    shutil.rmtree(data, ignore_errors=True)
    command = [sys.executable, __file__, "--child", str(folder), "--data", str(data)]
    command += ["--with-reviews"] if reviews else []
    command += ["--limit-gb", str(limit_gb)] if limit_gb else []
    setting = "never" if way == "in_memory" else way
    keys = {"BENCHKIT_OUT_OF_CORE": setting, "BENCHKIT_KEYS": str(data / "keys")}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **keys})
    if done.returncode:
        return {"failed": done.returncode, "error": done.stderr[-600:]}
    return json.loads(done.stdout.splitlines()[-1])


def measured(options: argparse.Namespace, folder: Path) -> dict[str, object]:
    """Generate one file, unless it is there, and prepare it."""
    described = folder / "size.json"
    if not described.exists():
        start = time.perf_counter()
        size = generate(folder, options.reviews, options.words)
        seconds = round(time.perf_counter() - start, 1)
        described.write_text(json.dumps({"bytes": size, "seconds_to_generate": seconds}))
    figures: dict[str, object] = {
        "rows": options.reviews,
        "with_reviews": options.with_reviews,
        **json.loads(described.read_text()),
        "bytes_packed": (folder / FILES["reviews"]).stat().st_size,
        "limit_gb": options.limit_gb,
        "threads": int(os.environ.get("POLARS_MAX_THREADS", os.cpu_count() or 1)),
    }
    print(json.dumps(figures), file=sys.stderr, flush=True)
    figures["limited"] = in_child(folder, options.way, options.with_reviews, options.limit_gb)
    print(json.dumps(figures["limited"]), file=sys.stderr, flush=True)
    if options.compare:
        figures["in_memory"] = in_child(folder, "in_memory", options.with_reviews, None)
        one, other = hashes(folder / options.way), hashes(folder / "in_memory")
        assert one and one == other, "the two ways differ"
        figures["same_bytes"], figures["files_compared"] = True, len(one)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reviews", type=int, default=1_000_000)
    parser.add_argument("--words", type=float, default=12, help="of a review, the median")
    parser.add_argument("--with-reviews", action="store_true")
    parser.add_argument("--limit-gb", type=float)
    parser.add_argument("--way", choices=["auto", "always"], default="auto")
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--folder", type=Path, help="where the generated files go")
    parser.add_argument("--generated", type=Path, help="files that are there, and stay")
    parser.add_argument("--out", type=Path, help="add the figures to this JSON")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        limit = None if options.limit_gb is None else int(options.limit_gb * 2**30)
        figures = prepared(options.child, options.data, options.with_reviews, limit)
        print(json.dumps(figures))
        return
    if options.generated:
        figures = measured(options, options.generated)
    else:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            figures = measured(options, Path(folder))
    print(json.dumps(figures, indent=2))
    if options.out:
        known = json.loads(options.out.read_text()) if options.out.exists() else {}
        name = f"{options.reviews}{' with reviews' if options.with_reviews else ''}"
        options.out.write_text(json.dumps({**known, name: figures}, indent=2) + "\n")


if __name__ == "__main__":
    main()
