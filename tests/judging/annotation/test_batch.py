"""What can be annotated, what the pages hold, and what they must not."""

import json
import re

import pytest
from typer.testing import CliRunner

from benchkit.cli.main import app
from benchkit.errors import ConfigError, DataError, StoreError
from benchkit.judging.annotation.batch import make_batch
from benchkit.judging.annotation.batch_key import read_key
from benchkit.judging.annotation.page import render_annotation_page
from benchkit.judging.annotation.population import collect_population, find_judgements
from benchkit.judging.annotation.stratified_sample import draw_strata
from benchkit.judging.rubric import Criterion, load_rubric
from benchkit.runs.records import PlannedJudge
from benchkit.runs.store import Store
from tests.support.annotation_store import NASTY, RUNS, add_judgement, add_run, make_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("annotation") / "runs", RUNS)


@pytest.fixture(scope="module")
def population(store):
    return collect_population(find_judgements([store.root], "plum"))


def test_only_judged_answers_are_there(population):
    assert all(e.case_id != "off" for e in population.answers)
    assert population.rubric.name == "rationale-quality"


def test_wrong_items_are_left_out_where_the_rubric_decides_them(tmp_path):
    store = make_store(tmp_path, {("toys", "a"): [1, 2, 3, 3]}, wrong=2)
    result = find_judgements([tmp_path], "plum")
    assert len(collect_population(result).answers) == 4
    assert len(collect_population(result, load_rubric("rationale-0-3")).answers) == 2
    add_judgement(next(iter(store.runs())), [1, 2], "stern", wrong=2)
    with pytest.raises(DataError, match="no answer to annotate"):
        collect_population(find_judgements([tmp_path], "plum"), load_rubric("rationale-0-3"))


def test_judges_of_the_same_answer_meet_in_one_exhibit(tmp_path):
    store = make_store(tmp_path, {("toys", "a"): [1, 2]})
    run = next(iter(store.runs()))
    add_judgement(run, [None, 5], "lenient", judge_id="j2")
    both = collect_population(find_judgements([run.path]))
    assert [e.grades["lenient"].get("grounding") for e in both.answers] == [None, 5.0]
    assert [e.grades["stern"]["grounding"] for e in both.answers] == [1.0, 2.0]
    assert set(collect_population(find_judgements([run.path], judge="lenient")).rubrics) == {
        "lenient"
    }
    by_suite = collect_population(find_judgements([tmp_path], "plum"))  # its plan names one judge
    assert set(by_suite.rubrics) == {"stern"}
    # the first judge without a grade is passed over
    strata = {s.grade: len(s.drawn) for s in draw_strata(both, 2, 0, balanced=True)}
    assert strata == {1: 1, 5: 1}


def test_one_file_of_verdicts_is_enough(tmp_path):
    run = add_run(Store(tmp_path).create(), "toys", "a")
    path = add_judgement(run, [1, 2, 3])
    add_judgement(run, [3, 3, 3], judge_id="older")
    assert len(collect_population(find_judgements([path])).answers) == 3
    with pytest.raises(ConfigError, match="two judgements by 'stern'"):
        find_judgements([run.path])


@pytest.mark.parametrize(
    ("case", "error", "message"),
    [
        ("nothing", StoreError, "is no verdict file, run or store"),
        ("file", StoreError, "is no verdict file of a run"),
        ("no suite", ConfigError, "which suite is not said.*there are: plum"),
        ("suite", ConfigError, "no suite 'plums' in it.*there are: plum"),
        ("judge", StoreError, "no complete judgement by 'nobody'"),
        ("failed", StoreError, "no complete judgement in"),
        ("rubrics", ConfigError, "'stern' had different rubrics in different runs"),
        ("few", ConfigError, "1 answers for 2 annotators"),
    ],
)
def test_what_cannot_be_sampled_says_why(tmp_path, case, error, message):
    store = make_store(tmp_path / "runs", {("toys", "a"): [1]})
    run = next(iter(store.runs()))
    paths, options = [store.root], {"suite": "plum"}
    if case == "nothing":
        paths = [tmp_path / "elsewhere"]
    elif case == "file":
        paths = [run.path / "judgements" / "other.parquet"]
    elif case == "no suite":
        options = {}
    elif case == "suite":
        options = {"suite": "plums"}
    elif case == "judge":
        options["judge"] = "nobody"
    elif case == "failed":
        add_judgement(run, [1], status="failed")
    elif case == "rubrics":
        other = add_run(store, "tea", "a")
        add_judgement(other, [1], rubric=load_rubric("coherence-1-7"))
        paths = [run.path, other.path]
    with pytest.raises(error, match=f"(?s){message}"):
        make_batch(collect_population(find_judgements(paths, **options)), 5, 2)


