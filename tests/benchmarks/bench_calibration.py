"""Do corrected intervals cover the truth where a judge is wrong? Simulated, so that it is known.

Four methods answer the same users. People grade 0 to 3; what they would say of all answers has a
known mean. The judge is wrong in one way each: it adds (`shift`), it avoids the ends
(`compression`), it is noisier on some methods than on others (`noise by method`), it likes some
methods more (`favourites`), all of these at once, or not at all (`exact`), or it says nothing
(`useless`). Labels are a random sample of each method's answers; in `weighted` designs answers with
rare grades of the judge are drawn more often, and in `users` each user has three answers a method.

Written are the coverage of 95 % intervals, corrected, of labels alone and of the judge alone
(naive), and how wide the corrected ones are beside those of labels alone; also how far the textbook
estimate is from that of ppi_py, where that is installed.

    python tests/benchmarks/bench_calibration.py --out leaderboards/benchmarks/calibration.json
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from scipy.stats import norm

from benchkit import seeds
from benchkit.stats.calibration.answer_group import AnswerGroup, make_group
from benchkit.stats.calibration.prediction_powered import (
    CalibratedEstimate,
    calibrate_contrast,
    calibrate_mean,
    calibrate_share,
)

JUDGES = ("shift", "compression", "noise by method", "favourites", "all", "exact", "useless")
DESIGNS = ("simple", "weighted", "users")
LEVELS = (-0.3, 0.0, 0.2, 0.5)  # of the four methods, in standard deviations of an answer
_BORDERS = (-1.0, 0.0, 1.0)  # between the grades 0, 1, 2 and 3
ANSWERS = 600
_CASES_OF_USER = 3


@dataclass(frozen=True)
class Setting:
    """What is simulated, and how often."""

    judge: str
    design: str
    labels: int
    """Labelled answers of a method."""
    answers: int = ANSWERS
    """Judged answers of a method."""
    simulations: int = 1000


def true_means() -> np.ndarray:
    """Return the mean of each method's grades, from the normal law behind them."""
    return np.array([sum(norm.sf(b - level, scale=_SPREAD) for b in _BORDERS) for level in LEVELS])


_SPREAD = float(np.sqrt(1 + 0.5**2 + 0.4**2))  # of an answer: its own, the user's, people's noise


def simulate_groups(setting: Setting, rng: np.random.Generator) -> list[AnswerGroup]:
    """Return the judged answers of the four methods, with labels on a sample."""
    cases = _CASES_OF_USER if setting.design == "users" else 1
    n_users = setting.answers // cases
    users = np.repeat(np.arange(n_users), cases)
    user_level = 0.5 * rng.normal(size=n_users)[users]
    groups = []
    for m, level in enumerate(LEVELS):
        quality = level + user_level + rng.normal(size=len(users))
        people = _grade(quality + 0.4 * rng.normal(size=len(users)))
        judge = _judge(setting.judge, m, quality, rng)
        chances = np.full(len(users), setting.labels / len(users))
        if setting.design == "weighted":
            chances = _even_chances(judge, setting.labels)
        labelled = _draw(chances, rng)
        groups.append(make_group(judge, np.where(labelled, people, np.nan), 1 / chances, users))
    return groups


def _grade(values: np.ndarray) -> np.ndarray:
    return np.searchsorted(_BORDERS, values).astype(np.float64)


