"""The wheel in an environment of its own: README's commands run from an empty folder."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.support.doc_blocks import ROOT, read_blocks, shell_lines

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_spec("hatchling"), reason="hatchling, which builds it, is absent"),
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-q", "-w", str(folder)], check=True, timeout=300)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def program(wheel, tmp_path_factory):
    """The `benchkit` of a new environment, which borrows everything else from this one."""
    place = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    python = place / "bin" / "python"
    site = Path(sysconfig.get_path("purelib", vars={"base": str(place)}))
    others = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "others.pth").write_text("\n".join(others))
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "-q"]
    done = subprocess.run([*install, "--force-reinstall", str(wheel)], check=False, timeout=300)
    assert done.returncode == 0
    return place / "bin" / "benchkit"


@pytest.fixture
def call(program, tmp_path):
    """Run a command from an empty folder, in which no checkout can be found."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}

    def run(*arguments):
        done = subprocess.run(
            [str(program), *arguments], cwd=tmp_path, env={**environment, "COLUMNS": "140"},
            capture_output=True, text=True, timeout=900,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_the_wheel_has_suites_figures_templates_and_rubrics(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, pattern in (
        ("benchkit/suites", "*.toml"), ("benchkit/lm/templates", "*.toml"),
        ("benchkit/judging/rubrics", "*.toml"), ("benchkit/report/site/templates", "*"),
        ("benchkit/report/site/js", "*.js"), ("baselines", "catalog.toml"),
        ("judges", "catalog.toml"),
    ):  # fmt: skip
        files = [path for path in (ROOT / folder).glob(pattern) if path.is_file()]
        assert files, folder
        assert {str(path.relative_to(ROOT)) for path in files} <= names
    published = (ROOT / "leaderboards" / "published").glob("*.csv")
    assert {f"benchkit/published/{path.name}" for path in published} <= names
    assert not [name for name in names if name.startswith(("tests/", "docs/"))]


def test_it_is_the_wheel_that_runs(program, call, tmp_path):
    python = program.with_name("python")
    script = "import benchkit, baselines; print(benchkit.__file__, baselines.__file__)"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    places = subprocess.run(
        [str(python), "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=True,
    ).stdout.split()  # fmt: skip
    assert all(Path(place).is_relative_to(program.parents[1]) for place in places)
    assert "verdict: benchkit works" in call("doctor")
    assert "wrong" not in call("validate")
    assert "c-apo" in call("ls", "methods") and "amazon5" in call("ls", "suites")


def test_commands_of_the_readme_run_from_an_empty_folder(call, tmp_path):
    commands = 0
    for block in read_blocks(ROOT / "README.md"):
        if block.title:
            (tmp_path / block.title).write_text(block.code, encoding="utf-8")
        if block.language == "sh" and block.mark != "not run":
            for line in shell_lines(block.code):
                call(*line.split()[1:])
                commands += 1
    assert commands
    call("run", "--suite", "quickstart", "--method", "popularity,ease", "--limit-users", "100")
    page = tmp_path / "leaderboards" / "quickstart@100users" / "index.html"
    assert page.stat().st_size > 50_000
    assert "popularity" in call("report", "--suite", "quickstart@100users", "--format", "md")
