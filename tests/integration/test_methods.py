"""Methods as their cards say, through the command line: transfer, ties, rewards, serendipity."""

import json
from collections import Counter

import polars as pl
import pytest

from benchkit.data.splits import base as splits
from benchkit.errors import ConfigError
from benchkit.testing.fixtures import toy_dataset
from tests.support.command_line import invoked
from tests.support.tiny_models import tiny_backbone

pytest.importorskip("peft")
pytest.importorskip("accelerate")

SUITE = """
title = "t"
protocols = {protocols}
metrics = {metrics}
seeds = [0]
[decoding]
n = 5
temperature = 0.7
constrained = true
[[datasets]]
name = "small"
source = "toy"
options = {{ users = 40, items = 40, length = 8 }}
candidates = {{ count = 10 }}
[[datasets]]
name = "other"
source = "table"
options = {{ interactions = "r.csv", items = "i.csv" }}
candidates = {{ count = 5 }}
{tasks}
{methods}
"""
TRANSFER = '[[tasks]]\nname = "moved"\ntrain = "small"\ntest = "other"\n'
TOY = '[[tasks]]\nname = "toys"\ntest = "small"\n'
SMALL = (
    'backbone = "{backbone}", template = "compact", limit_users = 12, candidates = 6,'
    " validation_cases = 4, rationale_tokens = 8, train = {{ {train} }}, sft = {{ {train} }}"
)
TRAIN = (
    "epochs = 1, batch_size = 4, micro_batch = 4, gradient_checkpointing = false, max_length = 4000"
)
REWARDS = "group = 2, answer_tokens = 12, share = 0.5"


def method_of(name, *settings):
    config = ", ".join([SMALL.format(backbone=tiny_backbone(), train=TRAIN), *settings])
    return f'[[methods]]\nmethod = "{name}"\nconfig = {{ {config} }}\n'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A shop whose items the generated dataset does not have."""
    monkeypatch.chdir(tmp_path)
    items = [f"w{code}" for code in range(14)]
    rows = ["user,item,rating,timestamp"]
    for user in range(6):
        rows += [
            f"p{user},{items[(3 * user + 2 * n) % 14]},{1 + n % 5},{100 + n}" for n in range(5)
        ]
    (tmp_path / "r.csv").write_text("\n".join(rows) + "\n")
    titles = [f"{item},Ware {item[1:]}" for item in items]
    (tmp_path / "i.csv").write_text("\n".join(["item,title", *titles]) + "\n")
    return tmp_path


def run_suite(folder, methods, tasks=TOY, protocols='["scored"]', metrics='["hr@1", "ndcg@5"]'):
    """Run a suite; return each method's folder."""
    text = SUITE.format(methods=methods, tasks=tasks, protocols=protocols, metrics=metrics)
    (folder / "s.toml").write_text(text)
    invoked("run", "--suite", "s.toml", "--leaderboards", "boards")
    found = {}
    for path in folder.glob("runs/s/*/*/*/manifest.json"):
        manifest = json.loads(path.read_text())
        assert manifest["status"] == "complete"
        found[manifest["label"]] = path.parent
    return found


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("s-dpo", ()),
        ("c-apo", ()),
        ("ea-s-dpo", ('expert = { name = "item-knn" }',)),
        ("rose-po", ('rejected = "similar"', 'expert = { name = "popularity" }')),
        ("sum-rec-dpo", ()),
        ("twice-rec", (REWARDS, "weight = 0.0")),
    ],
)
def test_a_transfer_task_is_trained_elsewhere_and_answered(folder, name, settings):
    method = method_of(name, *settings)
    (run,) = run_suite(folder, method, tasks=TRANSFER).values()
    predictions = pl.read_parquet(run / "predictions.parquet")
    assert len(predictions) == 6
    assert predictions["scores"].list.len().to_list() == [5] * 6
    assert predictions["scores"].explode().is_finite().all()


