"""Settings that let a method that learns from rewards train on the toy dataset in seconds."""

from benchkit.testing.fixtures import run_context, toy_dataset
from tests.support.tiny_models import tiny_backbone

TRAIN = {"epochs": 1, "batch_size": 4, "micro_batch": 2, "gradient_checkpointing": False}
EXPERT = {"name": "sasrec", "config": {"epochs": 1, "hidden": 8, "heads": 1, "loss": "bce"}}


def settings(**more):
    return {
        "backbone": tiny_backbone(), "template": "compact", "limit_users": 8, "candidates": 5,
        "validation_cases": 4, "train": TRAIN, "sft": TRAIN, "rationale_tokens": 12, "group": 2,
        "answer_tokens": 20, **more,
    }  # fmt: skip


def toy_run(folder):
    """Return the toy dataset and a run whose scratch is `folder / "scratch"`."""
    dataset = toy_dataset(users=60, items=60, length=8)
    (folder / "scratch").mkdir()
    return dataset, run_context(dataset.catalog, folder / "scratch", cache=folder / "cache")
