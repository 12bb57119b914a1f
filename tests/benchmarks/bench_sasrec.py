"""SASRec beside RecBole's and RecTools': training time and accuracy on MovieLens 100K.

One after the other, on one thread, from the same training rows. All keep the weights of the epoch
with the best NDCG@10 on the same validation cases, stop when `patience` epochs in a row brought
no better score, and are asked the same 943 test cases of 30 candidates. Accuracies come with 95%
bootstrap intervals over users; look at the ratio of times. RecBole's is configured as in the
catalogue, which trains it far faster than its own defaults do (`--recbole-defaults`: an hour or
more, for it trains on one row a prefix). RecTools' needs a Python of its own
(`--rectools-python`). `--family` adds our other networks, with the paired difference from SASRec.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from baselines.cf.recbole import RecBole
from baselines.cf.sasrec import SASRec
from benchkit import cards
from benchkit.data import sources
from benchkit.data.dataset import PreparedDataset
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.spec import DatasetSpec
from benchkit.data.splits.base import TRAIN
from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.stats.bootstrap import mean_interval
from benchkit.types import Recommender, RunContext

METRICS = ("hr@1", "hr@5", "ndcg@5")
PAIRED = "ndcg@5"
FAMILY = ("gsasrec", "esasrec", "hstu")


@dataclass
class Epochs:
    """A Progress that counts the epochs and shows each on stderr."""

    name: str
    count: int = 0
    began: float = field(default_factory=time.perf_counter)

    def start(self, what: str, total: int | None = None) -> None:
        pass

    def advance(self, steps: int = 1, note: str = "") -> None:
        self.count += steps
        elapsed = time.perf_counter() - self.began
        print(f"{self.name}: epoch {self.count}, {elapsed:.0f} s, {note}", file=sys.stderr)


@dataclass(frozen=True)
class Figures:
    """What was measured of one method. metrics: name -> mean, low, high.

    train_cpu_seconds: the time that the processor spent, which other work on the machine does not
    lengthen as it does the time on the clock.
    """

    method: str
    config: dict[str, object]
    train_seconds: float
    train_cpu_seconds: float
    epochs: int
    predict_seconds: float
    metrics: dict[str, tuple[float, float, float]]

    def line(self) -> str:
        shown = (f"{k} {m:.4f} [{lo:.4f}, {hi:.4f}]" for k, (m, lo, hi) in self.metrics.items())
        return f"{self.method}: {self.train_seconds:.1f} s, {self.epochs} epochs, " + ", ".join(
            shown
        )


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread for torch and for the linear algebra below it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)


def measure(
    name: str, make: Callable[[], Recommender], dataset: PreparedDataset, seed: int
) -> tuple[Figures, NDArray[np.float64]]:
    """Train, ask the test cases, and score the answers; return the values of each case too."""
    method, progress = make(), Epochs(name)
    with tempfile.TemporaryDirectory() as scratch, one_thread():
        run = RunContext(seed, dataset.catalog, Path(scratch), progress, Path(scratch))
        start, processor = time.perf_counter(), time.process_time()
        method.fit(dataset.train_view(), run)
        trained, processor = time.perf_counter(), time.process_time() - processor
        answers = list(method.predict(list(dataset.requests(dataset.test)), run))
        asked = time.perf_counter()
    scores = np.array([answer.scores for answer in answers])
    metrics, paired = score(scores, dataset)
    figures = Figures(
        name,
        method.config.model_dump(),
        round(trained - start, 2),
        round(processor, 2),
        progress.count,
        round(asked - trained, 2),
        metrics,
    )
    return figures, paired


def measure_rectools(
    python: str, dataset: PreparedDataset, seed: int
) -> tuple[Figures, NDArray[np.float64]]:
    """Let RecTools train and answer in a process of its own, and score the answers."""
    ours, rows = SASRec.Config(), dataset.interactions
    arrays = {
        "user": rows.user, "item": rows.item, "train": np.flatnonzero(dataset.part == TRAIN),
        "n_items": len(dataset.catalog),
        "limits": json.dumps({"epochs": ours.epochs, "patience": ours.patience}),
    }  # fmt: skip
    for name, cases in (("validation", dataset.valid), ("test", dataset.test)):
        columns = {
            "user": cases.user, "start": cases.start, "stop": cases.stop,
            "candidates": cases.candidates, "target": cases.target_position,
        }  # fmt: skip
        arrays |= {f"{name}_{column}": values for column, values in columns.items()}
    script = Path(__file__).with_name("rectools_sasrec.py")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    with tempfile.TemporaryDirectory() as folder:
        files = [str(Path(folder) / name) for name in ("rows.npz", "answers.npz")]
        np.savez(files[0], **arrays)
        subprocess.run(
            [python, str(script), *files, str(seed)],
            check=True, env={**environment, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        answers = dict(np.load(files[1]))
    metrics, paired = score(answers["scores"], dataset)
    seconds = (round(float(answers[f"{name}_seconds"]), 2) for name in ("train", "train_cpu"))
    figures = Figures(
        "rectools", json.loads(str(answers["config"])), *seconds, int(answers["epochs"]),
        round(float(answers["predict_seconds"]), 2), metrics,
    )  # fmt: skip
    return figures, paired


def score(
    scores: NDArray[np.float64], dataset: PreparedDataset
) -> tuple[dict[str, tuple[float, float, float]], NDArray[np.float64]]:
    """Return mean, low and high of each metric, and [n] values of the paired one."""
    ranks = ranks_from_scores(scores, dataset.test.target_position)
    values = {metric: find_metric(metric).values(ranks) for metric in METRICS}
    metrics = {
        k: tuple(np.round((x.mean(), *mean_interval(x)), 4).tolist()) for k, x in values.items()
    }
    return metrics, values[PAIRED]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="ml-100k", choices=["ml-100k", "toy"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recbole-defaults", action="store_true", help="RecBole's own settings")
    parser.add_argument("--no-recbole", action="store_true", help="ours alone")
    parser.add_argument("--rectools-python", help="of an environment with rectools[torch]==0.19")
    parser.add_argument("--family", action="store_true", help=f"also {', '.join(FAMILY)}")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    options = parser.parse_args()

    dataset = prepare_dataset(
        sources.read_source(options.dataset, {}),
        DatasetSpec(name=options.dataset, source=options.dataset),
    )
    ours = SASRec.Config()
    settings = (
        {"model": "SASRec"}
        if options.recbole_defaults
        else cards.find_card("recbole/SASRec").config
    )
    # The catalogue cuts RecBole's training short; here both stop by the same rule.
    settings = {**settings, "epochs": ours.epochs, "patience": ours.patience}
    makers: dict[str, Callable[[], Recommender]] = {
        "benchkit": SASRec,
        "recbole": lambda: RecBole(RecBole.Config.model_validate(settings)),
    }
    if options.no_recbole:
        del makers["recbole"]
    if options.family:
        for name in FAMILY:
            config = SASRec.Config.model_validate(cards.find_card(name).config)
            makers[name] = partial(SASRec, config)
    measured, values = {}, {}
    for name, make in makers.items():
        measured[name], values[name] = measure(name, make, dataset, options.seed)
        print(measured[name].line(), flush=True)
    if options.rectools_python:
        measured["rectools"], values["rectools"] = measure_rectools(
            options.rectools_python, dataset, options.seed
        )
        print(measured["rectools"].line(), flush=True)

    figures: dict[str, object] = {name: asdict(row) for name, row in measured.items()}
    for name in measured.keys() - {"benchkit"}:
        figures[f"{name} / benchkit"] = compare(measured, values, name)
    print(json.dumps({k: v for k, v in figures.items() if k not in measured}, indent=1))
    if options.out:
        options.out.write_text(json.dumps(figures, indent=1) + "\n")


def compare(
    measured: dict[str, Figures], values: dict[str, NDArray[np.float64]], name: str
) -> dict[str, object]:
    """Return ratios of times, and the paired difference of NDCG@5, ours minus the other's."""
    ours, other = measured["benchkit"], measured[name]
    difference = values["benchkit"] - values[name]
    low, high = mean_interval(difference)
    return {
        "time_ratio": round(other.train_seconds / ours.train_seconds, 1),
        "cpu_time_ratio": round(other.train_cpu_seconds / ours.train_cpu_seconds, 1),
        "ndcg@5 ours minus theirs": np.round((difference.mean(), low, high), 4).tolist(),
    }


if __name__ == "__main__":
    main()
