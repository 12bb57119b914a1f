"""Train RecTools' SASRec on the rows that `bench_sasrec.py` wrote, and score its cases.

RecTools 0.19 needs an older NumPy than benchkit, so this is run by a Python of its own and imports
nothing of benchkit: `rectools_sasrec.py ROWS.npz ANSWERS.npz SEED`. Weights are kept and training
stops by the rule of the others: NDCG@10 on the validation cases after each epoch. That check is not
counted as training, which favours RecTools: the others' is.
"""

import copy
import json
import sys
import time
import warnings
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch
from pytorch_lightning import Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel

# The sizes of benchkit's network; the rest is RecTools' default.
SETTINGS = {
    "n_factors": 64, "n_blocks": 2, "n_heads": 2, "session_max_len": 100, "dropout_rate": 0.2,
    "loss": "softmax", "lr": 0.001, "batch_size": 128,
}  # fmt: skip


@dataclass(frozen=True)
class Questions:
    """n cases: the rows of each history, and its candidates."""

    dataset: Dataset
    users: np.ndarray
    candidates: np.ndarray
    """[n, c] item codes."""
    target: np.ndarray
    """[n] column of the target."""


def make_trainer() -> Trainer:
    """Return a trainer that prints and writes nothing."""
    return Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip


def make_dataset(users: np.ndarray, items: np.ndarray) -> Dataset:
    """Return RecTools' dataset of interactions, in their order."""
    columns = {Columns.User: users, Columns.Item: items, Columns.Weight: 1.0}
    table = pd.DataFrame(columns)
    order = np.arange(len(table))
    table[Columns.Datetime] = np.datetime64("2000-01-01") + order.astype("timedelta64[s]")
    return Dataset.construct(table)


def read_questions(rows: dict[str, np.ndarray], name: str) -> Questions:
    """Return the cases `name` of the file."""
    bounds = list(zip(rows[f"{name}_start"], rows[f"{name}_stop"], strict=True))
    places = np.concatenate([np.arange(start, stop) for start, stop in bounds])
    return Questions(
        make_dataset(rows["user"][places], rows["item"][places]),
        rows[f"{name}_user"], rows[f"{name}_candidates"], rows[f"{name}_target"],
    )  # fmt: skip


def score(model: SASRecModel, questions: Questions, n_items: int) -> np.ndarray:
    """Return [n, c] scores of the candidates; -inf for items that training does not know."""
    table = model.recommend(
        np.unique(questions.users), questions.dataset, k=n_items, filter_viewed=False,
        add_rank_col=False,
    )  # fmt: skip
    scores = np.full((int(questions.users.max()) + 1, n_items), -np.inf)
    scores[table[Columns.User], table[Columns.Item]] = table[Columns.Score]
    return np.take_along_axis(scores[questions.users], questions.candidates, axis=1)


def mean_ndcg(scores: np.ndarray, target: np.ndarray, cutoff: int = 10) -> float:
    """Return the mean NDCG@cutoff of one relevant item a case; ties count against it."""
    own = np.take_along_axis(scores, target[:, None], axis=1)
    rank = (scores >= own).sum(axis=1)
    return float(np.where(rank <= cutoff, 1 / np.log2(rank + 1), 0.0).mean())


def main() -> None:
    rows = dict(np.load(sys.argv[1]))
    limits = json.loads(str(rows["limits"]))
    n_items = int(rows["n_items"])
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(int(sys.argv[3]))
    train = make_dataset(rows["user"][rows["train"]], rows["item"][rows["train"]])
    validation, test = read_questions(rows, "validation"), read_questions(rows, "test")
    model = SASRecModel(**SETTINGS, get_trainer_func=make_trainer, epochs=limits["epochs"])
    best, weights, stale, epochs, taken, processor = -1.0, None, 0, 0, 0.0, 0.0
    while epochs < limits["epochs"] and stale < limits["patience"]:
        start, start_processor = time.perf_counter(), time.process_time()
        model.fit_partial(train, min_epochs=1, max_epochs=1)
        taken += time.perf_counter() - start
        processor += time.process_time() - start_processor
        epochs, stale = epochs + 1, stale + 1
        ndcg = mean_ndcg(score(model, validation, n_items), validation.target)
        print(f"rectools: epoch {epochs}, {taken:.0f} s, ndcg@10 {ndcg:.3f}", file=sys.stderr)
        if ndcg > best:
            best, stale = ndcg, 0
            weights = copy.deepcopy(model.torch_model.state_dict())
    model.torch_model.load_state_dict(weights)
    start = time.perf_counter()
    scores = score(model, test, n_items)
    asked = time.perf_counter() - start
    config = {**SETTINGS, **limits, "version": version("rectools")}
    np.savez(
        sys.argv[2], scores=scores, config=json.dumps(config), epochs=epochs, train_seconds=taken,
        train_cpu_seconds=processor, predict_seconds=asked,
    )  # fmt: skip


if __name__ == "__main__":
    main()
