"""Cells of the published tables that were read off the papers a second time."""

import pytest

from tests.support.published_results import PAPERS, read_paper

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


@pytest.mark.parametrize("paper", PAPERS)
def test_cells_read_by_eye(paper):
    rows = {
        tuple(row[c] for c in ("table", "domain", "method", "metric", "variant")): row["value"]
        for row in read_paper(paper)
    }
    assert len(CELLS[paper]) >= 6
    assert {key: rows.get(key) for key in CELLS[paper]} == CELLS[paper]