@pytest.mark.parametrize(("scores", "ties"), [("integer", True), ("continuous", False)])
def test_rejected_items_tie_by_whole_scores_alone(folder, scores, ties):
    teacher = f'teacher = {{ kind = "template", scores = "{scores}" }}'
    method = method_of("pl", teacher).replace("limit_users = 12", "limit_users = 40")
    (run,) = run_suite(folder, method).values()
    counts = json.loads((run / "artifacts" / "preferences.json").read_text())
    assert (counts["tied"] > 0) is ties
    assert counts["asked"] == counts["tied"] + counts["kept"]
    kept = [json.loads(line) for line in (run / "artifacts" / "preferences.jsonl").open()]
    values = [choice["score"] for p in kept for choice in (p["chosen"], *p["rejected"])]
    assert all(value == int(value) for value in values) is ties


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("twice-rec", ('format_reward = "lenient"',), "format_reward.*'paper' or 'strict'"),
        ("twice-rec", ("weight = -1",), "weight"),
        ("c-apo", ("calibrator_history = 0",), "calibrator_history"),
        ("c-apo", ('calibrator_history = "none"',), "calibrator_history"),
        ("c-apo", ('teacher = { kind = "template", scores = "float" }',), "scores"),
    ],
)
def test_unknown_readings_are_refused_with_the_known_ones(folder, name, settings, message):
    with pytest.raises(ConfigError, match=message):
        run_suite(folder, method_of(name, *settings))


def test_the_calibrator_may_read_the_whole_history(folder):
    short = method_of("c-apo").replace("[[methods]]", '[[methods]]\nlabel = "short"')
    whole = method_of("c-apo", 'calibrator_history = "all"').replace(
        "[[methods]]", '[[methods]]\nlabel = "whole"'
    )
    runs = run_suite(folder, short + whole)
    assert set(runs) == {"short", "whole"}
    assert len(list(folder.glob("runs/**/vectors-*.npy"))) == 3  # items, and two kinds of texts


def popular_items():
    """The fifth of the generated items that has the most training interactions."""
    dataset = toy_dataset(users=40, items=40, length=8)
    counts = Counter(dataset.interactions.item[dataset.part == splits.TRAIN].tolist())
    codes = sorted(range(len(dataset.catalog)), key=lambda code: (-counts[code], code))
    return {dataset.catalog.ids[code] for code in codes[: round(0.2 * len(codes))]}


def test_serendipity_of_sampled_answers_by_hand(folder):
    methods = '[[methods]]\nmethod = "random"\n' + method_of("sft").partition(", sft")[0] + " }\n"
    runs = run_suite(
        folder,
        methods,
        protocols='["scored", "sampled"]',
        metrics='["serendipity@5", "ndcg@5"]',
    )
    for run in runs.values():
        predictions = pl.read_parquet(run / "predictions.parquet")
        metrics = pl.read_parquet(run / "metrics.parquet").filter(
            metric="serendipity@5", protocol="sampled"
        )
        values = dict(metrics.select("case_id", "value").iter_rows())
        sizes = set()
        popular = popular_items()
        for row in predictions.iter_rows(named=True):
            named = {sample["item"] for sample in row["samples"]} - {None}
            expected = 1 / len(named) if row["target"] in named - popular else 0.0
            assert values[row["case_id"]] == pytest.approx(expected)
            sizes.add(len(named))
        assert len(sizes) > 1


def test_the_two_rubrics_differ_in_the_answers_that_were_not_taken(folder):
    method = method_of("rationale-sft").partition(", sft")[0] + " }\n"
    (run,) = run_suite(folder, method, protocols='["scored", "sampled"]').values()
    graded = {}
    for rubric in ("rationale-0-3", "rationale-0-3-vocabulary"):
        (folder / "judge.toml").write_text(f'rubric = "{rubric}"\n')
        invoked(
            "judge", "--suite", "s.toml", "--by", "heuristic", "--config", "judge.toml",
            "--label", rubric,
        )  # fmt: skip
        (path,) = run.glob(f"judgements/{rubric}-[0-9a-f]*.parquet")
        table = pl.read_parquet(path)
        ratings = [grades[0]["grade"] for grades in table["grades"]]
        graded[rubric] = dict(zip(table["case_id"], ratings, strict=True))
    taken = dict(zip(table["case_id"], table["item"] == table["target"], strict=True))
    assert not all(taken.values())
    for case, is_taken in taken.items():
        by_prompt, by_text = (graded[rubric][case] for rubric in graded)
        assert by_text >= 1  # constrained answers are all valid
        assert by_prompt == (by_text if is_taken else 0)
