"""SASRec beside RecBole's SASRec: training time and accuracy on MovieLens 100K.

Both in this process, one after the other, on one thread, from the same training rows. Both keep
the weights of the epoch with the best NDCG@10 on the same validation cases, and both are asked the
same 943 test cases of 30 candidates. Accuracies come with 95% bootstrap intervals over users; look
at the ratio of times. RecBole's is configured as in the catalogue, which trains it far faster than
its own defaults do (`--recbole-defaults`: an hour or more, for it trains on one row a prefix), and
both stop when `patience` epochs in a row have brought no better validation score.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from baselines.cf.recbole import RecBole
from baselines.cf.sasrec import SASRec
from benchkit import cards
from benchkit.data import sources
from benchkit.data.dataset import PreparedDataset
from benchkit.data.preparation.pipeline import prepare_dataset
from benchkit.data.spec import DatasetSpec
from benchkit.evaluation.lookup import find_metric
from benchkit.evaluation.ranks import ranks_from_scores
from benchkit.stats.bootstrap import mean_interval
from benchkit.types import Recommender, RunContext

METRICS = ("hr@1", "hr@5", "ndcg@5")


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
) -> Figures:
    """Train, ask the test cases, and score the answers."""
    method, progress = make(), Epochs(name)
    with tempfile.TemporaryDirectory() as scratch, one_thread():
        run = RunContext(seed, dataset.catalog, Path(scratch), progress, Path(scratch))
        start, processor = time.perf_counter(), time.process_time()
        method.fit(dataset.train_view(), run)
        trained, processor = time.perf_counter(), time.process_time() - processor
        answers = list(method.predict(list(dataset.requests(dataset.test)), run))
        asked = time.perf_counter()
    ranks = ranks_from_scores([answer.scores for answer in answers], dataset.test.target_position)
    values = {metric: find_metric(metric).values(ranks) for metric in METRICS}
    return Figures(
        name,
        method.config.model_dump(),
        round(trained - start, 2),
        round(processor, 2),
        progress.count,
        round(asked - trained, 2),
        {k: tuple(np.round((x.mean(), *mean_interval(x)), 4).tolist()) for k, x in values.items()},
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dataset", default="ml-100k", choices=["ml-100k", "toy"])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recbole-defaults", action="store_true", help="RecBole's own settings")
    parser.add_argument("--no-recbole", action="store_true", help="ours alone")
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
    measured = {}
    for name, make in makers.items():
        measured[name] = measure(name, make, dataset, options.seed)
        print(measured[name].line(), flush=True)

    figures: dict[str, object] = {name: asdict(own) for name, own in measured.items()}
    if "recbole" in measured:
        own, theirs = measured["benchkit"], measured["recbole"]
        ratio = theirs.train_seconds / own.train_seconds
        of_cpu = theirs.train_cpu_seconds / own.train_cpu_seconds
        figures |= {"time_ratio": round(ratio, 1), "cpu_time_ratio": round(of_cpu, 1)}
        print(f"RecBole's training takes {ratio:.1f} times as long ({of_cpu:.1f} times the CPU)")
    if options.out:
        options.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