def _judge(kind: str, method: int, quality: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    noise = 0.5 * rng.normal(size=len(quality))
    if kind == "exact":
        return _grade(quality)
    if kind == "useless":
        return _grade(2 * noise)
    if kind in ("shift", "all"):
        quality = quality + 0.6
    if kind in ("compression", "all"):
        quality = 0.5 * quality + 0.25
    if kind in ("noise by method", "all"):
        noise = noise * (1 + method)
    if kind in ("favourites", "all"):
        quality = quality + 0.3 * (method - 1)
    return _grade(quality + noise)


def _even_chances(judge: np.ndarray, n: int) -> np.ndarray:
    """Return inclusion probabilities with equal expected numbers of each grade, at most .9."""
    grades, place, sizes = np.unique(judge, return_inverse=True, return_counts=True)
    share = np.minimum(0.9, n / len(grades) / sizes)
    for _ in range(20):  # what a small grade lacks goes to the others
        free = share < 0.9
        lacking = n - share @ sizes
        if lacking < 1e-9 or not free.any():
            break
        share[free] = np.minimum(0.9, share[free] + lacking / free.sum() / sizes[free])
    return share[place]


def _draw(chances: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a sample of fixed size with these inclusion probabilities (systematic, random order)."""
    order = rng.permutation(len(chances))
    steps = np.floor(np.cumsum(chances[order]) + rng.random())
    drawn = np.zeros(len(chances), dtype=bool)
    drawn[order] = np.diff(steps, prepend=0) > 0
    return drawn


def measure_coverage(setting: Setting, seed: int = 0) -> dict[str, dict[str, float]]:
    """Return coverages and widths, of means, neighbours' differences and a rare grade."""
    rng = seeds.generator("calibration", seed, setting.judge, setting.design, setting.labels)
    truth = true_means()
    pairs = [(a, a - 1) for a in range(1, len(LEVELS))]
    results: dict[str, list[list[float]]] = {"means": [], "differences": [], "shares": []}
    for _ in range(setting.simulations):
        groups = simulate_groups(setting, rng)
        for group, mean in zip(groups, truth, strict=True):
            results["means"].append(_row(calibrate_mean(group), mean))
        for a, b in pairs:
            estimate = calibrate_contrast([groups[a], groups[b]], [1.0, -1.0])
            results["differences"].append(_row(estimate, truth[a] - truth[b]))
        people = groups[0].people[groups[0].labelled] == 3  # the rarest of all shares
        if 0 < people.mean() < 1:  # elsewhere reports have no share
            best = calibrate_share(groups[0].indicate(3, people.astype(np.float64)))
            results["shares"].append(_row(best, norm.sf(_BORDERS[-1] - LEVELS[0], scale=_SPREAD)))
    figures: dict[str, dict[str, float]] = {}
    for name, rows in results.items():
        table = np.array(rows)
        covered, alone, naive, ratio, gain, bias, naive_bias = table.T
        figures[name] = {
            "coverage": round(float(covered.mean()), 4),
            "coverage_labels_alone": round(float(alone.mean()), 4),
            "coverage_naive": round(float(naive.mean()), 4),
            "bias": round(float(bias.mean()), 4),
            "bias_naive": round(float(naive_bias.mean()), 4),
            "width_ratio_mean": round(float(ratio.mean()), 4),
            "width_ratio_max": round(float(ratio.max()), 4),
            "effective_labels_ratio": round(float(gain.mean()), 3),
        }
    return figures


def _row(estimate: CalibratedEstimate, truth: float) -> list[float]:
    covers = [
        float(part.low <= truth <= part.high)
        for part in (estimate.corrected, estimate.labels_alone, estimate.judge_alone)
    ]
    return [
        *covers,
        estimate.corrected.half_width / estimate.labels_alone.half_width,
        estimate.effective_labels / estimate.n_labels,
        estimate.corrected.value - truth,
        estimate.judge_alone.value - truth,
    ]


def compare_with_ppi_py(seed: int, data_sets: int = 200) -> dict[str, object] | None:
    """Return the largest difference from ppi_py's power-tuned mean and interval, if it is there."""
    try:
        from ppi_py import ppi_mean_ci, ppi_mean_pointestimate
    except ImportError:
        return None
    rng = seeds.generator("calibration", seed, "ppi_py")
    largest = 0.0
    for place in range(data_sets):
        setting = Setting(JUDGES[place % len(JUDGES)], "simple", 60)
        group = simulate_groups(setting, rng)[place % len(LEVELS)]
        at = group.labelled
        data = group.people[at], group.judge[at], group.judge[~at]
        theirs = [ppi_mean_pointestimate(*data), *ppi_mean_ci(*data, alpha=0.05)]
        ours = calibrate_mean(group, textbook=True).corrected
        for a, b in zip((ours.value, ours.low, ours.high), theirs, strict=True):
            largest = max(largest, abs(a - float(np.squeeze(b))))
    return {"version": version("ppi-python"), "data_sets": data_sets, "largest_difference": largest}


def settings(simulations: int) -> list[Setting]:
    """Return all kinds of judges with the simple design, and one of them with the others.

    The last two kinds, for which little can go wrong, have few labels alone.
    """
    simple = [(judge, "simple", n) for judge in JUDGES[:-2] for n in (60, 150)]
    simple += [(judge, "simple", 60) for judge in JUDGES[-2:]]
    others = [("all", design, n) for design in DESIGNS[1:] for n in (60, 150)]
    return [Setting(*key, simulations=simulations) for key in (*simple, *others)]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    began = time.process_time()
    rows = []
    for setting in settings(options.simulations):
        figures = measure_coverage(setting, options.seed)
        rows.append(
            {"judge": setting.judge, "design": setting.design, "labels": setting.labels, **figures}
        )
        for what, f in figures.items():
            print(
                f"{setting.judge:16} {setting.design:8} {setting.labels:4} {what:11}"
                f" corrected {f['coverage']:.3f} alone {f['coverage_labels_alone']:.3f}"
                f" naive {f['coverage_naive']:.3f} width {f['width_ratio_mean']:.3f}"
                f" (max {f['width_ratio_max']:.3f})",
                file=sys.stderr,
            )
    record = {
        "simulations": options.simulations,
        "methods": len(LEVELS),
        "answers": ANSWERS,
        "level": 0.95,
        "ppi_py": compare_with_ppi_py(options.seed),
        "seconds": round(time.process_time() - began, 1),
        "settings": rows,
    }
    if options.out:
        options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
