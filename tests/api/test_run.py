"""benchkit.run: suites built in Python, live classes and instances, and tables in memory."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest

import benchkit as bk
from benchkit.data.preparation.cache import load_or_prepare
from benchkit.errors import ConfigError, DataError
from benchkit.runs.execution import execute_job


class Longest:
    """Scores an item by the length of its id."""

    capabilities = frozenset({"scores", "cold_users"})

    def __init__(self, sign=1.0):
        self.sign = sign

    def fit(self, data, run):
        self.fitted = True

    def predict(self, requests, run):
        for request in requests:
            scores = [self.sign * len(item) for item in request.candidates]
            yield bk.Prediction(request.case_id, scores)


def make_local(sign):
    """A class that no other process could import."""

    class Local(Longest):
        def predict(self, requests, run):
            for request in requests:
                yield bk.Prediction(request.case_id, [sign * len(i) for i in request.candidates])

    return Local


def events(users=30, items=40, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {"customer": np.repeat(np.arange(users), 6), "item": rng.integers(0, items, users * 6)}
    )
    frame["item"] = "item" + frame["item"].astype(str)
    return frame.drop_duplicates()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shop(*methods, frame=None, **changes):
    frame = events() if frame is None else frame
    dataset = bk.Dataset.from_pandas(
        frame, name="shop", columns={"user": "customer"}, candidates={"count": 8}
    )
    return bk.Suite(name="shop", datasets=[dataset], methods=list(methods) or ["random"], **changes)


def test_a_suite_in_python_runs_and_is_kept(folder):
    suite = shop("random", "popularity")
    assert suite.title == "shop" and [task.name for task in suite.tasks] == ["shop"]
    first = bk.run(suite, progress=False)
    assert first.run_report == bk.RunReport(2, 2, 0, None)
    assert first.methods == ("random", "popularity") and not first.failures
    again = bk.run(suite, progress=False)
    assert again.run_report.n_computed == 0
    assert again.to_polars().equals(first.to_polars())
    assert bk.load_results("runs").to_polars().equals(first.to_polars())


def test_a_table_in_memory_is_the_same_as_in_a_file(folder):
    in_memory = bk.run(shop("popularity"), progress=False)
    events().rename(columns={"customer": "user"}).to_csv("events.csv", index=False)
    titles = pd.DataFrame({"item": sorted(set(events()["item"]))})
    titles["title"] = titles["item"]
    titles.to_csv("items.csv", index=False)
    from_file = bk.Suite.model_validate(
        {
            "name": "files",
            "datasets": [
                {
                    "name": "shop", "source": "table", "candidates": {"count": 8},
                    "options": {"interactions": str(folder / "events.csv"),
                                "items": str(folder / "items.csv")},
                }
            ],
            "methods": ["popularity"],
        }
    )  # fmt: skip
    other = bk.run(from_file, progress=False)
    for metric in ("hr@1", "ndcg@5", "mrr"):
        assert in_memory.value("popularity", metric) == other.value("popularity", metric)


def test_polars_tables_and_titles(folder):
    frame = pl.from_pandas(events()).rename({"customer": "user"})
    items = pl.DataFrame({"item": sorted(set(frame["item"]))}).with_columns(
        pl.col("item").str.to_uppercase().alias("title")
    )
    dataset = bk.Dataset.from_polars(frame, items, name="shop", candidates={"count": 8})
    results = bk.run(
        bk.Suite(name="polars", datasets=[dataset], methods=["popularity"]), progress=False
    )
    assert not results.failures


def test_changed_content_is_another_dataset(folder):
    a = bk.run(shop("popularity"), progress=False).value("popularity", "mrr")
    b = bk.run(shop("popularity", frame=events(seed=1)), progress=False)
    assert b.run_report.n_computed == 1 and b.value("popularity", "mrr") != a


def test_a_missing_column_is_named(folder):
    with pytest.raises(DataError, match="no column 'user'; they have 'customer', 'item'"):
        bk.Dataset.from_pandas(events())


def test_classes_and_instances(folder):
    results = bk.run(shop("random"), methods=[Longest, make_local(1.0)], progress=False)
    assert results.run_report.n_runs == 2 and not results.failures
    assert results.methods == ("Longest", "Local")
    with pytest.raises(ConfigError, match="two methods are called 'Longest'"):
        bk.run(shop("random"), methods=[Longest, Longest(-1.0)], progress=False)


def test_rows_of_one_class_have_labels(folder):
    methods = [{"method": Longest(), "label": "up"}, {"method": Longest(-1.0), "label": "down"}]
    results = bk.run(shop(*methods), progress=False)
    up, down = results.value("up", "mrr"), results.value("down", "mrr")
    assert up != down and results.methods == ("up", "down")


def test_an_instance_is_copied_for_each_run(folder):
    method = Longest()
    bk.run(shop({"method": method, "label": "m"}, seeds=[0, 1]), progress=False)
    assert not hasattr(method, "fitted")


def test_a_changed_class_is_another_run(folder):
    def plan_id(cls):
        (row,) = bk.plan(shop("random"), methods=[cls])
        return row.run_id

    assert plan_id(make_local(1.0)) == plan_id(make_local(1.0))
    (first,) = bk.plan(shop("random"), methods=[Longest(1.0)])
    (second,) = bk.plan(shop("random"), methods=[Longest(2.0)])
    assert first.run_id != second.run_id


def test_a_live_class_needs_this_process(folder):
    with pytest.raises(ConfigError, match="lives in this Python process"):
        bk.run(shop("random"), methods=[make_local(1.0)], jobs=2, progress=False)


def test_what_is_no_recommender_is_refused(folder):
    with pytest.raises(ConfigError, match="dict_keys is not a recommender: it has no capabilities"):
        bk.run(shop("random"), methods=[{}.keys()], progress=False)


def test_a_class_of_the_main_script_runs(folder):
    code = """
