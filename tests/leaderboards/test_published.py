"""The transcribed results of the published papers: complete, unique and plausible."""

import csv
import math
import re
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "leaderboards" / "published"
HEADER = ["paper", "table", "domain", "method", "group", "metric", "value", "variant", "note"]
RANKING = ("hr@1", "hr@5", "ndcg@5")

COUNTS = {
    "c-apo": {
        "abstract": 1,
        "section1": 1,
        "table1": 25,
        "table2": 300,
        "section4.3": 7,
        "section4.4": 2,
        "figure4": 3,
        "section4.6": 14,
        "table3": 20,
        "section4.7": 4,
        "sectionD": 6,
        "table5": 12,
        "sectionF": 6,
        "sectionG": 2,
        "table6": 54,
        "table7": 18,
    },
    "twice-rec": {
        "abstract": 1,
        "rq1": 8,
        "table1": 456,
        "rq2": 2,
        "figure4": 2,
        "table2": 12,
    },
    "recpo": {"table1": 72, "section6.2": 2, "table2": 12, "section6.3": 2, "table3": 12},
    "eapo": {
        "section1": 1,
        "table1": 90,
        "section4.2": 3,
        "table2": 27,
        "section4.3": 1,
        "sectionC.2": 8,
        "table3": 27,
        "table4": 9,
        "sectionC.3": 2,
    },
    "rationale-integration": {
        "section3": 6,
        "table1": 60,
        "section4.1": 2,
        "figure1": 2,
        "section4.3": 2,
    },
}

# The unit is the part of the note before the first semicolon.
RANGES = {
    "percent": (0.0, 100.0),
    "percentage_points": (-100.0, 100.0),
    "ratio": (0.0, 1.0),
    "probability": (0.0, 1.0),
    "coefficient": (-1.0, 1.0),
    "grade_0_3": (0.0, 3.0),
    "factor": (1.0, 10.0),
    "count": (1.0, math.inf),
    "thousands": (0.0, math.inf),
    "interactions": (1.0, math.inf),
    "parts": (1.0, 10.0),
    "milliseconds_per_call": (1.0, math.inf),
    "z_score": (-math.inf, math.inf),
}

# Printed so by the paper: HR@1 above HR@5.
HR_ORDER_EXCEPTIONS = {("eapo", "table1", "pet-supplies", "GRU4Rec", "")}

# Printed so by the paper: NDCG@5 below HR@1 or above HR@5.
NDCG_EXCEPTIONS = {
    ("eapo", "table1", "pet-supplies", "GRU4Rec", ""),  # 0.0793 below both
    ("eapo", "table1", "books", "Caser", ""),  # 0.1069 < HR@1 0.1347
    ("eapo", "table1", "movies-and-tv", "TALLRec", ""),  # 0.2726 > HR@5 0.2643
    ("eapo", "table1", "pet-supplies", "TALLRec", ""),  # 0.2712 > HR@5 0.2519
}

