"""What an installed benchkit has without its repository: published figures and suites."""

import subprocess
import sys
import tomllib
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchkit.report.paper.published_values import PUBLISHED_FOLDER

ROOT = Path(__file__).parents[1]
PUBLISHED = ROOT / "leaderboards" / "published"


def test_the_wheel_is_to_have_the_published_figures():
    with (ROOT / "pyproject.toml").open("rb") as file:
        wheel = tomllib.load(file)["tool"]["hatch"]["build"]["targets"]["wheel"]
    ((source, target),) = wheel["force-include"].items()
    assert ROOT / source == PUBLISHED and list(PUBLISHED.glob("*.csv"))
    assert target == "benchkit/published"


def test_a_checkout_reads_its_own_figures_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert PUBLISHED_FOLDER.is_absolute() and PUBLISHED_FOLDER.samefile(PUBLISHED)


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("hatchling"), reason="hatchling, which builds it, is absent")
def test_an_installed_benchkit_has_figures_and_suites_without_the_repository(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps", "--no-build-isolation"]
    subprocess.run([*build, "-q", "-w", str(tmp_path)], check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as file:
        file.extractall(installed)
    empty = tmp_path / "empty"
    empty.mkdir()
    script = (
        "import sys, benchkit\n"
        f"sys.path = [path for path in sys.path if path != {str(ROOT)!r}]\n"
        "from benchkit.config.suite import list_shipped_suites, load_suite\n"
        "from benchkit.report.paper import published_values as figures\n"
        "print(benchkit.__file__)\n"
        "print(len(figures.read_published_table(figures.PUBLISHED_FOLDER, 'c-apo:table2')))\n"
        "print(*load_suite('amazon5').published, *sorted(list_shipped_suites()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=empty, env={"PYTHONPATH": str(installed)},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    where, count, suites = done.stdout.splitlines()
    assert Path(where).is_relative_to(installed) and count == "300"
    shipped = sorted(path.stem for path in (ROOT / "benchkit" / "suites").glob("*.toml"))
    assert suites.split() == ["c-apo:table2", *shipped]
    names = {path.name for path in (installed / "benchkit" / "published").iterdir()}
    assert names == {path.name for path in PUBLISHED.iterdir()}