import benchkit as bk
class Mine:
    capabilities = frozenset({"scores"})
    def fit(self, data, run): pass
    def predict(self, requests, run):
        for request in requests:
            yield bk.Prediction(request.case_id, [len(i) for i in request.candidates])
results = bk.run("quickstart", methods=[Mine, "popularity"], limit_users=20, progress=False)
print(results.methods, results.failures)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert out.stdout == "('popularity', 'Mine') {}\n", out.stderr


def test_a_plan_is_a_list_of_runs(folder):
    rows = bk.plan(shop("random", "popularity", seeds=[0, 1]))
    assert [(row.method, row.seed, row.state) for row in rows] == [
        ("random", 0, "to run"), ("random", 1, "to run"),
        ("popularity", 0, "to run"), ("popularity", 1, "to run"),
    ]  # fmt: skip


def test_a_failed_row_does_not_raise(folder):
    class Broken(Longest):
        def fit(self, data, run):
            raise ZeroDivisionError("no users")

    results = bk.run(shop("random"), methods=["random", Broken], progress=False)
    assert results.run_report.n_failed == 1
    assert "no users" in results.failures["shop", "Broken"]
    assert "no users" in results.table("md") and "no users" in results._repr_html_()


def test_events_go_to_a_function(folder):
    kinds = []
    bk.run(shop("random"), progress=lambda event: kinds.append(event.kind))
    assert kinds[0] == "started" and kinds[-1] == "complete"


def test_a_live_class_is_not_sent_to_another_executor(folder):
    with pytest.raises(ConfigError, match="lives in this Python process"):
        bk.run(shop("random"), methods=[make_local(1.0)], executor="processes", progress=False)
    assert not (folder / "runs").exists()


def test_data_that_cannot_be_read_leave_the_earlier_tables(folder):
    suite = {
        "name": "files", "methods": ["popularity"],
        "datasets": [{
            "name": "shop", "source": "table", "candidates": {"count": 8},
            "options": {"interactions": str(folder / "events.csv"),
                        "items": str(folder / "items.csv")},
        }],
    }  # fmt: skip
    frame = events().rename(columns={"customer": "user"})
    frame.to_csv("events.csv", index=False)
    pd.DataFrame({"item": frame["item"].unique(), "title": frame["item"].unique()}).to_csv(
        "items.csv", index=False
    )
    before = bk.run(bk.Suite.model_validate(suite), progress=False).table("md")
    pd.concat([frame, frame.head(1)]).to_csv("events.csv", index=False)
    with pytest.raises(DataError):
        bk.run(bk.Suite.model_validate(suite), progress=False)
    assert bk.load_results("runs").table("md") == before


def test_a_catalogued_class_keeps_its_card(folder):
    from baselines.cf.ease import EASE
    from benchkit.cards import find_card
    from benchkit.interactive import register_object

    by_name = find_card("ease")
    by_class = find_card(register_object(EASE)[0])
    assert by_class.packages == by_name.packages and by_class.family == by_name.family

    class Mine(EASE):
        pass

    derived = find_card(register_object(Mine)[0])
    assert derived.packages == by_name.packages and derived.family == by_name.family


