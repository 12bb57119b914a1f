"""Do probes see a judge's bias, and nothing where there is none? Simulated, so that it is known.

A judge with one bias of known size (`tests/support/planted_judge.py`) is probed by all probes, as
`benchkit judge --probe` does. Its bias moves the grades of a share of the users by one step or two,
up or down; its grades of other words are one step off for a share of the cases (noise). In `users`
designs each user has two cases. What is detected is what the report calls biased, after its
adjustment for all probes.

Sizes of samples follow from the effect that the probe states as detectable with 80 % power: from
pilot reports on 600 users, whose standard errors are scaled, comes the least number of users at
which that effect is the planted bias (`at_stated`), and the least at which the effect that the same
formula gives for a power of 97.5 % is (`enough`), where the planted bias is then 1.2 to 1.5 times
the stated one. At the first about 80 % ought to be detected, at the second 95 % or more.

False alarms are what is called biased and is not: of all tests of probes without a bias, and of the
reports of judges without any. Exit code 1: a rate is not what it ought to be.

    python tests/benchmarks/bench_probes.py --out leaderboards/benchmarks/probes.json
"""

import argparse
import json
import math
import platform
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
from scipy.stats import norm

from benchkit import seeds
from benchkit.judging.probes.probe import PROBES
from benchkit.judging.probes.probe_run import run_probes
from benchkit.judging.probes.probe_summary import BIASED, TOLERATED_SHARE, summarize_probes
from benchkit.judging.probes.self_preference import SELF_PREFERENCE, compare_own_methods
from benchkit.stats.bias_test import LEVEL, Effect
from benchkit.testing.fixtures import run_context
from tests.support.planted_judge import CATALOG, RUBRIC, Bias, PlantedJudge, make_planted_inputs

PILOT_USERS, PILOTS = 600, 4
MAX_USERS = 2500
QUIET, NOISY = 0.05, 0.5
METHODS = ("own", "other")
_PACKAGES = ("numpy", "polars", "scipy")


@dataclass(frozen=True)
class Cell:
    """What is simulated."""

    bias: Bias
    noise: float
    cases_of_user: int = 1
    users: int = 0
    """Fixed number of users, for judges without a bias."""


CELLS = (
    Cell(Bias("padded", 0.1), QUIET),
    Cell(Bias("padded", 0.25), QUIET),
    Cell(Bias("padded", 0.25), NOISY),
    Cell(Bias("padded", 0.5), NOISY),
    Cell(Bias("padded", 0.5), NOISY, cases_of_user=2),
    Cell(Bias("wordy", 0.25), NOISY),
    Cell(Bias("wordy", 0.3, -2), QUIET),
    Cell(Bias("first sentence", 0.25), NOISY),
    Cell(Bias("halved", 0.5), NOISY),
    Cell(Bias("history reversed", 0.25, -1), NOISY),
    Cell(Bias("history reversed", 0.6), NOISY),
    Cell(Bias("item first", 0.25), QUIET),
    Cell(Bias("item first", 0.5, -2), NOISY),
    Cell(Bias("injection", 0.1), QUIET),
    Cell(Bias("injection", 0.5), NOISY),
    Cell(Bias("injection", 0.25), QUIET, cases_of_user=2),
    Cell(Bias("parts reversed", 0.25, -1), NOISY),
    Cell(Bias("parts reversed", 0.5), QUIET),
    Cell(Bias("rubric reworded", 0.25), NOISY),
    Cell(Bias("rubric reworded", 0.5, -2), NOISY),
    Cell(Bias("asked again", 0.15), QUIET),
    Cell(Bias("asked again", 0.3), QUIET),
    Cell(Bias("asked again", 0.3), QUIET, cases_of_user=2),
    Cell(Bias(SELF_PREFERENCE, 0.25), NOISY),
    Cell(Bias(SELF_PREFERENCE, 0.5, -1), NOISY),
    Cell(Bias(SELF_PREFERENCE, 0.5), QUIET, cases_of_user=2),
    *(
        Cell(Bias(), noise, cases_of_user, users)
        for noise, cases_of_user in ((QUIET, 1), (NOISY, 1), (NOISY, 2))
        for users in (30, 100, 300)
    ),
    Cell(Bias("asked again", TOLERATED_SHARE), QUIET, users=100),  # as much as is tolerated
    Cell(Bias("asked again", TOLERATED_SHARE), QUIET, cases_of_user=2, users=100),
)


