"""What the rows and datasets of a suite's tables cite."""

from collections.abc import Iterator
from pathlib import Path

from benchkit.api.exports.citations import Citation, cite_methods, cite_sources, render_bibtex
from benchkit.api.results import Results
from benchkit.api.stored_results import load_results
from benchkit.config.suite import load_suite
from benchkit.console import echo, echo_file
from benchkit.data.sources import describe_sources
from benchkit.errors import BenchkitError
from benchkit.report.core.method_runs import collect_method_runs
from benchkit.report.site.cards import match_card
from benchkit.runs.records import EXTERNAL


def cite_suite(results: Results, suite: str) -> tuple[list[Citation], list[str]]:
    """Return the entries of a suite's rows and datasets, and notes on what is not cited.

    Args:
        results: The suite's.
        suite: Its name or file, which says where its datasets are from.
    """
    papers = dict(_find_papers(results))
    notes = [
        f"{label}: its card names no paper"
        for label in results.methods
        if papers.get(label, "none").lower().startswith("none")
    ]
    citations = cite_methods(papers.items())
    try:
        datasets = load_suite(suite).datasets
    except BenchkitError:
        notes.append("datasets are not cited: the suite's file says where they are from")
        return citations, notes
    lines = describe_sources()
    sources = [(spec.name, lines.get(spec.source, "")) for spec in datasets]
    cited = cite_sources(sources)
    named = " ".join(use for entry in cited for use in entry.uses).split()
    notes += [
        f"dataset {spec.name}: source {spec.source!r} names no paper"
        for spec in datasets
        if spec.name not in named
    ]
    return [*citations, *cited], notes


def print_citations(store: Path, suite: str, data: Path) -> None:
    """Print the BibTeX of a stored suite, and on standard error what it lacks."""
    citations, notes = cite_suite(load_results(store, suite, data=data), suite)
    echo_file(render_bibtex(citations))
    for note in notes:
        echo(f"note: {note}", fg="yellow", err=True)


def _find_papers(results: Results) -> Iterator[tuple[str, str]]:
    """Yield the label and the paper of each row with results."""
    plan, tables = results.collected.plan, results.collected.tables
    for (_, label), method in collect_method_runs(results.store, plan, tables).items():
        manifest = method.manifests[0]
        external = manifest.provenance.get(EXTERNAL) or {}
        card = match_card(label, manifest.family, manifest.identity)
        yield label, external.get("paper") or (card.paper if card and card.paper else "none")
