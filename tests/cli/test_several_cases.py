"""Users with several cases, from files to tables, comparisons and plots: users are what counts."""

import csv
import json
import random
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

import benchkit as bk
from benchkit.report.comparison.paired_comparison import ComparisonRequest, compare_suite
from benchkit.report.core.case_users import read_case_users
from benchkit.report.core.collect import collect_results
from benchkit.runs.record_values import guess_users
from benchkit.runs.store import Run, Store
from benchkit.runs.validation import validate_path
from benchkit.stats.bootstrap import mean_interval
from benchkit.stats.clusters import find_clusters
from tests.support.command_line import said
from tests.support.sealing import age_store

RUNS = Path("runs")
LIKES = """
import numpy as np
from benchkit.types import Prediction, Sample


class LikesA:
    '''Ranks items called A... first.'''

    capabilities = frozenset({"scores"})

    def fit(self, data, run):
        self.noise = 0.0

    def predict(self, requests, run):
        for request in requests:
            rng = run.generator(request.case_id)
            noise = self.noise * rng.normal(size=len(request.candidates))
            scores = np.array([float(item.startswith("A")) for item in request.candidates])
            yield Prediction(request.case_id, (scores + noise).tolist())


class Wavers(LikesA):
    '''Changes with its seed.'''

    def fit(self, data, run):
        self.noise = 0.7


class Answers(LikesA):
    '''Is asked for texts: names an A of the candidates, the same one in every answer.'''

    capabilities = frozenset({"scores", "samples"})

    def fit(self, data, run):
        super().fit(data, run)
        self.titles = data.catalog.texts["title"]
        self.index = {item: code for code, item in enumerate(data.catalog.ids)}

    def sample(self, requests, run):
        for request in requests:
            liked = [item for item in request.candidates if item.startswith("A")]
            item = (liked or request.candidates)[0]
            sample = Sample(self.titles[self.index[item]], item, None, "ok")
            yield Prediction(request.case_id, None, (sample,) * int(run.decoding["n"]))


class LikesB(LikesA):
    '''Ranks them last.'''

    def predict(self, requests, run):
        for prediction in super().predict(requests, run):
            yield Prediction(prediction.case_id, [-score for score in prediction.scores])
"""


def write_shop(folder):
    """8 users with 30 events each. In the last 48 events users 0 to 3 take A's, 4 to 7 B's."""
    rng = random.Random(3)
    kinds = {kind: [f"{kind}{number:02}" for number in range(40)] for kind in "AB"}
    events, later = [], []
    for user in range(8):
        basket = [item for kind in "AB" for item in rng.sample(kinds[kind], 14)]
        rng.shuffle(basket)
        events += [(user, item) for item in basket[:24]]
        later.append([item for item in kinds["A" if user < 4 else "B"] if item not in basket[:24]])
    events += [(user, later[user][turn]) for turn in range(6) for user in range(8)]
    lines = [f"u{user},{item},{time}" for time, (user, item) in enumerate(events)]
    (folder / "events.csv").write_text("\n".join(["user,item,timestamp", *lines]) + "\n")
    titles = [f"{item},Thing {item}" for kind in kinds.values() for item in kind]
    (folder / "items.csv").write_text("\n".join(["item,title", *titles]) + "\n")
    (folder / "likes.py").write_text(LIKES)


def write_suite(folder, split="temporal", protocols="", buckets=""):
    text = f"""
title = "Shop"
metrics = ["ndcg@5", "hr@1"]
{protocols}
{buckets}
[[datasets]]
name = "shop"
source = "table"
options = {{ interactions = "events.csv", items = "items.csv" }}
split = "{split}"
candidates = {{ count = 5 }}
[[methods]]
method = "likes.py:LikesA"
[[methods]]
method = "likes.py:LikesB"
"""
    (folder / "shop.toml").write_text(text)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_shop(tmp_path)
    write_suite(tmp_path)
    return tmp_path


def run(*more):
    return said("run", "--suite", "shop.toml", *more)