def test_the_code_of_base_classes_and_of_files_counts(folder):
    from baselines.cf import ease, matrices
    from benchkit.interactive import base_files, register_object

    class Mine(ease.EASE):
        pass

    assert Path(ease.__file__) in base_files(Mine)
    assert Path(matrices.__file__).exists()  # imported by the file of EASE, which is walked

    class WithFile(Longest):
        def __init__(self, path):
            super().__init__()
            self.path = path

    (folder / "weights.txt").write_text("1")
    first = register_object(WithFile(Path("weights.txt")))[0]
    assert register_object(WithFile(Path("weights.txt")))[0] == first
    (folder / "weights.txt").write_text("22")
    assert register_object(WithFile(Path("weights.txt")))[0] != first


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jobs": 0}, "jobs must be a whole number from 1 on, not 0"),
        ({"threads": 0}, "threads must be"),
        ({"limit_users": -3}, "limit_users must be"),
        ({"limit_users": 10.5}, "limit_users must be"),
        ({"overwrite": "Always"}, "overwrite must be one of never, failed, always"),
        ({"seeds": "12"}, "seeds must be whole numbers, not '12'"),
        ({"seeds": [0.5]}, "seeds must be whole numbers"),
        ({"seeds": -1}, "seed must be a whole number from 0 on"),
        ({"methods": []}, "methods is empty"),
    ],
)
def test_wrong_arguments_stop_before_anything_is_written(folder, options, message):
    with pytest.raises(ConfigError, match=message):
        bk.run(shop("random"), progress=False, **options)
    assert not (folder / "runs").exists()


def test_equal_seeds_are_one(folder):
    assert [row.seed for row in bk.plan(shop("random"), seeds=[0, 0, np.int64(1)])] == [0, 1]


def test_plan_takes_paths_as_text_and_names_unknown_options(folder):
    assert len(bk.plan(shop("random"), store="runs", data="data")) == 1
    with pytest.raises(ConfigError, match="unknown option 'jbos'"):
        bk.plan(shop("random"), jbos=2)


def test_an_executor_that_loses_jobs_is_named(folder):
    class Loses:
        def execute(self, jobs, emit):
            return iter(())

    with pytest.raises(ConfigError, match="gave no outcome of 1 of 1 runs"):
        bk.run(shop("random"), executor=Loses(), progress=False)


def test_metrics_of_one_name_are_refused(folder):
    (folder / "mine.py").write_text(
        "from benchkit.evaluation.metrics.rank_based import HitRate\nclass Mine(HitRate): pass\n"
    )
    with pytest.raises(ConfigError, match="called 'hr@1'"):
        shop("random", metrics=["hr@1", "ndcg@5", "mine.py:Mine@1"])


def test_wrong_settings_of_a_dataset_are_named(folder):
    with pytest.raises(ConfigError, match="dataset 'shop': kcore: unknown key"):
        bk.Dataset.from_pandas(events(), name="shop", columns={"user": "customer"}, kcore=5)
    both = events().assign(user=1)
    with pytest.raises(DataError, match="two columns would be called 'user'"):
        bk.Dataset.from_pandas(both, columns={"user": "customer"})


def test_tables_from_memory_are_named_and_read_like_files(folder):
    things = pd.DataFrame(
        {"id": ["x", "y", "z", "w"], "title": [["Saw", "red"], ["Axe"], ["Nail"], ["Nut"]]}
    )
    clicks = pd.DataFrame(
        {
            "id": [1, 2, 3, 4, 5],
            "user": ["u", "u", "u", "v", "v"],
            "item": ["z", "y", "x", "x", "w"],
            "timestamp": pd.to_datetime(
                ["2020-01-01 03:00:00.3", "2020-01-01 03:00:00.2", "2020-01-01 03:00:00.1"]
                + ["2020-01-01 00:00:00.0"] * 2
            ).tz_localize("Asia/Tokyo"),
        }
    )
    settings = {"name": "shop", "candidates": {"count": 2}}
    with pytest.raises(DataError, match="interactions: two columns would be called 'item'"):
        bk.Dataset.from_pandas(clicks, things, columns={"item": "id"}, **settings)
    dataset = bk.Dataset.from_pandas(clicks, things, columns={"items": {"item": "id"}}, **settings)
    bk.run(bk.Suite(name="shop", datasets=[dataset], methods=["popularity"]), progress=False)
    stored = load_or_prepare(dataset, folder / "data")
    order = [stored.catalog.ids[code] for code in stored.interactions.sequence(0)]
    assert order == ["x", "y", "z"]
    assert stored.catalog.text("x") == "Saw, red"
    untimed = bk.Dataset.from_pandas(clicks.rename(columns={"timestamp": "Timestamp"}), **settings)
    with pytest.raises(DataError, match="no column 'timestamp', but 'Timestamp' may hold"):
        bk.run(bk.Suite(name="shop", datasets=[untimed], methods=["popularity"]), progress=False)
    in_order = untimed.model_copy(update={"time": "none"})
    bk.run(bk.Suite(name="shop", datasets=[in_order], methods=["popularity"]), progress=False)
    with pytest.raises(DataError, match="column 'user' holds lists"):
        bk.Dataset.from_polars(pl.DataFrame({"user": [["u"]], "item": ["x"]}), **settings)


