"""Notebooks: without outputs, and they run from an empty folder."""

import ast
import json
import re

import pytest

import benchkit as bk
from tests.support.doc_blocks import ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def code_of(path):
    return ["".join(c["source"]) for c in read(path)["cells"] if c["cell_type"] == "code"]


def ids(path):
    return path.stem


def test_there_are_three_and_the_documentation_names_them():
    assert {path.stem for path in NOTEBOOKS} == {"quickstart", "own-method", "cases"}
    text = (ROOT / "docs" / "howto" / "python.md").read_text(encoding="utf-8")
    assert all(f"(../notebooks/{path.name})" in text for path in NOTEBOOKS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_is_stripped_and_whole(path):
    notebook = read(path)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert cells[0]["cell_type"] == "markdown" and "".join(cells[0]["source"]).startswith("# ")
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
            ast.parse("".join(cell["source"]))
        assert not re.search(r"/(home|tmp|root|Users)/", "".join(cell["source"]))
    assert len(path.read_bytes()) < 20_000


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    """Cell by cell in this process; what a cell ends with can be shown."""
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for number, code in enumerate(code_of(path)):
        file = tmp_path / f"cell_{number}.py"  # where inspect finds the code of classes
        file.write_text(code, encoding="utf-8")
        tree = ast.parse(code)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, str(file), "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), str(file), "eval"), names)
            view = getattr(type(value), "_repr_html_", None)
            assert value is None or (view and "<table" in value._repr_html_()) or repr(value)
    for value in names.values():
        if isinstance(value, bk.Results):
            assert value.failures == {}


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_runs_in_jupyter(path, tmp_path):
    nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("ipykernel", reason="ipykernel is not installed")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    client = nbclient.NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [out for cell in notebook.cells for out in cell.get("outputs", ())]
    assert any("text/html" in out.get("data", {}) for out in outputs)
    assert not [out for out in outputs if out.output_type == "error"]
