"""How long scoring takes: all metrics of 100,000 users x 30 candidates, beside ranx.

Both in this process, one after the other, on one thread; look at the ratio.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.metrics.validity import Valid
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.evaluation.scoring import compute_metrics
from tests.support.metric_context import make_context

METRICS = ["hr@1", "hr@5", "hr@10", "ndcg@5", "ndcg@10", "mrr"]
RANX = ["hit_rate@1", "hit_rate@5", "hit_rate@10", "ndcg@5", "ndcg@10", "mrr"]


def seconds(function: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def with_ranx(scores: np.ndarray, target: np.ndarray) -> None:
    """The same metrics by ranx, from the same arrays."""
    import ranx

    names = [f"d{i}" for i in range(scores.shape[1])]
    qrels = ranx.Qrels({f"q{i}": {names[t]: 1} for i, t in enumerate(target)})
    run = ranx.Run(
        {f"q{i}": dict(zip(names, row.tolist(), strict=True)) for i, row in enumerate(scores)}
    )
    ranx.evaluate(qrels, run, RANX)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=100_000)
    parser.add_argument("--candidates", type=int, default=30)
    parser.add_argument("--no-ranx", action="store_true")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    scores = rng.random((options.users, options.candidates))
    target = rng.integers(0, options.candidates, options.users)
    metrics = [*(find_metric(name) for name in METRICS), Valid()]
    with threadpool_limits(1):
        # As the harness does it: ranks, per-case table, means, intervals and tests against chance.
        ours = seconds(
            lambda: compute_metrics(
                "scored", metrics, make_context(ranks_from_scores(scores, target), target, [1])
            )
        )
        figures = {"users": options.users, "benchkit_seconds": round(ours, 3)}
        if not options.no_ranx:
            with_ranx(scores[:50], target[:50])  # its compilation is not counted
            theirs = seconds(lambda: with_ranx(scores, target))
            figures |= {"ranx_seconds": round(theirs, 3), "ratio": round(theirs / ours, 1)}
    print(json.dumps(figures, indent=2))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
