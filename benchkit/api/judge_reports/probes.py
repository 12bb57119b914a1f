"""Probe judges, print what was found, and write it beside the leaderboard."""

from pathlib import Path
from typing import TYPE_CHECKING

from benchkit.api.judge_reports.generated_data import judges_generated_data
from benchkit.console import echo, echo_files
from benchkit.io import folder_name
from benchkit.judging.judge_job import make_judge_jobs
from benchkit.report.core.terminal_table import print_tables
from benchkit.report.probes.files import write_probes
from benchkit.report.probes.tables import probe_tables

if TYPE_CHECKING:
    from rich.console import Console

    from benchkit.api.judgement import JudgingPlan


def estimate_or_probe(
    planned: "JudgingPlan",
    estimate: bool,
    cases: int | None,
    again: bool,
    console: "Console",
    leaderboards: Path,
) -> None:
    """Print what judging, or probing so many cases, would cost; or probe them."""
    if estimate or cases is None:
        for line in planned.estimate(cases, again):
            echo(line)
    else:
        report_probes(planned, cases, console, leaderboards)


def report_probes(
    planned: "JudgingPlan", cases: int, console: "Console", leaderboards: Path
) -> None:
    """Probe the judges on `cases` answers of each method, and print tables.

    They are written into LEADERBOARDS/SUITE, too, where there is such a folder.
    """
    summary, unmeasured = planned.probe(cases)
    if summary.is_empty():
        echo("there are no judged answers to probe", fg="yellow", err=True)
        return
    caveats = {job.spec.name: job.judge.caveats for job in make_judge_jobs(planned.judging)}
    about = caveats, judges_generated_data(planned)
    print_tables(console, probe_tables(summary, unmeasured, *about))
    folder = leaderboards / folder_name(planned.name)
    if folder.is_dir():
        echo_files(write_probes(summary, unmeasured, folder, *about))
