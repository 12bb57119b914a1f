"""Workflows, actions and forms of the repository's host: they parse, are pinned and complete."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONS = sorted((ROOT / ".github" / "actions").glob("*/action.yml"))
FORMS = [p for p in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")) if p.stem != "config"]
PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}")
SCOPES = {"contents", "pull-requests", "pages", "id-token"}


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def steps_of(path):
    content = read(path)
    if "jobs" in content:
        return [step for job in content["jobs"].values() for step in job["steps"]]
    return content["runs"]["steps"]


def ids(path):
    return path.stem if path.parent.name == "workflows" else path.parent.name


def test_there_is_one_for_tests_documentation_releases_and_the_leaderboard():
    assert {path.stem for path in WORKFLOWS} == {"test", "docs", "release", "leaderboard"}
    assert [path.parent.name for path in ACTIONS] == ["benchkit-report"]


@pytest.mark.parametrize("path", WORKFLOWS, ids=ids)
def test_a_workflow_has_a_trigger_least_rights_and_an_end(path):
    content = read(path)
    assert set(content) <= {"name", True, "permissions", "concurrency", "jobs"}  # `on` is True
    assert content["name"] == path.stem and content[True]
    assert content["permissions"] == {"contents": "read"}
    for job in content["jobs"].values():
        assert 0 < job["timeout-minutes"] <= 60
        assert re.fullmatch(r"ubuntu-\d\d\.\d\d", job["runs-on"])  # no moving label
        assert set(job.get("permissions", {})) <= SCOPES
        needed = job.get("needs", [])
        assert set([needed] if isinstance(needed, str) else needed) <= set(content["jobs"])


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=ids)
def test_every_step_is_whole_and_pinned(path):
    for step in steps_of(path):
        assert ("uses" in step) != ("run" in step), step
        if uses := step.get("uses"):
            if uses.startswith("./"):
                assert (ROOT / uses / "action.yml").is_file()
            else:
                assert PINNED.fullmatch(uses), uses
        if "checkout@" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False
        # What others can write must reach a shell by its environment only.
        assert "${{" not in step.get("run", ""), step
        assert step.get("name") or "uses" in step


@pytest.mark.parametrize("path", [*WORKFLOWS, *ACTIONS], ids=ids)
def test_pins_name_their_version(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        if "uses:" in line and "@" in line:
            assert re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_expressions_are_closed_and_of_known_contexts():
    for path in [*WORKFLOWS, *ACTIONS]:
        text = path.read_text(encoding="utf-8")
        assert text.count("${{") == text.count("}}")
        for expression in re.findall(r"\$\{\{ (.+?) \}\}", text):
            assert expression.split(".")[0] in ("github", "matrix", "inputs"), expression


def test_what_workflows_call_is_there():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for path in WORKFLOWS:
        for step in steps_of(path):
            assert set(re.findall(r"\bmake ([\w-]+)", step.get("run", ""))) <= targets


def test_a_release_has_no_token_and_publishes_what_was_tried():
    release = read(ROOT / ".github/workflows/release.yml")
    assert release["jobs"]["publish"]["permissions"] == {"id-token": "write"}
    assert release["jobs"]["publish"]["needs"] == "build"
    text = (ROOT / ".github/workflows/release.yml").read_text("utf-8")
    assert "secrets." not in text and "password" not in text


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_forms_have_what_the_host_asks_for(path):
    form = read(path)
    assert set(form) <= {"name", "description", "labels", "body", "title"}
    assert form["name"] and form["description"]
    names = [part["id"] for part in form["body"] if part["type"] != "markdown"]
    assert len(set(names)) == len(names)
    for part in form["body"]:
        assert part["type"] in ("textarea", "input", "dropdown", "checkboxes", "markdown")
        assert part["attributes"]["label"]
        if part["type"] in ("dropdown", "checkboxes"):
            assert part["attributes"]["options"]


def test_hooks_run_what_make_lint_runs():
    (repository,) = read(ROOT / ".pre-commit-config.yaml")["repos"]
    hooks = {hook["id"]: hook["entry"] for hook in repository["hooks"]}
    assert set(hooks) == {"ruff-check", "ruff-format", "mypy", "suites"}
    lint = (ROOT / "Makefile").read_text("utf-8").partition("lint:")[2].partition("\n\n")[0]
    for tool in ("ruff check", "ruff format", "mypy"):
        assert tool in lint and any(tool in entry for entry in hooks.values())


@pytest.mark.skipif(not shutil.which("check-jsonschema"), reason="check-jsonschema is absent")
@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("github-workflows", WORKFLOWS),
        ("github-actions", ACTIONS),
        ("github-issue-forms", FORMS),
        ("citation-file-format", [ROOT / "CITATION.cff"]),
    ],
)
def test_files_follow_the_published_schemas(schema, paths):
    command = ["check-jsonschema", "--builtin-schema", f"vendor.{schema}", *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
