"""One library's figures for ranked lists: run by `crosscheck.py` in an environment that has it.

    python crosscheck_sides.py LIBRARY LISTS.json

Imports nothing of benchkit and nothing but the library named, and prints JSON: its version, and for
each set of lists the mean of each metric over the users that the library gives a value for.
"""

import json
import sys
from importlib import metadata

K = 5


def ranked(user):
    """Return the items of a user, best first; equal scores stay in the order of the input."""
    return sorted(user["scores"], key=lambda item: -user["scores"][item])


def measure_ranx(users):
    import ranx

    qrels = ranx.Qrels({name: user["relevant"] for name, user in users.items()})
    run = ranx.Run({name: user["scores"] for name, user in users.items() if user["scores"]})
    names = {
        "hr@5": "hit_rate@5", "ndcg@5": "ndcg@5", "mrr": "mrr", "recall@5": "recall@5",
        "precision@5": "precision@5", "map@5": "map@5",
        "ndcg@5 (exponential gains)": "ndcg_burges@5",
    }  # fmt: skip
    values = ranx.evaluate(qrels, run, list(names.values()), make_comparable=True)
    return {ours: float(values[theirs]) for ours, theirs in names.items()}


def measure_pytrec_eval(users):
    import pytrec_eval

    names = {
        "hr@5": "success_5", "ndcg@5": "ndcg_cut_5", "mrr": "recip_rank", "recall@5": "recall_5",
        "precision@5": "P_5", "map@5": "map_cut_5",
    }  # fmt: skip
    forms = {"success.5", "ndcg_cut.5", "recip_rank", "recall.5", "P.5", "map_cut.5"}
    evaluator = pytrec_eval.RelevanceEvaluator(
        {name: user["relevant"] for name, user in users.items()}, forms
    )
    run = {name: user["scores"] for name, user in users.items() if user["scores"]}
    rows = list(evaluator.evaluate(run).values())
    return {ours: sum(row[theirs] for row in rows) / len(rows) for ours, theirs in names.items()}


def measure_rectools(users):
    import pandas as pd
    from rectools import Columns
    from rectools.metrics import MAP, MRR, NDCG, HitRate, Precision, Recall

    lists = [
        (name, item, place + 1)
        for name, user in users.items()
        for place, item in enumerate(ranked(user))
    ]
    reco = pd.DataFrame(lists, columns=[Columns.User, Columns.Item, Columns.Rank])
    pairs = [(name, item) for name, user in users.items() for item in user["relevant"]]
    truth = pd.DataFrame(pairs, columns=[Columns.User, Columns.Item])
    metrics = {
        "hr@5": HitRate(k=K), "ndcg@5": NDCG(k=K), "mrr": MRR(k=1000), "recall@5": Recall(k=K),
        "precision@5": Precision(k=K), "map@5": MAP(k=K),
        "ndcg@5 (divide_by_achievable)": NDCG(k=K, divide_by_achievable=True),
    }  # fmt: skip
    return {name: float(metric.calc(reco, truth)) for name, metric in metrics.items()}


def measure_recbole(users):
    import numpy as np

    np.__dict__["float"] = float  # a name that RecBole 1.2.1 uses and NumPy 1.24 removed
    from recbole.evaluator.metrics import MAP, MRR, NDCG, Hit, Precision, Recall

    # Its evaluator gets one row of a matrix for every user that was asked.
    rows = [user for user in users.values() if user["scores"]]
    width = max(len(user["scores"]) for user in rows)
    hits = np.array([[item in user["relevant"] for item in ranked(user)] for user in rows])
    counts = np.array([len(user["relevant"]) for user in rows])
    assert hits.shape == (len(rows), width)
    config = {"topk": [K, width], "metric_decimal_place": 15}
    values = {
        "hr@5": Hit(config).metric_info(hits)[:, K - 1],
        "ndcg@5": NDCG(config).metric_info(hits[:, :K], counts)[:, K - 1],
        "mrr": MRR(config).metric_info(hits)[:, -1],
        "recall@5": Recall(config).metric_info(hits, counts)[:, K - 1],
        "precision@5": Precision(config).metric_info(hits)[:, K - 1],
        "map@5": MAP(config).metric_info(hits[:, :K], counts)[:, K - 1],
    }
    return {name: float(np.mean(value)) for name, value in values.items()}


def measure_lenskit(users):
    import numpy as np
    from lenskit.data import ItemList
    from lenskit.metrics import NDCG, Hit, LogRankWeight, Precision, Recall, RecipRank

    metrics = {
        "hr@5": Hit(n=K), "ndcg@5": NDCG(n=K), "mrr": RecipRank(), "recall@5": Recall(n=K),
        "precision@5": Precision(n=K), "graded-ndcg@5": NDCG(n=K, gain="rating"),
        "ndcg@5 (offset=1)": NDCG(n=K, weight=LogRankWeight(offset=1), gain="rating"),
    }  # fmt: skip
    values = {name: [] for name in metrics}
    for user in users.values():
        relevant = user["relevant"]
        truth = ItemList(item_ids=list(relevant), rating=np.array(list(relevant.values()), float))
        for name, metric in metrics.items():
            values[name].append(metric.measure_list(ItemList(ranked(user), ordered=True), truth))
    return {name: float(np.nanmean(column)) for name, column in values.items()}


LIBRARIES = {
    "ranx": (measure_ranx, "ranx"),
    "pytrec_eval": (measure_pytrec_eval, "pytrec-eval-terrier"),
    "RecTools": (measure_rectools, "rectools"),
    "RecBole": (measure_recbole, "recbole"),
    "LensKit": (measure_lenskit, "lenskit"),
}


def main():
    name, path = sys.argv[1:]
    measure, distribution = LIBRARIES[name]
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        sets = json.load(file)
    values = {title: measure(users) for title, users in sets.items()}
    version = metadata.version(distribution)
    numpy = metadata.version("numpy")
    print(json.dumps({"version": version, "numpy": numpy, "values": values}))


if __name__ == "__main__":
    main()