def csv_lines():
    text = Path("leaderboards/shop/leaderboard.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def figures():
    return {(line["method"], line["metric"]): line for line in csv_lines()}


def test_tables_and_comparison_are_over_the_users(shop):
    text = run()
    assert "8 users with 24 cases" in text and "24 users" not in text
    assert "Users have several cases" in text
    row = figures()["LikesA", "ndcg@5"]
    assert (row["n"], row["users"]) == ("24", "8")
    shown = [round(float(row[name]), 3) for name in ("mean", "low", "high")]
    assert shown == [0.571, 0.475, 0.662]
    compared = said("compare", "--out", "runs")
    assert "8 users with 24 cases" in compared and "Users have several cases" in compared
    (line,) = json.loads(said("compare", "--out", "runs", "--format", "json"))["pairs"]
    assert (line["n"], line["users"]) == (24, 8)
    page = (shop / "leaderboards/shop/index.html").read_text()
    assert "8 users with 24 cases" in page and '"users":8' in page.replace(" ", "")
    plot = (shop / "leaderboards/shop/plots/metric-shop-scored.svg").read_text()
    assert "8 users with 24 cases" in plot
    markdown = (shop / "leaderboards/shop/table.md").read_text()
    assert "8 users with 24 cases" in markdown


@pytest.mark.parametrize("protocol", ["scored", "full", "sampled"])
def test_every_protocol_counts_users(shop, protocol):
    write_suite(shop, protocols='protocols = ["scored", "full", "sampled"]')
    text = run("--method", "likes.py:Answers,likes.py:LikesA")
    assert "8 users with 24 cases" in text
    lines = [line for line in csv_lines() if line["protocol"].startswith(protocol)]
    assert {(line["n"], line["users"]) for line in lines if line["metric"]} == {("24", "8")}
    for metric in ("ndcg@5", "hr@1"):
        (path,) = RUNS.glob("shop/shop/Answers/*/manifest.json")
        summary = json.loads(path.read_text())["summary"]
        line = next(s for s in summary if (s["protocol"], s["metric"]) == (protocol, metric))
        values = pl.read_parquet(path.parent / "metrics.parquet").filter(
            protocol=protocol, metric=metric
        )
        users = [case.partition("#")[0] for case in values["case_id"]]
        clusters = find_clusters(users)
        assert (line["n"], line["users"]) == (24, len(clusters)) == (24, 8)
        expected = mean_interval(values["value"].to_numpy(), clusters=clusters)
        assert (line["low"], line["high"]) == expected
        assert 0 < line["p_chance"] <= 1


def test_the_api_says_users_of_figures_and_of_cases(shop):
    run()
    results = bk.load_results("runs")
    (figure,) = results.to_polars().filter(method="LikesA", metric="ndcg@5").to_dicts()
    assert (figure["n"], figure["users"]) == (24, 8)
    cases = results.cases(method="LikesA")
    assert cases["user"].n_unique() == 8 and len(cases) == 24
    for path in list(RUNS.glob("shop/shop/*/*/manifest.json")):
        age(path.parent)
    assert bk.load_results("runs").cases(method="LikesA")["user"].equals(cases["user"])


def test_p_of_a_comparison_is_the_share_of_all_flips_by_user(shop):
    run()
    (line,) = json.loads(said("compare", "--out", "runs", "--format", "json"))["pairs"]
    a, b = read_values("LikesA"), read_values("LikesB")
    users = dict(zip(a["case_id"], a["user"], strict=True))
    sums = {}
    for case, x, y in zip(a["case_id"], a["value"], b["value"], strict=True):
        sums[users[case]] = sums.get(users[case], 0.0) + x - y
    assert len(sums) == 8
    flipped = [0.0]
    for value in sums.values():
        flipped = [total + sign * value for total in flipped for sign in (1, -1)]
    observed = abs(sum(sums.values()))
    exact = sum(abs(total) >= observed - 1e-9 for total in flipped) / len(flipped)
    assert abs(line["difference"]) == pytest.approx(observed / 24)
    assert line["p"] == pytest.approx(exact, abs=0.015)


def read_values(label):
    (folder,) = RUNS.glob(f"shop/shop/{label}/*/manifest.json")
    values = pl.read_parquet(folder.parent / "metrics.parquet").filter(metric="ndcg@5")
    answers = pl.read_parquet(folder.parent / "predictions.parquet").select("case_id", "user")
    return values.join(answers, on="case_id", how="left", maintain_order="left")


@pytest.mark.parametrize("label", ["LikesA", "LikesB"])
def test_records_name_the_user_of_each_case(shop, label):
    run()
    values = read_values(label)
    assert values["user"].n_unique() == 8
    assert guess_users(values["case_id"]) == values["user"].to_list()


def test_with_one_case_a_user_nothing_is_said_of_cases(shop):
    write_suite(shop, split="leave-one-out")
    text = run()
    assert "8 users" in text and "cases" not in text.replace("no such cases", "")
    row = figures()["LikesA", "ndcg@5"]
    values = read_values("LikesA")["value"].to_list()
    assert (float(row["low"]), float(row["high"])) == mean_interval(values)
    assert row["n"] == row["users"] == "8"
    assert "Users have several cases" not in said("compare", "--out", "runs")


def test_a_limit_takes_users_with_all_their_cases(shop):
    text = run("--limit-users", "3")
    assert "3 users with 9 cases" in text
    compared = said("compare", "--out", "runs", "--suite", "shop@3users")
    assert "3 users with 9 cases" in compared


def test_buckets_of_history_count_users(shop):
    write_suite(shop, buckets="history_buckets = [[1, 27], [28]]")
    run()
    lines = [line for line in csv_lines() if line["metric"] == "ndcg@5"]
    counts = {line["part"]: (line["n"], line["users"]) for line in lines}
    assert counts[""] == ("24", "8")
    assert set(counts.values()) > {("24", "8")}
    assert all(int(users) == 8 for _, users in counts.values())


def test_seeds_are_averaged_case_by_case_and_users_are_resampled(shop):
    run("--method", "likes.py:Wavers,likes.py:LikesA", "--seed", "0,1")
    results = collect_results(Store(RUNS), "shop")
    cell = next(r for r in results.tables[0].rows if r.label == "Wavers").cells["ndcg@5"]
    manifests = sorted(RUNS.glob("shop/shop/Wavers/*/metrics.parquet"))
    seeds = [pl.read_parquet(path).filter(metric="ndcg@5") for path in manifests]
    values = (seeds[0]["value"] + seeds[1]["value"]).to_numpy() / 2
    clusters = find_clusters(guess_users(seeds[0]["case_id"]))
    assert (cell.low, cell.high) == pytest.approx(mean_interval(values, clusters=clusters))
    assert (cell.n, cell.users) == (24, 8)


def test_three_seeds_are_crossed_with_users(shop):
    run("--method", "likes.py:Wavers,likes.py:LikesA", "--seed", "0,1,2")
    request = ComparisonRequest(methods=("Wavers", "LikesA"))
    (line,) = compare_suite(Store(RUNS), "shop", request).pairs
    assert line.seeds_matter and (line.n, line.users) == (24, 8)
    assert line.mcnemar is None


def age(folder):
    """Turn a run into one of schema 3, which had no checksums and did not name users."""
    age_store(RUNS)
    manifest = json.loads((folder / "manifest.json").read_text())
    for line in manifest["summary"]:
        line.pop("users", None)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    pl.read_parquet(folder / "predictions.parquet").drop("user").write_parquet(
        folder / "predictions.parquet"
    )


def test_older_records_get_intervals_over_users_and_say_so(shop):
    run()
    before = figures()["LikesA", "ndcg@5"]
    for path in list(RUNS.glob("shop/shop/*/*/manifest.json")):
        age(path.parent)
    text = said("report", "--suite", "shop", "--out", "runs")
    assert "took the cases of a user as independent" in " ".join(text.split())
    row = next(r for r in collect_results(Store(RUNS), "shop").tables[0].rows)
    cell = row.cells["ndcg@5"]
    assert (cell.low, cell.high) == (float(before["low"]), float(before["high"]))
    assert (cell.n, cell.users, cell.p) == (24, 8, None)
    assert "Recorded by an older benchkit without checksums" in " ".join(text.split())
    checks = list(validate_path(RUNS))
    assert all(check.ok for check in checks)
    assert sum("schema 3 has no checksums" in check.detail for check in checks) == 2


def test_older_records_with_one_case_a_user_are_as_they_were(shop):
    write_suite(shop, split="leave-one-out")
    run()
    before = collect_results(Store(RUNS), "shop")
    for path in list(RUNS.glob("shop/shop/*/*/manifest.json")):
        age(path.parent)
    after = collect_results(Store(RUNS), "shop")
    for old, new in zip(before.tables[0].rows, after.tables[0].rows, strict=True):
        assert old.caveats == new.caveats
        for name, cell in old.cells.items():
            other = new.cells[name]
            assert (cell.low, cell.high, cell.p, cell.users) == (
                other.low, other.high, other.p, other.users,
            )  # fmt: skip


def test_imported_answers_have_the_users_of_the_cases(shop):
    run()
    said("data", "cases", "--suite", "shop.toml", "--out", "cases.jsonl")
    lines = Path("cases.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [json.loads(line) for line in lines]
    rows = []
    for case in cases:
        scores = [float(item["item"].startswith("A")) for item in case["candidates"]]
        rows.append(json.dumps({"case_id": case["case_id"], "scores": scores}))
    Path("answers.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    cases_hash = json.loads(Path("cases.meta.json").read_text())["cases_hash"]
    said(
        "import", "--file", "answers.jsonl", "--suite", "shop.toml", "--label", "theirs",
        "--cases-hash", cases_hash,
    )  # fmt: skip
    table = collect_results(Store(RUNS), "shop").tables[0]
    ours, theirs = (next(r for r in table.rows if r.label == name) for name in ("LikesA", "theirs"))
    # p differs: Holm is over other rows for an external one.
    assert replace(theirs.cells["ndcg@5"], p=None) == replace(ours.cells["ndcg@5"], p=None)
    (path,) = RUNS.glob("shop/shop/theirs/*/predictions.parquet")
    assert set(read_case_users(Run(path.parent)).values()) == {f"u{user}" for user in range(8)}
