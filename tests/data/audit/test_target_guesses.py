"""The audit on lists that can be drawn again, or whose history or earlier lists tell the target."""

import json

import numpy as np
import polars as pl
import pytest
from scipy import stats
from typer.testing import CliRunner

from benchkit.cli.main import app
from benchkit.data.audit import audit_cases
from benchkit.data.audit.cases import AuditCases, CandidateLists, CaseHistories
from benchkit.data.audit.null_distributions import count_test
from tests.support.former_draw import former_lists

N_ITEMS = 300


def case_histories(rows):
    return CaseHistories(rows.ravel(), np.arange(len(rows) + 1) * rows.shape[1])


def fair_lists(rng, targets, histories, width=10):
    rows = []
    for target, history in zip(targets, histories, strict=True):
        free = np.setdiff1d(np.arange(N_ITEMS), [target, *history])
        rows.append(rng.permutation([target, *rng.choice(free, width - 1, replace=False)]))
    return np.array(rows)


def make_cases(lists, targets, ids=None, **more):
    names = [f"i{item:03}" for item in range(N_ITEMS)]
    ids = ids or [f"test:u{row}" for row in range(len(lists))]
    return AuditCases("mine", ids, names, CandidateLists(targets, lists), **more)


def leaks(cases):
    return {f.name: f for f in audit_cases(cases) if f.severity == "leak"}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("seed", [0, 7, 42, 2024])
@pytest.mark.parametrize("form", ["test:{}", "valid:{}", "{}"])
@pytest.mark.parametrize("width", [5, 30])
def test_the_draw_before_0_2_is_found_by_its_seed(rng, seed, form, width):
    targets, histories = rng.integers(0, N_ITEMS, 150), rng.integers(0, N_ITEMS, (150, 4))
    users = [f"user {row}" for row in range(150)]
    split = "valid" if "valid" in form else "test"
    lists = former_lists(users, targets, histories, N_ITEMS, width, seed, split)
    ids = [form.format(user) for user in users]
    finding = leaks(make_cases(lists, targets, ids))["replayable-draw"]
    assert finding.measures["hr@1"] == 1.0 and finding.measures["seed"] == seed
    assert finding.count == finding.of == 150 and finding.p < 1e-50
    # In another order the stream still says which candidate it did not draw.
    shuffled = leaks(make_cases(rng.permuted(lists, axis=1), targets, ids))["replayable-draw"]
    assert shuffled.measures["hr@1"] > 0.4 and shuffled.measures["seed"] == seed
    assert not leaks(make_cases(fair_lists(rng, targets, histories), targets, ids))


def test_six_cases_are_enough(rng):
    targets, histories = rng.integers(0, N_ITEMS, 6), rng.integers(0, N_ITEMS, (6, 4))
    users = [f"u{row}" for row in range(6)]
    lists = former_lists(users, targets, histories, N_ITEMS, 30, 3)
    assert "replayable-draw" in leaks(make_cases(lists, targets, [f"test:{u}" for u in users]))


def test_a_target_of_the_history_among_new_items_is_found(rng):
    histories = rng.integers(0, N_ITEMS, (400, 12))
    is_repeat = rng.random(400) < 0.4
    targets = np.where(is_repeat, histories[:, 3], rng.integers(0, N_ITEMS, 400))
    lists = fair_lists(rng, targets, histories)
    finding = leaks(make_cases(lists, targets, history=case_histories(histories)))[
        "target-in-history"
    ]
    assert finding.measures["hr@1"] == pytest.approx(0.46, abs=0.05)
    assert finding.count == pytest.approx(160, abs=40)
    # Among other items of the history it is not, whatever the share of repeats.
    rows = lists.copy()
    for row in np.flatnonzero((histories == targets[:, None]).any(axis=1)):
        past = np.unique(histories[row])
        rows[row] = rng.permutation([targets[row], *past[past != targets[row]]][:10])
    assert not leaks(make_cases(rows, targets, history=case_histories(histories)))
    # Nor among items of both kinds in the right share.
    mixed = np.array([rng.permutation([*h[:4], *new[:6]]) for h, new in zip(
        [rng.permutation(np.unique(h)) for h in histories],
        [rng.permutation(np.setdiff1d(np.arange(N_ITEMS), h)) for h in histories], strict=True,
    )])  # fmt: skip
    at_random = mixed[np.arange(400), rng.integers(0, 10, 400)]
    assert not leaks(make_cases(mixed, at_random, history=case_histories(histories)))


