"""Whatever things are called, their folders lie in the store, are theirs alone, and fit."""

from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchkit import io
from benchkit.api.results import Results
from benchkit.config.loading import validate_model
from benchkit.config.suite import Suite
from benchkit.data.preparation.cache import dataset_dir
from benchkit.errors import BenchkitError, ConfigError
from benchkit.report.core.file_names import unique_stems
from benchkit.runs.records import JudgementManifest
from benchkit.runs.store import Run, Store

PARTS = st.sampled_from(
    [
        "..",
        ".",
        "/",
        "\\",
        "\0",
        "\n",
        "~",
        " ",
        "a",
        "x" * 130,
        "é",
        "e\u0301",
        "★",
        "\u202e",
        "C:",
    ]
)
DANGEROUS = [
    "",
    " ",
    ".",
    "..",
    "...",
    "../x",
    ".x",
    "a\0b",
    "a\nb",
    "\x1b[2J",
    "\ud800",
    "x" * 1001,
]
NAMES = st.one_of(st.text(max_size=300), st.lists(PARTS, max_size=6).map("".join))


def components(path, root):
    """The parts of a path below a root, once `..` and links are resolved."""
    return path.resolve().relative_to(root.resolve()).parts


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("store")).create()


@given(suite=NAMES, task=NAMES, label=NAMES, run_id=NAMES)
@example("..", "..", "..", "..")
@example("a", "..", "..", "../../../x")
@example("a\0b", "x" * 1000, "/etc/passwd", "0" * 16)
@example("a", "b", ".", "c")
def test_runs_lie_in_the_store(root, suite, task, label, run_id):
    try:
        path = root.run(suite, task, label, run_id).path
    except ConfigError as error:
        assert "name" in error.cause and error.hint
        return
    names = components(path, root.root)
    assert len(names) == 4 and not any(name.startswith(".") for name in names)
    assert all(len(f".{name}.12345678.parquet".encode()) < 255 for name in names)
    assert [io.folder_name(name) for name in names] == list(names)
    path.mkdir(parents=True, exist_ok=True)


@given(name=NAMES)
def test_plans_and_locks_of_a_suite_lie_in_the_store(root, name):
    try:
        assert root.plan(name) is None
    except ConfigError:
        return
    folder = root.root / io.folder_name(name)
    assert components(folder / "plan.json", root.root)[-1] == "plan.json"
    lock = f"plan-{io.folder_name(name)}.lock"
    assert "/" not in lock and len(lock.encode()) < 255


@given(label=NAMES)
@example("../../x")
@example("..")
def test_judgements_lie_in_their_run(root, label):
    run = root.run("suite", "task", "label", "0123456789abcdef")
    try:
        assert run.judgement(label, "0123456789abcdef") is None
        record = JudgementManifest.model_construct(label=label, judge_id="0123456789abcdef")
        path = run._verdicts(record)
    except ConfigError:
        return
    below, name = components(path, run.path)
    assert below == "judgements" and len(f".{name}.12345678".encode()) < 255


@given(first=NAMES, second=NAMES)
@example("a/b", "a b")
@example("★", "☆")
@example("é", "e\u0301")
@example("x" * 200, "x" * 201)
@example("★", io.folder_name("★"))
def test_two_names_share_no_folder_or_are_refused_together(first, second):
    try:
        folders = io.folder_name(first), io.folder_name(second)
    except ConfigError:
        return
    shared = first != second and folders[0] == folders[1]
    assert (io.find_folder_clash([first, second]) is not None) == shared


@settings(deadline=None)
@given(name=NAMES)
def test_datasets_lie_in_the_data_folder(tmp_path_factory, name):
    data = tmp_path_factory.getbasetemp()
    values = {"name": "s", "datasets": [{"name": name, "source": "toy"}],
              "methods": [{"method": "random"}]}  # fmt: skip
    try:
        suite = validate_model(Suite, values, "s.toml")
    except BenchkitError:
        return
    (folder,) = components(dataset_dir(suite.datasets[0], data), data)
    assert len(f".{folder}.lock".encode()) < 255


@given(suite=NAMES)
def test_leaderboards_lie_in_their_folder(suite):
    collected = SimpleNamespace(plan=SimpleNamespace(suite=suite))
    results = SimpleNamespace(_collected=collected, _store=None, _data=None)
    with (
        mock.patch("benchkit.api.case_lookup.make_case_lookup"),
        mock.patch("benchkit.report.leaderboard.writer.write_leaderboard") as write,
    ):
        try:
            Results.write(results, "leaderboards")
        except ConfigError:
            return
    assert len(components(write.call_args.args[2], Path("leaderboards"))) == 1


@given(names=st.lists(st.tuples(NAMES, NAMES), max_size=4))
def test_plots_and_tables_lie_in_their_folder(names):
    stems = list(unique_stems(names))
    assert len({stem.casefold() for stem in stems}) == len(names)
    for stem in stems:
        assert components(Path("plots") / f"{stem}.png", Path("plots")) == (f"{stem}.png",)
        assert len(f".{stem}.png.12345678.part".encode()) < 255 and "\0" not in stem


@pytest.mark.parametrize("name", DANGEROUS)
def test_a_dangerous_name_is_refused(name):
    with pytest.raises(ConfigError, match="rename it"):
        io.folder_name(name)


def test_ordinary_names_keep_their_folders():
    for name, folder in (
        ("recbole/SASRec", "recbole-SASRec"), ("quickstart@50users", "quickstart@50users"),
        ("Größe (1:2)", "Größe--1-2-"), ("a" * 120, "a" * 120),
    ):  # fmt: skip
        assert io.folder_name(name) == folder
    assert io.folder_name("a" * 121) != io.folder_name("a" * 122)
    assert len(io.folder_name("方" * 300).encode()) <= 120


def test_a_run_with_long_and_odd_names_is_stored_and_found(tmp_path):
    run = Store(tmp_path / "runs").create().run("★ suite", "t" * 300, "☆/" * 100, "0" * 16)
    io.write_text(run.log, "x")
    assert Run(run.path).log.read_text() == "x"