def test_a_set_among_attributes_has_one_order():
    code = """
from benchkit.interactive import register_object
class Mine:
    capabilities = frozenset({"scores"})
    def __init__(self): self.names = {"a", "b", "c", "d", "e"}
    def fit(self, data, run): pass
    def predict(self, requests, run): pass
print(register_object(Mine())[0])
"""
    names = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
        for _ in range(3)
    }
    assert len(names) == 1 and names != {""}


def test_an_executor_that_repeats_an_outcome_is_named(folder):
    class Repeats:
        def execute(self, jobs, emit):
            outcome = execute_job(jobs[0], emit)
            yield outcome
            yield outcome

    class Foreign:
        def execute(self, jobs, emit):
            yield "done"

    for executor, message in ((Repeats(), "no outcome that is due"), (Foreign(), "'done'")):
        with pytest.raises(ConfigError, match=message):
            bk.run(shop("random", "popularity"), executor=executor, progress=False)
    with pytest.raises(ConfigError, match="5 is not an executor"):
        bk.run(shop("random"), executor=5, progress=False)


def test_wrong_progress_keeps_complete_runs(folder):
    before = bk.run(shop("random"), progress=False)
    with pytest.raises(ConfigError, match="progress must be"):
        bk.run(shop("random"), progress="yes", overwrite="always")
    assert bk.load_results().table("md") == before.table("md")
    assert len(before.cases()) > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocols": ["scored", "scored"]}, "2 protocols are called 'scored'"),
        ({"metrics": ["ndcg@5", "hr@1", "hr@1"]}, "2 metrics are called 'hr@1'"),
        ({"metrics": ["ndcg@5", "mine.py:Mine@5"]}, "is called 'hr@5', as one of benchkit's is"),
        ({"protocols": ["scored", "mine.py:Same"]}, "is called 'scored', as one of benchkit's is"),
        ({"metrics": ["ndcg@5", "mine.py:Broken"]}, "mine.py has no Broken"),
        ({"metrics": ["ndcg@5", "syntax.py:X"]}, "syntax.py cannot be imported: SyntaxError"),
        ({"metrics": ["ndcg@5", "needs.py:X"]}, "No module named 'nonexistent_xyz'"),
        ({"metrics": ["ndcg@5", "mine.py:NoMetric"]}, "mine.py:NoMetric is not a metric"),
    ],
)
def test_names_that_nobody_could_tell_apart_are_refused(folder, changes, message):
    (folder / "mine.py").write_text(
        "from benchkit.evaluation.metrics.rank_based import HitRate\n"
        "from benchkit.evaluation.protocols.base import EvaluationProtocol\n"
        "class Mine(HitRate): pass\n"
        "class Same(EvaluationProtocol): name = 'scored'\n"
        "class NoMetric: kind = 'x'\n"
    )
    (folder / "syntax.py").write_text("def (\n")
    (folder / "needs.py").write_text("import nonexistent_xyz\n")
    with pytest.raises(ConfigError, match=re.escape(message)):
        shop("random", **changes)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("np.zeros(len(context) + 1)", "returned 31 values for 30 cases"),
        ("np.zeros((len(context), 2))", "returned 30 x 2 values for 30 cases"),
        ("np.full(len(context), np.inf)", "metric 'odd' returned"),
        ("'x'", "metric 'odd' returned 'x'"),
        ("None", "metric 'odd' returned None"),
        ("1 / 0", "metric 'odd' raised ZeroDivisionError"),
    ],
)
def test_a_metric_that_is_wrong_is_named(folder, body, message):
    (folder / "odd.py").write_text(
        "import numpy as np\nfrom benchkit.evaluation.metrics.base import Metric\n"
        f"class Odd(Metric):\n    kind = 'odd'\n    def measure(self, context): return {body}\n"
    )
    results = bk.run(shop("random", metrics=["ndcg@5", "odd.py:Odd"]), progress=False)
    assert message in results.failures["shop", "random"]


def test_columns_that_name_nothing_are_refused(folder):
    for columns, message in (
        ({"usr": "customer"}, "'usr' is none of user, item"),
        ({"user": "nope"}, "no column 'nope'"),
        (["user"], "columns is a list"),
    ):
        with pytest.raises(DataError, match=message):
            bk.Dataset.from_pandas(events(), columns=columns)
