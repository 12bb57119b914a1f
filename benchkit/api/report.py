"""What `benchkit report` prints: one view of a suite's results."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchkit.api.case_lookup import find_target_places, make_case_lookup
from benchkit.api.judge_reports.agreement_protocol import agreement_like_paper, render_agreement
from benchkit.api.results import Results
from benchkit.api.stored_results import find_stored_suite, load_results
from benchkit.console import echo, echo_file, echo_files
from benchkit.count_text import count_text
from benchkit.io import folder_name
from benchkit.report.agreement.paper_protocol import is_agreement_figure
from benchkit.report.comparison.interference import measure_interference
from benchkit.report.comparison.interference_table import interference_tables, render_interference
from benchkit.report.core.labels import MIXED
from benchkit.report.core.mixed_protocols import select_protocol
from benchkit.report.core.terminal_table import print_tables
from benchkit.report.leaderboard import writer
from benchkit.report.paper.published_values import PUBLISHED_FOLDER, unmatched_tables
from benchkit.report.ranking.table_ranks import SuiteRanks
from benchkit.report.site.page import render_page
from benchkit.runs.store import Store

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class ReportView:
    """How results are shown.

    Attributes:
        format_: "terminal", "md", "csv", "latex", "html" (the page) or, with `ranks`, "json".
        layout: "tasks", a table a task, or "paper", tasks side by side.
        intervals: Whether the papers' layout has intervals, too.
        costs: Show costs instead of metrics.
        paper: A paper's table or figure that gives the shape, e.g. "c-apo:table2".
        protocol: The only protocol shown, or "mixed"; all when empty, and for `paper` what papers
            print: mixed where the results allow it, else scored.
        published: Folder of published figures, those that come with benchkit when None.
        ranks: Show ranks with their intervals, too.
        interference: The row of the expert whose high-preference negatives are looked for among
            the errors of the others, instead of the metrics.
        labels: Files of people's grades, by which those of judges are corrected.
    """

    format_: str = "terminal"
    layout: str = "tasks"
    intervals: bool = False
    costs: bool = False
    paper: str = ""
    protocol: str = ""
    published: Path | None = None
    ranks: bool = False
    interference: str = ""
    labels: tuple[Path, ...] = ()

    @property
    def is_paper(self) -> bool:
        """Whether tasks stand side by side."""
        return bool(self.paper) or self.layout == "paper"

    @property
    def is_agreement(self) -> bool:
        """Whether it is a paper's agreement of people with a judge, from labels."""
        return bool(self.labels) and is_agreement_figure(self.paper)

    def find_conflict(self, writes: bool) -> tuple[str, str] | None:
        """Return (option, why) for an option that would be ignored or contradicts another.

        writes: whether leaderboard files are written as well.
        """
        if self.interference and (self.costs or self.is_paper):
            others = "leave out --costs, --layout paper and --paper"
            return "--interference", f"is a table of its own: {others}"
        if self.costs and self.is_paper:
            return "--costs", "is a table of its own: leave out --layout paper and --paper"
        if self.format_ == "html" and (self.costs or self.is_paper or self.interference):
            return (
                "--format",
                "html is the page, which has all tasks and costs: print --layout paper, --paper,"
                " --costs and --interference as md, csv or latex",
            )
        if self.ranks and (self.costs or self.paper or self.format_ == "html"):
            return (
                "--ranks",
                "goes with the tables of metrics and with --layout paper, not with --costs and"
                " --paper; the page has ranks among its columns",
            )
        if self.ranks and self.protocol == MIXED:
            return "--ranks", "compares rows under one protocol: leave out --protocol mixed"
        if self.format_ == "json" and (self.is_paper or not self.ranks):
            return "--format", "json is for --ranks, without --layout paper"
        has_grades = self.format_ not in ("json", "html") and not (self.is_paper or self.costs)
        has_grades = has_grades or self.is_agreement
        if self.labels and (self.interference or not (has_grades or writes)):
            return "--labels", "goes with the tables of grades, which this view has not"
        if self.intervals and not self.is_paper:
            return "--intervals", "goes with --layout paper or --paper"
        if self.protocol and (self.costs or self.format_ == "html"):
            return "--protocol", "goes with neither --costs nor --format html, which have all"
        reads_published = self.is_paper or self.costs or self.format_ == "html" or writes
        if self.published is not None and not reads_published:
            return (
                "--published",
                "goes with --layout paper, --paper, --costs, --format html or --leaderboards",
            )
        return None