def two_lists(rng, n, leave_out, with_known=True):
    """A list of the validation and one of the test for each of n users."""
    histories = rng.integers(0, N_ITEMS, (n, 4))
    first, second = rng.integers(0, 150, n), rng.integers(150, N_ITEMS, n)
    before = np.column_stack([histories, second]) if leave_out else histories
    known = CandidateLists(first, fair_lists(rng, first, before, 30))
    lists = fair_lists(rng, second, np.column_stack([histories, first]), 30)
    users = np.arange(n)
    if with_known:
        return make_cases(lists, second, known=known, known_user=users, user=users)
    order = np.argsort(np.concatenate([users, users]), kind="stable")
    both = np.concatenate([known.candidates, lists])[order]
    return make_cases(both, np.concatenate([first, second])[order], user=np.repeat(users, 2))


@pytest.mark.parametrize("with_known", [True, False])
def test_later_targets_that_earlier_lists_leave_out_are_found(rng, with_known):
    finding = leaks(two_lists(rng, 400, True, with_known))["later-targets-left-out"]
    assert (finding.count, finding.of) == (0, 400)
    assert finding.measures["expected"] == pytest.approx(400 * 29 / 295, rel=0.3)
    assert not leaks(two_lists(rng, 400, False, with_known))


@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_the_bound_of_a_count_is_never_too_small(rng, alternative):
    likely = np.concatenate([rng.random(60) * 0.2, [0.0, 1.0]])
    counts = (rng.random((20_000, 62)) < likely).sum(axis=1)
    tail = (lambda c: counts >= c) if alternative == "greater" else (lambda c: counts <= c)
    for count in (1, 3, 8, 12, 16):
        p = count_test(count, likely, alternative).p
        assert tail(count).mean() <= p + 0.003
    sure = count_test(10, np.full(10, 0.1), "greater").p
    assert sure == pytest.approx(1e-10)
    exact = stats.binom.sf(49, 100, 0.3)
    assert exact <= count_test(50, np.full(100, 0.3), "greater").p < 20 * exact
    assert count_test(0, np.array([]), alternative).p == 1.0


def benchkit(*arguments, code=0):
    done = CliRunner().invoke(app, list(map(str, arguments)))
    assert done.exit_code == code, (done.output, done.exception)
    return done.stdout


def test_the_command_finds_a_file_of_the_former_draw(rng, tmp_path):
    targets, histories = rng.integers(0, N_ITEMS, 80), rng.integers(0, N_ITEMS, (80, 4))
    users = [f"u{row}" for row in range(80)]
    lists = former_lists(users, targets, histories, N_ITEMS, 20)
    file = tmp_path / "cases.jsonl"
    with file.open("w") as out:
        for user, target, row, history in zip(users, targets, lists, histories, strict=True):
            record = {
                "case_id": f"test:{user}", "candidates": [f"i{item:03}" for item in row],
                "target": f"i{target:03}", "history": [f"i{item:03}" for item in history],
            }  # fmt: skip
            out.write(json.dumps(record) + "\n")
    (report,) = json.loads(benchkit("data", "audit", file, "--json", code=1))
    (leak,) = [f for f in report["findings"] if f["severity"] == "leak"]
    assert leak["name"] == "replayable-draw" and leak["measures"]["hr@1"] == 1.0


SUITE = """
title = "Again"
[[datasets]]
name = "again"
source = "table"
options = {{ interactions = "r.csv", items = "i.csv" }}
duplicates = "keep"
split = "{split}"
candidates = {{ count = 10, sampling = "{sampling}" }}
[[methods]]
method = "popularity"
"""


@pytest.mark.parametrize("split", ["leave-one-out", "temporal"])
@pytest.mark.parametrize("sampling", ["uniform", "popularity"])
def test_the_command_finds_nothing_in_data_of_repeats(rng, tmp_path, monkeypatch, split, sampling):
    monkeypatch.chdir(tmp_path)
    rows = [
        {"user": f"u{user}", "item": f"i{item}", "timestamp": 1_600_000_000 + place * 999 + user}
        for user in range(300)
        for place, item in enumerate(rng.choice(rng.choice(80, 9, replace=False), 14))
    ]
    pl.DataFrame(rows).write_csv("r.csv")
    items = [{"item": f"i{item}", "title": f"Thing {item}"} for item in range(80)]
    pl.DataFrame(items).write_csv("i.csv")
    (tmp_path / "again.toml").write_text(SUITE.format(split=split, sampling=sampling))
    reports = json.loads(benchkit("data", "audit", "--suite", "again.toml", "--json"))
    assert len(reports) == 2 and all(r["n"] > 200 for r in reports)
    names = {f["name"] for report in reports for f in report["findings"]}
    assert "repeat-target" in names
    assert not {f["severity"] for report in reports for f in report["findings"]} - {"note"}
    benchkit("run", "--suite", "again.toml")
