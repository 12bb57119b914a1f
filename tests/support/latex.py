"""LaTeX of a report, compiled where a LaTeX is installed."""

import shutil
import subprocess

import pytest

PREAMBLE = "\\documentclass{article}\\usepackage{booktabs,graphicx}\\begin{document}\n"

needs_latex = pytest.mark.skipif(
    not (shutil.which("pdflatex") or shutil.which("tectonic")), reason="no LaTeX is installed"
)


def compile_latex(body, folder):
    """The log of `body` as an article; fails where LaTeX does, or a table is wider than a line."""
    (folder / "t.tex").write_text(PREAMBLE + body + "\\end{document}\n", encoding="utf-8")
    command = (
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"]
        if shutil.which("pdflatex")
        else ["tectonic", "--print", "t.tex"]
    )
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stdout[-2000:]
    assert (folder / "t.pdf").stat().st_size > 1000
    assert "Overfull" not in run.stdout
    return run.stdout