def forget_rows(
    store: Path, suite: str, labels: Iterable[str], are_written: bool = False
) -> Iterator[str]:
    """Take rows out of a suite's tables, and yield what was done; the runs stay on disk.

    Args:
        store: The run store.
        suite: The suite, or its file.
        labels: The rows.
        are_written: Whether the leaderboard is written again afterwards.

    Raises:
        StoreError: The suite was not run.
        ConfigError: It has no such row.
    """
    records = Store(store)
    for label in labels:
        name = find_stored_suite(records, suite)
        count = records.forget(name, label)
        yield f"forgot {label}: {count_text(count, 'planned run')}; results stay"
        if (folder := Path("leaderboards") / folder_name(name)).is_dir() and not are_written:
            yield f"{folder} is as before: --leaderboards {folder.parent} writes it again"


def print_view(
    view: ReportView, store: Path, suite: str, data: Path, console: "Console"
) -> tuple[Results, list[str]]:
    """Print one view of the results, and return them with notes on unmatched published tables."""
    labels = () if view.is_agreement else view.labels
    results = load_results(store, suite, data=data, labels=labels)
    folder = view.published or PUBLISHED_FOLDER
    notes: list[str] = []
    if view.is_agreement:
        text = ""
        agreement, _ = agreement_like_paper(view.labels, view.paper, published=view.published)
        if view.format_ == "terminal":
            print_tables(console, agreement)
        else:
            text = render_agreement(agreement, view.format_)
    elif view.is_paper and view.format_ == "terminal":
        text = ""
        ranks = SuiteRanks(results.store, results.collected) if view.ranks else None
        tables = writer.paper_text_tables(
            results.collected,
            results.store,
            folder,
            view.intervals,
            view.paper,
            view.protocol,
            ranks,
        )
        print_tables(console, tables)
    elif view.is_paper:
        text = results.paper_table(
            view.format_,
            paper=view.paper,
            intervals=view.intervals,
            protocol=view.protocol,
            published=folder,
            ranks=view.ranks,
        )
    elif view.costs:
        text = ""
        if view.format_ == "terminal":
            print_tables(console, writer.cost_tables(results.collected, folder, results.store))
        else:
            text = writer.render_costs(results.collected, folder, view.format_, results.store)
    elif view.interference:
        text = _show_interference(view, results, data, console)
    elif view.format_ == "html":
        lookup = make_case_lookup(data)
        text = render_page(results.collected, results.store, folder=folder, questions=lookup)
    elif view.format_ == "terminal":
        text = ""
        shown = results
        if view.protocol:
            shown = Results(select_protocol(results.collected, view.protocol), results.store, data)
        shown.print(console, ranks=view.ranks)
    else:
        text = results.table(view.format_, protocol=view.protocol, ranks=view.ranks)
    if text:
        echo_file(text)
    if view.costs or view.format_ == "html" or (view.is_paper and not view.paper):
        notes += unmatched_tables(results.collected.plan, folder)
    return results, notes


def _show_interference(view: ReportView, results: Results, data: Path, console: "Console") -> str:
    """Return the text of a file; on a terminal print it, and return nothing."""
    collected = results.collected
    plan = collected.plan
    lookup = find_target_places(data)
    measured = measure_interference(results.store, collected, view.interference, lookup)
    if view.format_ != "terminal":
        return render_interference(plan.suite, plan.title, measured, view.format_)
    print_tables(console, interference_tables(plan.title, measured))
    return ""


def unmatched_published(results: Results, folder: Path | None) -> list[str]:
    """Return a note for each published table that the suite names and the folder lacks."""
    return unmatched_tables(results.collected.plan, folder or PUBLISHED_FOLDER)


def renew_leaderboard(results: Results, leaderboards: Path, store: Path) -> None:
    """Write a suite's tables again where there are some; else say what writes them.

    For commands other than `run` that change results.
    """
    if (leaderboards / folder_name(results.suite)).is_dir():
        echo_files(results.write(leaderboards))
    else:
        command = f"benchkit report --suite {results.suite} --out {store}"
        echo(f"see: {command} (--leaderboards {leaderboards} writes files)")