# One relevant item: a hit at rank 2..5 adds between 1/log2(6) and 1/log2(3) to NDCG@5. Printed
# figures outside these bounds (after rounding), over and above the exceptions before.
NDCG_BOUND_EXCEPTIONS = NDCG_EXCEPTIONS | {
    ("c-apo", "table2", "fashion", "RecLM", ""),  # 6.62, at least 7.37
    ("c-apo", "table2", "scientific", "RecLM", ""),  # 5.96, at most 5.45
    ("c-apo", "table2", "clothing", "RecLM", ""),  # 5.51, at most 5.30
    ("c-apo", "table2", "health", "RecLM", ""),  # 5.13, at most 4.49
    ("c-apo", "table2", "health", "LLMEmb", ""),  # 6.39, at most 5.70
    ("twice-rec", "table1", "clothing", "SINE", ""),  # 8.43, at least 9.88
    ("eapo", "table1", "movies-and-tv", "Caser", ""),  # 0.0406, at least 0.0666
    ("eapo", "table1", "pet-supplies", "Caser", ""),  # 0.0423, at least 0.0737
    ("eapo", "table1", "movies-and-tv", "Qwen 2.5", ""),  # 0.0862, at most 0.0852
    ("eapo", "table1", "books", "Qwen 2.5", ""),  # 0.0914, at most 0.0847
    ("eapo", "table1", "pet-supplies", "Qwen 2.5", ""),  # 0.1062, at most 0.1002
    ("eapo", "table1", "movies-and-tv", "ChatRec", ""),  # 0.3056, at least 0.3102
    ("eapo", "table1", "books", "ChatRec", ""),  # 0.2252, at least 0.2263
    ("eapo", "table1", "books", "TALLRec", ""),  # 0.5322, at most 0.5113
    ("eapo", "table1", "pet-supplies", "LLaRA", ""),  # 0.2122, at most 0.2090
    ("eapo", "table2", "movies-and-tv", "CPO", ""),  # 0.5091, at least 0.5116
    ("eapo", "table3", "movies-and-tv", "ChatRec", "conventional"),  # as in table1
    ("eapo", "table3", "movies-and-tv", "ChatRec", "user cold-start"),  # 0.3005, at least 0.3042
    ("eapo", "table4", "last-fm", "EAPO", ""),  # 0.7436, at least 0.7543
}

# Read off the papers by eye: (table, domain, method, metric, variant) -> value.
CELLS = {
    "c-apo": {
        ("table1", "clothing", "-", "items", ""): "107353",
        ("table2", "fashion", "SASRec", "hr@1", ""): "3.47",
        ("table2", "scientific", "SLMRec", "hr@5", ""): "24.66",
        ("table2", "fashion", "SumRec_DPO", "ndcg@5", ""): "18.55",
        ("table2", "health", "C-APO", "ndcg@5", ""): "11.73",
        ("section4.3", "scientific", "C-APO", "hr@1_relative_gain", "over the second-best model"): (
            "61.43"
        ),
        ("figure4", "all", "Rec-SAVER", "rationale_grade_3_share", ""): "78.34",
        ("table3", "production", "Random", "ctr", ""): "9.90",
        ("table3", "production", "SFT", "impressions", ""): "6.50",
        ("table5", "all", "-", "rationale_grade_std", "history length 12+"): "0.71",
        ("table6", "amazon-beauty", "C-APO", "hr@1", "unseen domain"): "19.49",
        ("table6", "cds-and-vinyl", "GRU4Rec", "hr@5", ""): "24.00",
        ("table7", "movielens", "GRU4Rec", "hr@5", ""): "13.43",
        ("table7", "movielens", "STAMP", "ndcg@5", ""): "5.88",
    },
    "twice-rec": {
        (
            "rq1",
            "musical-instruments",
            "TWiCE-Rec",
            "hr@1_relative_gain",
            "over the best baseline",
        ): ("38.94"),
        ("table1", "fashion", "LightSANs", "hr@5", ""): "15.92",
        ("table1", "clothing", "SINE", "hr@5", ""): "18.48",
        ("table1", "grocery", "TransRec", "ndcg@5", ""): "9.12",
        ("table1", "scientific", "RosePO", "hr@1", ""): "5.59",
        ("table1", "health", "S-DPO", "hr@5", ""): "16.32",
        ("table1", "office-products", "Rec-SAVER", "ndcg@5", ""): "10.78",
        ("table1", "musical-instruments", "TWiCE-Rec", "hr@1", ""): "4.46",
        ("figure4", "all", "TWiCE-Rec", "rationale_grade_3_share", ""): "75.71",
        ("table2", "production", "ML", "clicks", ""): "32.98",
        ("table2", "production", "TWiCE-Rec", "latency", ""): "138",
    },
    "recpo": {
        ("table1", "movielens", "GRU4Rec", "hr@1", ""): "0.2664",
        ("table1", "amazon-books", "LLaMA3", "valid_ratio", ""): "0.6165",
        ("table1", "steam", "S-DPO", "hr@1", ""): "0.3588",
        ("table1", "beeradvocate", "SimPO", "valid_ratio", ""): "0.9250",
        ("table1", "beeradvocate", "RecPO", "hr@1", ""): "0.5771",
        ("table2", "steam", "Log Ratio", "hr@1", ""): "0.4517",
        ("section6.3", "beeradvocate", "S-DPO", "hr@1_variance", "across history-length groups"): (
            "17.8"
        ),
        ("table3", "movielens", "-", "interactions", ""): "994169",
        ("table3", "steam", "-", "sequences", ""): "3171",
    },
    "eapo": {
        ("table1", "movies-and-tv", "EAPO", "hr@1", ""): "0.5760",
        ("table1", "books", "LLaRA", "hr@5", ""): "0.7028",
        ("table1", "pet-supplies", "GRU4Rec", "ndcg@5", ""): "0.0793",
        ("table1", "books", "Caser", "hr@5", ""): "0.3148",
        ("table2", "movies-and-tv", "EA-IPO", "hr@5", ""): "0.7143",
        ("table2", "movies-and-tv", "EA-SDPO", "hr@1_relative_gain", "over S-DPO"): "14.81",
        ("table3", "movies-and-tv", "S-DPO", "hr@5", "item cold-start"): "0.6323",
        ("table3", "movies-and-tv", "ChatRec", "hr@5", "user cold-start"): "0.4420",
        ("table4", "last-fm", "SASRec", "hr@5", ""): "0.7818",
    },
    "rationale-integration": {
        ("section3", "office-products", "-", "users", ""): "11810",
        ("table1", "grocery", "SASRec", "hr@1", ""): "3.02",
        ("table1", "grocery", "S-DPO", "ndcg@5", ""): "12.91",
        ("table1", "grocery", "Ours", "hr@5", ""): "18.53",
        ("table1", "office-products", "Rec-R1", "hr@5", ""): "7.87",
        ("table1", "office-products", "Ours", "ndcg@5", ""): "10.78",
        ("figure1", "all", "Ours", "rationale_grade_3_share", ""): "75.71",
        ("section4.3", "production", "Ours", "ctr_ratio", "over traditional ML"): "1.61",
    },
}


