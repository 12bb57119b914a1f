"""Preference methods trained on files: rationales and triplets that `benchkit rationales` wrote."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from baselines.preference.c_apo import CAPO
from baselines.preference.dpo import DPO
from baselines.preference.rose_po import RosePO
from baselines.preference.s_dpo import SDPO
from baselines.sft.sft import SFT
from benchkit.cli.rationales import rationales_command
from benchkit.errors import DataError
from benchkit.lm.teachers.base import Rationale, TeacherQuestion
from benchkit.lm.teachers.questions import build_training_questions
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training.preference.examples import group_preferences
from benchkit.training.preference.preference_io import read_preferences, write_preferences
from tests.support.tiny_models import tiny_backbone

SUITE = """
title = "Toy"
[[datasets]]
name = "toy"
source = "toy"
options = { users = 40, items = 60, length = 8 }
candidates = { count = 20 }
[[methods]]
method = "random"
"""
TRAIN = {
    "epochs": 1, "batch_size": 8, "micro_batch": 4, "learning_rate": 1e-3, "max_length": 4000,
    "lora": None, "gradient_checkpointing": False,
}  # fmt: skip
TAUGHT = {"limit_users": 12, "candidates": 10, "validation_cases": 4}
SETTINGS = {
    **TAUGHT, "backbone": tiny_backbone(), "template": "compact", "rationale_tokens": 12,
    "train": TRAIN,
}  # fmt: skip
CAPO_TRAINED = {"calibrator": "frozen", "sft": TRAIN}


@pytest.fixture(scope="module")
def dataset():
    return toy_dataset(users=40, items=60, length=8)


@dataclass
class Notes:
    """A Progress that keeps what is noted."""

    said: list[str] = field(default_factory=list)

    def start(self, what, total=None):
        pass

    def advance(self, steps=1, note=""):
        self.said.append(note)


@pytest.fixture
def taught(tmp_path, monkeypatch):
    """Runs `benchkit rationales` in a folder of its own for twelve users; its output."""
    monkeypatch.chdir(tmp_path)
    Path("mine.toml").write_text(SUITE)
    app = typer.Typer()
    app.command()(rationales_command)

    def run(*arguments):
        told = ["--suite", "mine.toml", "--limit-users", 12, "--candidates", 10, *arguments]
        result = CliRunner().invoke(app, [str(part) for part in told])
        assert result.exit_code == 0, result.output
        return result.output

    return run


@pytest.fixture
def fitted(tmp_path, dataset):
    """Trains a method; returns its scores of three cases, what was noted, and its folder."""

    def fit(name, method, **more):
        folder, notes = tmp_path / name, Notes()
        folder.mkdir()
        run = replace(
            run_context(dataset.catalog, folder, cache=tmp_path / "cache"), progress=notes
        )
        recommender = method(method.Config.model_validate({**SETTINGS, **more}))
        recommender.fit(dataset.train_view(), run)
        asked = list(dataset.requests(dataset.test, 0, 3))
        return [a.scores for a in recommender.predict(asked, run)], " ".join(notes.said), folder

    return fit


def starts(tmp_path: Path) -> int:
    """How many fine-tunings there were."""
    return len(list((tmp_path / "cache" / "sft").glob("*/sft/trained.safetensors")))


LAST = "fine-tuning keeps its last weights"


def test_what_teach_writes_trains_a_method(tmp_path, taught, fitted):
    taught("--negatives", 2, "--out", "whole.jsonl", "--triplets", "t.jsonl")
    rows = [json.loads(line) for line in Path("whole.jsonl").read_text().splitlines()]
    assert sum(row["key"].startswith("valid:") for row in rows) == 40
    taught("--negatives", 2, "--validation-cases", 0, "--out", "bare.jsonl")
    assert len(Path("bare.jsonl").read_text().splitlines()) == 36

    files = {name: {"kind": "file", "path": name} for name in ("whole.jsonl", "bare.jsonl")}
    _, said, _ = fitted("whole", CAPO, **CAPO_TRAINED, teacher=files["whole.jsonl"])
    assert LAST not in said
    bare, said, _ = fitted("bare", CAPO, **CAPO_TRAINED, teacher=files["bare.jsonl"])
    assert "bare.jsonl has no rationale for any of 4 questions: " + LAST in said
    assert starts(tmp_path) == 2

    # The preferences are the same, and nobody explains the validation cases, either.
    given, said, _ = fitted("given", CAPO, **CAPO_TRAINED, preferences="t.jsonl")
    assert LAST in said
    np.testing.assert_allclose(given, bare, rtol=1e-5)  # a file of rationales has six digits
    assert starts(tmp_path) == 2
    _, said, _ = fitted(
        "both", CAPO, **CAPO_TRAINED, preferences="t.jsonl", teacher=files["whole.jsonl"]
    )
    assert LAST not in said


def test_the_remark_is_that_of_the_file(taught, tmp_path):
    taught("--negatives", 2, "--triplets", "t.jsonl")
    (told,) = CAPO(CAPO.Config(preferences="t.jsonl")).caveats[1:]
    assert told.startswith("preferences from the file t.jsonl: rationales from the offline")
    write_preferences(tmp_path / "u.jsonl", read_preferences(Path("t.jsonl")), "people's own")
    (told,) = SDPO(SDPO.Config(preferences="u.jsonl")).caveats[1:]
    assert told == "preferences from the file u.jsonl: people's own"
    assert SDPO().caveats[1:] == ()


@pytest.fixture
def tied(taught):
    """A file with five preferences of twelve whose rejected items have the same score."""
    taught("--negatives", 2, "--triplets", "t.jsonl")
    found = read_preferences(Path("t.jsonl"))
    for place, own in enumerate(found):
        scores = (3.0, 3.0) if place < 5 else (5.0, 2.0)
        pairs = zip(own.rejected, scores, strict=True)
        rejected = tuple(replace(choice, score=score) for choice, score in pairs)
        found[place] = replace(own, rejected=rejected)
    write_preferences(Path("tied.jsonl"), found)
    return found


def test_all_losses_can_train_on_the_same_preferences_and_start(tmp_path, tied, fitted):
    shared = {"preferences": "tied.jsonl", "rationale": True, "sft": TRAIN}
    kept = {}
    for name, method, more in (
        ("c-apo", CAPO, {"calibrator": "frozen"}),
        ("s-dpo", SDPO, {"ties": "drop"}),
        ("dpo", DPO, {"ties": "drop", "pairing": "one_random"}),
        ("all", SDPO, {}),
    ):
        *_, folder = fitted(name, method, **shared, **more)
        kept[name] = read_preferences(folder / "preferences.jsonl")
        counts = json.loads((folder / "preferences.json").read_text())
        assert (counts["asked"], counts["tied"]) == (12, 5)
    assert [own.key for own in kept["c-apo"]] == [own.key for own in tied[5:]]
    assert kept["s-dpo"] == kept["c-apo"]
    for pair, whole in zip(kept["dpo"], kept["c-apo"], strict=True):
        assert replace(whole, rejected=pair.rejected) == pair
        assert len(pair.rejected) == 1
        assert pair.rejected[0] in whole.rejected
    assert [own.key for own in kept["all"]] == [own.key for own in tied]
    assert starts(tmp_path) == 1


def test_fine_tuning_with_rationales_is_what_they_start_from(tmp_path, fitted):
    fitted("sft", SFT, train_rationale=True, infer_rationale=True)
    fitted("c-apo", CAPO, **CAPO_TRAINED)
    assert starts(tmp_path) == 1


def test_a_file_must_have_as_many_rejected_items_as_the_loss_needs(tmp_path, dataset, fitted):
    view = dataset.train_view()
    for negatives, name in ((1, "one"), (3, "three")):
        asked = build_training_questions(view, negatives=negatives, candidates=10, limit=4)
        write_preferences(tmp_path / f"{name}.jsonl", group_preferences(asked, _explained(asked)))
    scored = [
        replace(own, chosen=replace(own.chosen, score=5.0),
                rejected=tuple(replace(c, score=2.0) for c in own.rejected))
        for own in read_preferences(tmp_path / "one.jsonl")
    ]  # fmt: skip
    write_preferences(tmp_path / "one.jsonl", scored)
    with pytest.raises(DataError, match="has 1 rejected items, and CAPO needs 2"):
        fitted("c-apo", CAPO, **CAPO_TRAINED, preferences=str(tmp_path / "one.jsonl"))
    with pytest.raises(DataError, match="has 3 rejected items, and RosePO uses 1"):
        fitted("rose", RosePO, eps=0.1, preferences=str(tmp_path / "three.jsonl"))
    assert starts(tmp_path) == 0
    own = {"eps": 0.1, "pairing": "one_random", "sft": TRAIN}
    *_, folder = fitted("one", RosePO, **own, preferences=str(tmp_path / "three.jsonl"))
    assert len(read_preferences(folder / "preferences.jsonl")) == 4


def test_rationales_without_scores_train_what_does_not_rank(tmp_path, dataset, fitted):
    asked = build_training_questions(dataset.train_view(), negatives=2, candidates=10, limit=4)
    path = tmp_path / "unscored.jsonl"
    write_preferences(path, group_preferences(asked, _explained(asked)))
    shared = {"rationale": True, "sft": TRAIN, "preferences": str(path)}
    *_, folder = fitted("s-dpo", SDPO, **shared)
    assert len(read_preferences(folder / "preferences.jsonl")) == 4
    with pytest.raises(DataError, match="4 lack a rationale or a score"):
        fitted("dropped", SDPO, **shared, ties="drop")


def test_strangers_are_noted(tmp_path, dataset, fitted):
    asked = build_training_questions(dataset.train_view(), negatives=2, candidates=10, limit=4)
    first, *others = group_preferences(asked)
    path = tmp_path / "some.jsonl"
    write_preferences(path, [replace(first, key="a stranger"), *others])
    _, said, _ = fitted("s-dpo", SDPO, sft=TRAIN, preferences=str(path))
    assert "1 of 4 are of users who are not in these data: not checked" in said


def _explained(asked: list[TeacherQuestion]) -> list[Rationale]:
    return [Rationale(q.key, q.item, f"because of {q.item}", None) for q in asked]
