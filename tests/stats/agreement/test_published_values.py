"""Against grades of people that others published, and what they computed from them."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchkit.stats.agreement.krippendorff import alpha_estimates, krippendorff_alpha
from benchkit.stats.agreement.two_raters import pair_agreement

DATA = Path(__file__).parents[4] / "shared" / "data" / "judge_agreement"
SCIPY = {"pearson": stats.pearsonr, "spearman": stats.spearmanr, "kendall": stats.kendalltau}
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no data in {DATA}")


def test_correlations_on_topical_chat_are_those_of_scipy():
    rows = json.loads((DATA / "topical_chat_human_vs_model.json").read_text())
    assert len(rows) == 360
    for dimension in rows[0]["scores"]:
        people = [row["scores"][dimension] for row in rows]
        model = [float(row["predict_scores"][dimension]) for row in rows]
        result = pair_agreement(people, model, resamples=50, permutations=20).estimates
        for name, f in SCIPY.items():
            assert result[name].value == pytest.approx(f(people, model).statistic, abs=1e-9)
            assert result[name].low < result[name].value < result[name].high


def test_ordinal_alpha_on_newsroom_is_the_published_one():
    rows = json.loads((DATA / "judgebench_newsroom.json").read_text())["instances"]
    judges = json.loads((DATA / "judgebench_newsroom_published.json").read_text())
    for dimension in rows[0]["annotations"]:
        grades = np.array(
            [row["annotations"][dimension]["individual_human_scores"] for row in rows], dtype=float
        )
        published = {judge[dimension]["krippendorff_alpha"] for judge in judges.values()}
        assert len(published) == 1
        assert krippendorff_alpha(grades, "ordinal") == pytest.approx(published.pop(), abs=1e-12)
        estimate = alpha_estimates(grades, resamples=500, permutations=50)["ordinal"]
        assert estimate.low < estimate.value < estimate.high