def read(paper):
    with (FOLDER / f"{paper}.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def groups():
    """The ranking figures of each (paper, table, domain, method, variant)."""
    found = defaultdict(dict)
    for paper in COUNTS:
        for row in read(paper):
            if row["metric"] in RANKING:
                key = tuple(row[c] for c in ("paper", "table", "domain", "method", "variant"))
                found[key][row["metric"]] = (float(row["value"]), row["note"].split(";")[0])
    return found


def value_of(paper, table, domain, method, metric, variant=""):
    key = (table, domain, method, metric, variant)
    [value] = [
        float(row["value"])
        for row in read(paper)
        if tuple(row[c] for c in ("table", "domain", "method", "metric", "variant")) == key
    ]
    return value


def test_every_paper_has_its_file():
    assert {path.stem for path in FOLDER.glob("*.csv")} >= set(COUNTS)


@pytest.mark.parametrize("paper", COUNTS)
def test_format(paper):
    raw = (FOLDER / f"{paper}.csv").read_bytes()
    assert b"\r" not in raw
    assert raw.endswith(b"\n")
    assert not raw.startswith(b"\xef\xbb\xbf")
    records = list(csv.reader(raw.decode("utf-8").splitlines()))
    assert records[0] == HEADER
    assert {len(record) for record in records} == {len(HEADER)}
    assert {record[0] for record in records[1:]} == {paper}
    for record in records[1:]:
        assert all(cell == cell.strip() for cell in record)
        cells = dict(zip(HEADER, record, strict=True))
        assert all(cells[name] for name in HEADER if name not in {"group", "variant", "note"})
        assert re.fullmatch(r"-|[a-z0-9]+(-[a-z0-9]+)*", cells["domain"]), record
        assert re.fullmatch(r"[a-z0-9_@]+", cells["metric"]), record


@pytest.mark.parametrize("paper", COUNTS)
def test_row_counts(paper):
    tables = [row["table"] for row in read(paper)]
    assert Counter(tables) == COUNTS[paper]
    # Each table's rows lie together, in the order given here.
    assert list(dict.fromkeys(tables)) == list(COUNTS[paper])
    assert sum(a != b for a, b in pairwise(tables)) == len(COUNTS[paper]) - 1


# How many methods a table has under each heading, in its order.
GROUPS = {
    ("c-apo", "table2"): {"CF Rec": 10, "LLM Rec": 10},
    ("twice-rec", "table1"): {"CF Rec": 9, "LLM Rec": 10},
    ("rationale-integration", "table1"): {"CF Rec": 5, "LLM Rec": 5},
    ("eapo", "table1"): {"Traditional": 3, "LM-based": 5, "PO-based": 2},
    ("recpo", "table1"): {"Traditional": 3, "LLM-based": 5, "Ours": 1},
}


def test_rows_stand_under_the_headings_of_their_table():
    found = defaultdict(dict)
    for paper in COUNTS:
        for row in read(paper):
            found[paper, row["table"]][row["method"], row["group"]] = None
    grouped = {key: list(rows) for key, rows in found.items() if any(g for _, g in rows)}
    assert {key: Counter(group for _, group in rows) for key, rows in grouped.items()} == GROUPS
    for key, rows in grouped.items():
        order = [group for _, group in rows]
        assert list(dict.fromkeys(order)) == list(GROUPS[key])
        assert order == sorted(order, key=list(GROUPS[key]).index)


@pytest.mark.parametrize("paper", COUNTS)
def test_keys_are_unique(paper):
    keys = Counter(
        tuple(row[c] for c in HEADER if c not in {"value", "note"}) for row in read(paper)
    )
    assert [key for key, count in keys.items() if count > 1] == []


@pytest.mark.parametrize("paper", COUNTS)
def test_values_lie_in_the_range_of_their_unit(paper):
    for row in read(paper):
        assert re.fullmatch(r"\d+(\.\d+)?", row["value"]), row
        unit, *remark = row["note"].split("; ")
        low, high = RANGES[unit]
        assert low <= float(row["value"]) <= high, row
        assert remark in ([], ["approximate"], ["lower bound"]), row
        if unit == "count":
            assert row["value"].isdigit(), row


def test_tables_are_full_grids():
    for paper, table, domains, methods in (
        ("c-apo", "table2", 5, 20),
        ("c-apo", "table6", 2, 9),
        ("c-apo", "table7", 1, 6),
        ("twice-rec", "table1", 8, 19),
        ("recpo", "table1", 4, 9),
        ("recpo", "table2", 4, 3),
        ("eapo", "table1", 3, 10),
        ("eapo", "table4", 1, 3),
        ("rationale-integration", "table1", 2, 10),
    ):
        rows = [row for row in read(paper) if row["table"] == table]
        cells = {(row["domain"], row["method"], row["metric"]) for row in rows}
        metrics = {row["metric"] for row in rows}
        assert len({cell[0] for cell in cells}) == domains
        assert len({cell[1] for cell in cells}) == methods
        assert len(cells) == len(rows) == domains * methods * len(metrics)


def test_hit_rates_grow_with_the_cutoff():
    pairs = {key: found for key, found in groups().items() if {"hr@1", "hr@5"} <= set(found)}
    assert len(pairs) > 300
    broken = {key for key, found in pairs.items() if found["hr@1"][0] > found["hr@5"][0]}
    assert broken == HR_ORDER_EXCEPTIONS


def test_ndcg_lies_between_the_hit_rates():
    broken = set()
    for key, found in groups().items():
        if set(found) == set(RANKING):
            one, five, ndcg = (found[metric][0] for metric in RANKING)
            if not one <= ndcg <= five:
                broken.add(key)
    assert broken == NDCG_EXCEPTIONS


def test_ndcg_lies_within_what_the_hit_rates_allow():
    broken = set()
    for key, found in groups().items():
        if set(found) == set(RANKING):
            one, five, ndcg = (found[metric][0] for metric in RANKING)
            rounding = {"percent": 0.01, "ratio": 0.0001}[found["hr@1"][1]]
            low = one + (five - one) / math.log2(6) - rounding
            high = one + (five - one) / math.log2(3) + rounding
            if not low <= ndcg <= high:
                broken.add(key)
    assert broken == NDCG_BOUND_EXCEPTIONS


@pytest.mark.parametrize("paper", COUNTS)
def test_cells_read_by_eye(paper):
    rows = {
        tuple(row[c] for c in ("table", "domain", "method", "metric", "variant")): row["value"]
        for row in read(paper)
    }
    assert len(CELLS[paper]) >= 6
    assert {key: rows.get(key) for key in CELLS[paper]} == CELLS[paper]


@pytest.mark.parametrize(
    ("paper", "prose", "table", "method"),
    [("c-apo", "section4.3", "table2", "C-APO"), ("twice-rec", "rq1", "table1", "TWiCE-Rec")],
)
def test_gains_in_hr1_follow_from_the_table(paper, prose, table, method):
    rows = read(paper)
    gains = {
        row["domain"]: float(row["value"])
        for row in rows
        if row["table"] == prose and row["metric"] == "hr@1_relative_gain"
    }
    assert len(gains) == {"c-apo": 5, "twice-rec": 8}[paper]
    for domain, gain in gains.items():
        found = {
            row["method"]: float(row["value"])
            for row in rows
            if (row["table"], row["domain"], row["metric"]) == (table, domain, "hr@1")
        }
        ours = found.pop(method)
        if (paper, domain) == ("c-apo", "health"):
            # Printed over GRU4Rec (3.88); GRAM's 4.55 is the second best (6.15 %).
            assert max(found, key=found.__getitem__) == "GRAM"
            found.pop("GRAM")
        assert 100 * (ours / max(found.values()) - 1) == pytest.approx(gain, abs=0.011), domain


def test_eapo_gains_follow_from_its_tables():
    for row in read("eapo"):
        if row["table"] == "table2" and row["metric"].endswith("_relative_gain"):
            metric = row["metric"].removesuffix("_relative_gain")
            ours = value_of("eapo", "table2", row["domain"], row["method"], metric)
            base = row["variant"].removeprefix("over ")
            theirs = value_of("eapo", "table2", row["domain"], base, metric)
            assert 100 * (ours / theirs - 1) == pytest.approx(float(row["value"]), abs=0.011)
    for scenario in ("user cold-start", "item cold-start"):
        for method in ("EAPO", "S-DPO"):
            cold = value_of("eapo", "table3", "movies-and-tv", method, "hr@1", scenario)
            warm = value_of("eapo", "table3", "movies-and-tv", method, "hr@1", "conventional")
            drop = value_of(
                "eapo", "sectionC.2", "movies-and-tv", method, "hr@1_relative_drop", scenario
            )
            assert 100 * (1 - cold / warm) == pytest.approx(drop, abs=0.011)


@pytest.mark.parametrize(
    ("paper", "table", "contradicted"),
    # C-APO prints 9.90 % for Random; 17.90K clicks on 180.08K impressions give 9.94 %.
    [("c-apo", "table3", {"Random"}), ("twice-rec", "table2", set())],
)
def test_click_through_rates_follow_from_the_counts(paper, table, contradicted):
    found = defaultdict(dict)
    for row in read(paper):
        if row["table"] == table:
            found[row["method"]][row["metric"]] = float(row["value"])
    broken = set()
    for method, figures in found.items():
        low = 100 * (figures["clicks"] - 0.005) / (figures["impressions"] + 0.005)
        high = 100 * (figures["clicks"] + 0.005) / (figures["impressions"] - 0.005)
        if not low - 0.005 <= figures["ctr"] <= high + 0.005:
            broken.add(method)
    assert broken == contradicted