def test_the_same_seed_gives_the_same_bytes(store, population, tmp_path):
    def bytes_of(folder, result, seed=0):
        paths = make_batch(result, 40, 2, 0.5, seed).write(tmp_path / folder)
        return [path.read_bytes() for path in paths]

    first = bytes_of("a", population)
    runs = [run.path for run in store.runs()]
    assert bytes_of("b", collect_population(find_judgements(runs[::-1]))) == first
    other = bytes_of("c", population, seed=1)
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_a_key_is_not_replaced_by_that_of_another_batch(population, tmp_path):
    make_batch(population, 40, 2).write(tmp_path)
    before = (tmp_path / "key.json").read_bytes()
    make_batch(population, 40, 2).write(tmp_path)
    with pytest.raises(ConfigError, match="key of another batch"):
        make_batch(population, 41, 2).write(tmp_path)
    assert (tmp_path / "key.json").read_bytes() == before


def two_rubrics(root):
    """The judges of the plan, first to last: one by rationale-0-3, one by rationale-quality, and a
    second one by rationale-0-3."""
    store = make_store(
        root, {("toys", "a"): [1, 2, 3], ("toys", "b"): [0, 3]}, rubric=load_rubric("rationale-0-3")
    )
    plan = store.plan("plum")
    more = [("a quality judge", "rationale-quality"), ("twin", "rationale-0-3")]
    for run in store.runs():
        for label, rubric in more:
            add_judgement(run, [2, 2], label, load_rubric(rubric))
    judges = [*plan.judges, *(PlannedJudge(label=j, judge_id="j1", rubric=r) for j, r in more)]
    store.update_plan(plan.model_copy(update={"judges": judges}))
    return store


def test_of_judges_with_several_rubrics_the_first_of_the_plan_decides(tmp_path):
    store = two_rubrics(tmp_path)
    population = collect_population(find_judgements([tmp_path], "plum"))
    assert population.rubric.name == "rationale-0-3"
    assert set(population.rubrics) == {"stern", "twin"}
    assert {label: rubric.name for label, rubric in population.skipped_judges.items()} == {
        "a quality judge": "rationale-quality"
    }
    assert len(population.answers) == 5
    assert not any("a quality judge" in e.grades for e in population.answers)
    other = collect_population(find_judgements([tmp_path], "plum", "a quality judge"))
    assert (other.rubric.name, other.skipped_judges) == ("rationale-quality", {})
    named = collect_population(
        find_judgements([tmp_path], "plum"), load_rubric("rationale-quality")
    )
    assert (len(named.rubrics), named.skipped_judges) == (3, {})
    for run in store.runs():  # where the first has not judged, the next one decides
        stern = run.judgement("stern", "j1")
        run.write_judgement(stern.model_copy(update={"status": "started"}))
    assert (
        collect_population(find_judgements([tmp_path], "plum")).rubric.name == "rationale-quality"
    )


def test_the_command_says_whose_grades_are_taken_and_how_to_take_others(tmp_path):
    two_rubrics(tmp_path / "runs")
    arguments = ["annotate", "--judgements", str(tmp_path / "runs"), "--suite", "plum"]
    outcome = CliRunner().invoke(app, [*arguments, "--out", str(tmp_path / "one")])
    assert outcome.exit_code == 0, outcome.output
    assert (
        "judge a quality judge is left out, as its rubric is rationale-quality; take it instead"
        " with --judge 'a quality judge'"
    ) in outcome.output
    assert "judge stern, rubric rationale-0-3\njudge twin, rubric rationale-0-3\n" in outcome.output
    assert "people see the whole history; a language model" in outcome.output
    more = ["--judge", "a quality judge", "--out", str(tmp_path / "two")]
    outcome = CliRunner().invoke(app, [*arguments, *more])
    assert outcome.exit_code == 0, outcome.output
    assert "left out" not in outcome.output
    assert read_key(tmp_path / "two" / "key.json").rubric.name == "rationale-quality"


def test_the_key_says_what_ids_are(population, tmp_path):
    batch = make_batch(population, 40, 2, 0.5, balanced=True)
    key = read_key(batch.write(tmp_path)[0])
    assert key == batch.key
    assert len(key.items) == 40 == sum(s.drawn for s in key.strata)
    assert set(key.items) == {i for ids in key.annotators.values() for i in ids}
    assert {(i.task, i.method) for i in key.items.values()} == set(RUNS)
    weights = {(s.task, s.method, s.grade): s.size / s.share for s in key.strata}
    for item in key.items.values():
        grade = item.grades["stern"].get("grounding")
        place = item.task, item.method, None if grade is None else int(grade)
        assert item.weight == pytest.approx(weights[place])
    assert key.judges["stern"].comparable == (
        "grounding", "specificity", "faithfulness", "persuasiveness",
    )  # fmt: skip