def simulate_report(cell: Cell, users: int, rng: np.random.Generator) -> pl.DataFrame:
    """Return the summary of all probes of one simulated judge."""
    inputs, probes = _prepare(users, cell.cases_of_user)
    judge = PlantedJudge(cell.bias, cell.noise, inputs, rng)
    table = run_probes(judge, inputs, _RUN, probes)
    compared = compare_own_methods(_simulate_grades(cell, judge, rng), "judge", {"judge": {"own"}})
    return summarize_probes(pl.concat([table, compared]))


_RUN = run_context(CATALOG)


@lru_cache(maxsize=8)
def _prepare(users: int, cases_of_user: int):
    """Return the inputs, and probes that have changed them already."""
    inputs = make_planted_inputs(users * cases_of_user, cases_of_user)
    probes = []
    for probe in PROBES:
        changed = probe.change(inputs, CATALOG, 0)
        probes.append(replace(probe, change=lambda *_, changed=changed: changed))
    return inputs, probes


def _simulate_grades(cell: Cell, judge: PlantedJudge, rng: np.random.Generator) -> pl.DataFrame:
    """Return the grades of two methods by the judge and one that is independent of both."""
    n = len(judge.quality)
    keys = list(judge.place)
    users = [f"u{i // cell.cases_of_user}" for i in range(n)]
    parts = []
    for method in METHODS:
        quality = rng.integers(3, 6, n)
        for name in ("judge", "independent"):
            grades = quality + judge._draw_noise(n)
            if (name, method, cell.bias.probe) == ("judge", "own", SELF_PREFERENCE):
                grades = grades + cell.bias.steps * judge.is_moved
            columns = {"case": keys, "user": users, "grade": grades.astype(float)}
            who = pl.lit(name).alias("judge"), pl.lit(method).alias("method")
            parts.append(pl.DataFrame(columns).with_columns(who))
    scale = {"criterion": RUBRIC.main.name, "step": 1.0, "span": 6.0, "rubric": RUBRIC.hash}
    return pl.concat(parts).with_columns(pl.lit(v).alias(name) for name, v in scale.items())


def choose_users(cell: Cell, seed: int) -> tuple[int, int]:
    """Return the numbers of users at which the bias is as stated, and is enough to be seen."""
    rng = seeds.generator("probe pilots", seed, *asdict(cell.bias).values(), cell.noise)
    pilots = []
    for _ in range(PILOTS):
        summary = simulate_report(cell, PILOT_USERS, rng)
        row = summary.row(by_predicate=pl.col("probe") == cell.bias.probe, named=True)
        pilots.append((row, summary["p"].drop_nulls().len()))
    return tuple(_least_users(cell, pilots, power) for power in (0.8, 0.975))  # type: ignore[return-value]


def _least_users(cell: Cell, pilots: Sequence[tuple[dict, int]], power: float) -> int:
    """Return the least number of users whose median detectable effect is the bias at most."""
    users = 8
    while users < MAX_USERS:
        stated = [_scale_effect(row, users, cell).detectable(LEVEL / m, power) for row, m in pilots]
        if np.median(stated) <= abs(cell.bias.size):
            return users
        users = max(users + 1, math.ceil(1.03 * users))
    raise ValueError(f"{cell} needs too many users")


def _scale_effect(row: dict, users: int, cell: Cell) -> Effect:
    """Return a pilot's effect as that of fewer users with the same spread."""
    share = users / PILOT_USERS
    se = (row["high"] - row["low"]) / (2 * norm.ppf(0.975))
    effect = Effect(
        users * cell.cases_of_user, users, row["effect"], row["low"], row["high"], row["p"],
        se / math.sqrt(share),
    )  # fmt: skip
    if cell.bias.probe != "asked again":
        return effect
    return replace(effect, tolerance=TOLERATED_SHARE, effective_n=float(users * cell.cases_of_user))


