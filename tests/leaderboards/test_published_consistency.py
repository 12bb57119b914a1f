"""Published figures agree with one another, but for the exceptions that are listed here."""

import math
from collections import defaultdict

import pytest

from tests.support.published_results import PAPERS, read_paper

RANKING = ("hr@1", "hr@5", "ndcg@5")

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


def ranking_figures():
    """The ranking figures of each (paper, table, domain, method, variant)."""
    figures = defaultdict(dict)
    for paper in PAPERS:
        for row in read_paper(paper):
            if row["metric"] in RANKING:
                key = tuple(row[c] for c in ("paper", "table", "domain", "method", "variant"))
                figures[key][row["metric"]] = (float(row["value"]), row["note"].split(";")[0])
    return figures


def value_of(paper, table, domain, method, metric, variant=""):
    key = (table, domain, method, metric, variant)
    [value] = [
        float(row["value"])
        for row in read_paper(paper)
        if tuple(row[c] for c in ("table", "domain", "method", "metric", "variant")) == key
    ]
    return value


def test_hit_rates_grow_with_the_cutoff():
    cutoffs = {"hr@1", "hr@5"}
    pairs = {key: rates for key, rates in ranking_figures().items() if cutoffs <= set(rates)}
    assert len(pairs) > 300
    broken = {key for key, rates in pairs.items() if rates["hr@1"][0] > rates["hr@5"][0]}
    assert broken == HR_ORDER_EXCEPTIONS


def test_ndcg_lies_between_the_hit_rates():
    broken = set()
    for key, figures in ranking_figures().items():
        if set(figures) == set(RANKING):
            one, five, ndcg = (figures[metric][0] for metric in RANKING)
            if not one <= ndcg <= five:
                broken.add(key)
    assert broken == NDCG_EXCEPTIONS


def test_ndcg_lies_within_what_the_hit_rates_allow():
    broken = set()
    for key, figures in ranking_figures().items():
        if set(figures) == set(RANKING):
            one, five, ndcg = (figures[metric][0] for metric in RANKING)
            rounding = {"percent": 0.01, "ratio": 0.0001}[figures["hr@1"][1]]
            low = one + (five - one) / math.log2(6) - rounding
            high = one + (five - one) / math.log2(3) + rounding
            if not low <= ndcg <= high:
                broken.add(key)
    assert broken == NDCG_BOUND_EXCEPTIONS


def test_serendipity_is_printed_above_what_one_relevant_item_allows():
    """|R & T - P| / |R| is at most HR@k / k for k recommendations, and never above HR@5."""
    domains = {row["domain"] for row in read_paper("c-apo") if row["table"] == "table2"}
    best = max(value_of("c-apo", "table2", name, "C-APO", "hr@5") for name in domains) / 100
    assert best == 0.2822
    assert value_of("c-apo", "sectionG", "all", "C-APO", "serendipity") == 0.30 > best
    assert value_of("c-apo", "sectionG", "all", "SFT", "serendipity") == 0.25 > best / 5


def test_grades_of_3_are_more_frequent_than_the_item_that_was_taken():
    """So an item that was not taken cannot be grade 0, as the printed prompt has it."""
    domains = {row["domain"] for row in read_paper("c-apo") if row["table"] == "table2"}
    rates = [value_of("c-apo", "table2", name, "C-APO", "hr@1") for name in domains]
    assert value_of("c-apo", "figure4", "all", "C-APO", "rationale_grade_3_share") == 84.33
    assert (min(rates), max(rates)) == (4.83, 12.22)


@pytest.mark.parametrize(
    ("paper", "prose", "table", "method"),
    [("c-apo", "section4.3", "table2", "C-APO"), ("twice-rec", "rq1", "table1", "TWiCE-Rec")],
)
def test_gains_in_hr1_follow_from_the_table(paper, prose, table, method):
    rows = read_paper(paper)
    gains = {
        row["domain"]: float(row["value"])
        for row in rows
        if row["table"] == prose and row["metric"] == "hr@1_relative_gain"
    }
    assert len(gains) == {"c-apo": 5, "twice-rec": 8}[paper]
    for domain, gain in gains.items():
        rates = {
            row["method"]: float(row["value"])
            for row in rows
            if (row["table"], row["domain"], row["metric"]) == (table, domain, "hr@1")
        }
        ours = rates.pop(method)
        if (paper, domain) == ("c-apo", "health"):
            # Printed over GRU4Rec (3.88); GRAM's 4.55 is the second best (6.15 %).
            assert max(rates, key=rates.__getitem__) == "GRAM"
            rates.pop("GRAM")
        assert 100 * (ours / max(rates.values()) - 1) == pytest.approx(gain, abs=0.011), domain


def test_eapo_gains_follow_from_its_tables():
    for row in read_paper("eapo"):
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
    figures_of = defaultdict(dict)
    for row in read_paper(paper):
        if row["table"] == table:
            figures_of[row["method"]][row["metric"]] = float(row["value"])
    broken = set()
    for method, figures in figures_of.items():
        low = 100 * (figures["clicks"] - 0.005) / (figures["impressions"] + 0.005)
        high = 100 * (figures["clicks"] + 0.005) / (figures["impressions"] - 0.005)
        if not low - 0.005 <= figures["ctr"] <= high + 0.005:
            broken.add(method)
    assert broken == contradicted
