"""The public names: listed once, documented, with an example, and loaded when they are used."""

import inspect
import subprocess
import sys

import pytest

import benchkit

TYPES = {"__version__"}


def test_every_name_is_found():
    for name in benchkit.__all__:
        assert getattr(benchkit, name) is not None
    assert sorted(benchkit.__all__) == benchkit.__all__
    assert set(benchkit.__all__) <= set(dir(benchkit))


def test_the_list_and_the_imports_for_type_checkers_agree():
    assert set(benchkit._MODULE_OF) | TYPES == set(benchkit.__all__)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        benchkit.runn  # noqa: B018


@pytest.mark.parametrize("name", sorted(set(benchkit.__all__) - TYPES))
def test_every_public_name_is_documented(name):
    assert inspect.getdoc(getattr(benchkit, name)), name


@pytest.mark.parametrize(
    "name", ["Dataset", "Comparison", "Results", "compare", "judge", "load_results", "plan", "run"]
)
def test_the_api_has_examples(name):
    thing = getattr(benchkit, name)
    assert ">>>" in inspect.getdoc(thing), name
    if inspect.isclass(thing):
        for member, value in vars(thing).items():
            public = inspect.isfunction(value) and not member.startswith("_")
            if public and member not in (
                "print",
                "to_pandas",
                "model_post_init",
            ):  # `to_polars` has the example
                assert ">>>" in (inspect.getdoc(value) or ""), f"{name}.{member}"


def test_importing_it_loads_next_to_nothing():
    code = "import benchkit, sys; print(sorted(m for m in sys.modules if m.startswith('benchkit')))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "['benchkit']"