def measure_cell(cell: Cell, users: int, simulations: int, seed: int) -> dict[str, float]:
    """Return how often the bias was detected, and how often another probe was called biased."""
    rng = seeds.generator(
        "probes", seed, *asdict(cell.bias).values(), cell.noise, cell.cases_of_user, users
    )
    hits, stated, alarms, tests, reports = 0, [], 0, 0, 0
    for _ in range(simulations):
        summary = simulate_report(cell, users, rng)
        is_planted = pl.col("probe") == cell.bias.probe
        planted, others = summary.filter(is_planted), summary.filter(~is_planted)
        others = others.filter(pl.col("expected") != "fall")
        if cell.users:  # without a bias that is to be found
            others = summary.filter(pl.col("expected") != "fall")
        else:
            hits += planted["outcome"][0] == BIASED
            stated.append(planted["detectable"][0] or math.nan)
        wrong = others.filter(outcome=BIASED).height
        alarms, tests, reports = alarms + wrong, tests + others.height, reports + (wrong > 0)
    figures = {"users": users, "false_alarms_of_tests": round(alarms / tests, 4),
               "reports_with_false_alarm": round(reports / simulations, 4)}  # fmt: skip
    if stated:
        median = float(np.nanmedian(stated))
        figures |= {
            "detected": round(hits / simulations, 4),
            "stated_detectable": round(median, 4),
            "bias_over_stated": round(abs(cell.bias.size) / median, 3),
        }
    return figures


def measure_all(
    cells: Sequence[Cell], simulations: int, seed: int, jobs: int = 1
) -> tuple[list[dict[str, object]], list[str]]:
    """Return the table of all cells, and what in it is not as it ought to be.

    jobs: processes; what a cell draws does not depend on the others.
    """
    work = partial(_measure_row, simulations=simulations, seed=seed)
    if jobs == 1:
        rows = list(map(work, cells))
    else:
        # Polars has threads, which a forked process would lack.
        with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
            rows = list(pool.map(work, cells))
    return rows, find_faults(rows, simulations)


def _measure_row(cell: Cell, simulations: int, seed: int) -> dict[str, object]:
    row: dict[str, object] = {**asdict(cell), "size": cell.bias.size}
    if cell.users:
        row["fixed"] = measure_cell(cell, cell.users, simulations, seed)
    else:
        at_stated, enough = choose_users(cell, seed)
        row["at_stated"] = measure_cell(cell, at_stated, simulations, seed)
        row["enough"] = measure_cell(cell, enough, simulations, seed)
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def find_faults(rows: Sequence[dict], simulations: int) -> list[str]:
    """Return which rates are not what they ought to be, beyond three standard errors of 5 %."""
    slack = 3 * math.sqrt(0.05 * 0.95 / simulations)
    faults = []
    for row in rows:
        for place in ("at_stated", "enough", "fixed"):
            figures = row.get(place)
            if figures and figures["false_alarms_of_tests"] > 0.05:
                faults.append(f"{row}: false alarms")
            if figures and place == "fixed" and figures["reports_with_false_alarm"] > 0.05 + slack:
                faults.append(f"{row}: reports with false alarms")
        if "enough" in row and row["enough"]["detected"] < 0.95:
            faults.append(f"{row}: detection")
    return faults


def summarize(rows: Sequence[dict]) -> dict[str, object]:
    """Return the least and the largest rates over all cells."""
    planted = [row for row in rows if "enough" in row]
    clear = [row["fixed"] for row in rows if "fixed" in row]
    everywhere = [row[k] for row in rows for k in ("at_stated", "enough", "fixed") if k in row]

    def limits(values: Sequence[float]) -> list[float]:
        return [min(values), max(values)] if values else []

    return {
        "detected_at_stated": limits([row["at_stated"]["detected"] for row in planted]),
        "detected_enough": limits([row["enough"]["detected"] for row in planted]),
        "bias_over_stated_enough": limits([row["enough"]["bias_over_stated"] for row in planted]),
        "false_alarms_of_tests": limits([f["false_alarms_of_tests"] for f in everywhere]),
        "reports_with_false_alarm": limits([f["reports_with_false_alarm"] for f in clear]),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args(arguments)
    began = time.perf_counter()
    rows, faults = measure_all(CELLS, options.simulations, options.seed, options.jobs)
    record = {
        "simulations": options.simulations,
        "level": LEVEL,
        "stated_power": 0.8,
        "probes": [probe.name for probe in PROBES] + [SELF_PREFERENCE],
        "summary": summarize(rows),
        "faults": faults,
        "versions": {"python": platform.python_version()}
        | {name: version(name) for name in _PACKAGES},
        "seconds": round(time.perf_counter() - began, 1),
        "cells": rows,
    }
    print(json.dumps(record["summary"], indent=2))
    for fault in faults:
        print(fault, file=sys.stderr)
    if options.out:
        options.out.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return int(bool(faults))


if __name__ == "__main__":
    raise SystemExit(main())