def test_judges_are_compared_only_where_they_graded_the_same(tmp_path):
    make_store(tmp_path, {("toys", "a"): [1, 2, 3]}, rubric=load_rubric("coherence-1-7"))
    result = find_judgements([tmp_path], "plum")
    assert make_batch(collect_population(result), 3, 1).key.judges["stern"].comparable == (
        "coherence",
    )
    other = collect_population(result, load_rubric("rationale-quality"))
    assert make_batch(other, 3, 1).key.judges["stern"].comparable == ()
    # the same criterion, but the judge was not shown what people are shown
    seen = load_rubric("coherence-1-7").model_copy(
        update={"shows_target": True, "user": "{history}{item}{rationale}{target}"}
    )
    assert make_batch(collect_population(result, seen), 3, 1).key.judges["stern"].comparable == ()


def page_data(html):
    text = re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1]
    return json.loads(text)


def test_pages_are_blind(population, tmp_path):
    """No method, task, suite, run, case, item id, judge, grade or weight; no target."""
    batch = make_batch(population, 60, 2)
    pages = batch.pages()
    assert list(pages) == ["annotator-1", "annotator-2"]
    for html in pages.values():
        for secret in ("zeta-rec", "quux-rec", "stern", "-id", "i-tea", "Taken Cup", "plum",
                       "stratum", "key.json", "rubric_hash"):  # fmt: skip
            assert secret not in html, secret
        result = page_data(html)
        assert {tuple(item) for item in result["items"]} == {
            ("history", "id", "rationale", "title")
        }
        for item in result["items"]:
            assert re.fullmatch("x[0-9a-f]{16}", item["id"])
    ids = [[item["id"] for item in page_data(html)["items"]] for html in pages.values()]
    assert sorted(ids[0]) == sorted(ids[1])
    assert ids[0] != ids[1]
    assert [tuple(row) for row in ids] == list(batch.key.annotators.values())


def test_the_order_on_a_page_says_nothing_of_grade_or_method(population):
    key = make_batch(population, 150, 1).key
    (order,) = key.annotators.values()
    for value in (lambda i: i.grades["stern"].get("grounding", 0), lambda i: i.method == "quux"):
        first = sum(value(key.items[i]) for i in order[:75])
        second = sum(value(key.items[i]) for i in order[75:])
        assert abs(first - second) < 30


def test_the_target_is_shown_only_where_the_rubric_shows_it(tmp_path):
    make_store(tmp_path, {("toys", "a"): [1, 2, 3]}, rubric=load_rubric("rationale-0-3"))
    batch = make_batch(collect_population(find_judgements([tmp_path], "plum")), 3, 1)
    html = batch.pages()["annotator-1"]
    assert {item["target"][:9] for item in page_data(html)["items"]} == {"Taken Cup"}
    assert 'id="target"' in html


def test_text_cannot_leave_its_place(tmp_path):
    make_store(tmp_path, {("toys", "a"): [1, 2, 3]}, text=NASTY)
    html = make_batch(collect_population(find_judgements([tmp_path], "plum")), 3, 1).pages()[
        "annotator-1"
    ]
    assert html.count("<script") == html.count("</script>") == 2
    assert "window.owned" in html
    assert "<script>window.owned" not in html
    assert {item["rationale"][: len(NASTY)] for item in page_data(html)["items"]} == {NASTY}


def test_pages_load_nothing(population):
    html = make_batch(population, 5, 1).pages()["annotator-1"]
    assert "default-src 'none'" in html
    assert not re.search(r"https?://|@import|url\(|src=", html)


@pytest.mark.parametrize(
    ("low", "high", "keys"),
    [
        (0, 3, "0123"),
        (1, 5, "12345"),
        (1, 10, "1234567890"),
        (-2, 2, "12345"),
        (0, 10, [""] * 11),
    ],
)
def test_every_grade_has_a_key_where_there_are_enough(low, high, keys):
    criterion = Criterion(name="fit", low=low, high=high, description="d")
    rubric = load_rubric("coherence-1-7").model_copy(update={"criteria": (criterion,)})
    (result,) = page_data(render_annotation_page("b1", "annotator-1", rubric, []))["criteria"]
    assert [level["key"] for level in result["grades"]] == list(keys)
    assert [level["grade"] for level in result["grades"]] == list(range(low, high + 1))
