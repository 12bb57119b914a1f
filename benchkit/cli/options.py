"""Options that several commands share, and those with long help texts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer

from benchkit.console import echo

SuiteOption = Annotated[str, typer.Option(help="A suite by name, or the path of a TOML file.")]
StoredSuiteOption = Annotated[
    str, typer.Option(help="A suite that was run: its name in the store, or the path of its file.")
]
MethodsOption = Annotated[str, typer.Option(help="Only these methods, comma-separated.")]
DatasetOption = Annotated[str, typer.Option(help="Only these datasets, comma-separated.")]
OneDatasetOption = Annotated[
    str, typer.Option(help="The dataset; optional when the suite has one.")
]
StoreOption = Annotated[Path, typer.Option(help="The run store.")]
DataFolderOption = Annotated[Path, typer.Option(help="Where prepared datasets are kept.")]
PublishedOption = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        file_okay=False,
        help="Published figures that stand beside ours, by default those that come with benchkit.",
    ),
]
ProfileOption = Annotated[
    Literal["auto", "paper", "laptop"],
    typer.Option(
        help="paper: the suite's models; laptop: nano and the offline teacher instead; auto is"
        " laptop on a CPU, unless --set changes models."
    ),
]
ChangeOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a value of the suite, e.g. decoding.n=10; may be repeated.",
    ),
]
LimitUsersOption = Annotated[
    int | None, typer.Option(min=1, help="Only so many users; kept apart as SUITE@Nusers.")
]
DemoOption = Annotated[
    bool,
    typer.Option(
        "--demo",
        help="Run on small generated data in the format of the real ones, which are not needed;"
        " kept apart as SUITE@demo300, a name that other commands take, too.",
    ),
]
DemoUsersOption = Annotated[
    int, typer.Option(min=100, help="With --demo: about how many users are left of a dataset.")
]
TrustOption = Annotated[
    bool,
    typer.Option(
        "--trust",
        help="Let code run that a file names (FILE.py:Class, a model's own code), wherever the"
        " file is from; code in the current folder may run without it.",
    ),
]


def _allow_keys(context: typer.Context, pairs: list[str] | None) -> list[str] | None:
    """Allow the pairs until the command ends, in the processes that it starts, too."""
    from benchkit.key_access import allow_keys

    context.with_resource(allow_keys(pairs or ()))
    return pairs


AllowKeyOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-key",
        metavar="VARIABLE=HOST",
        callback=_allow_keys,
        help="Let the API key in this environment variable go to this server; may be repeated."
        " OpenAI's key may go to OpenAI and to this machine.",
    ),
]

# benchkit run
ExecutorOption = Annotated[
    str,
    typer.Option(
        help="Where runs are computed: inline, processes, ray, slurm, an entry point,"
        " FILE.py:Class. By default processes where --jobs is more than 1."
    ),
]
ExecutorOptionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--executor-option",
        metavar="NAME=VALUE",
        help="An option of ray (address=auto, gpus=0.5, ...) or slurm (partition=gpu, time=60,"
        " export=DIR, ...); repeatable.",
    ),
]
AnyMethodsOption = Annotated[
    str, typer.Option(help="Only these methods, comma-separated; FILE.py:Class works, too.")
]
JobsOption = Annotated[
    int,
    typer.Option(
        min=1, help="Runs at a time, each in its own process; on clusters 1 is all that has room."
    ),
]
ThreadsOption = Annotated[
    int, typer.Option(min=1, help="Threads of one run; part of its identity.")
]
FetchOption = Annotated[
    bool,
    typer.Option(
        "--fetch/--no-fetch",
        help="Fetch public data that are missing first, or stop there and say where they are.",
    ),
]
OverwriteOption = Annotated[
    Literal["never", "failed", "always"], typer.Option(help="Which finished runs are done again.")
]
LeaderboardsOption = Annotated[
    Path,
    typer.Option(help="Where tables, plots and the page are written, in a folder named as SUITE."),
]
RenewedOption = Annotated[
    Path, typer.Option(help="Where LEADERBOARDS/SUITE, if there is one, is written again.")
]
ConfineOption = Annotated[
    bool,
    typer.Option(
        "--confine",
        help="Keep the processes of methods from reading answer keys and the store (Linux).",
    ),
]

# benchkit judge
JudgeConfigOption = Annotated[
    Path | None,
    typer.Option(
        help="Settings of that judge, as TOML. A max_cost holds for one call, and for each"
        " judge of a suite or panel by itself."
    ),
]
EstimateOption = Annotated[
    bool,
    typer.Option(help="Print the likely and the largest number of calls, tokens and cost; stop."),
]
ProbeOption = Annotated[
    int | None,
    typer.Option(
        min=2,
        help="Store no grades; measure how changes to so many answers of each method move them.",
    ),
]

# benchkit import
RunFolderOption = Annotated[Path | None, typer.Option(help="The folder of one run of benchkit's.")]
CasesHashOption = Annotated[
    str, typer.Option(help="The cases_hash of the cases, if FILE has no .meta.json.")
]
LabelOption = Annotated[str, typer.Option(help="What the row is called.")]
FamilyOption = Annotated[
    str, typer.Option(help="Its group in tables, e.g. cf, prompted, sft, preference, rl.")
]
PaperOption = Annotated[str, typer.Option(help="Where the method is described.")]

# benchkit rationales
TrainingUsersOption = Annotated[
    int | None, typer.Option(min=1, help="Only so many users to train on.")
]
TeacherOption = Annotated[
    Path | None, typer.Option(help="The teacher as TOML; the offline template if not given.")
]

# benchkit annotate
PathsArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[PATH]...", help="More paths for --judgements, or for --read."),
]
JudgementsOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="PATH [PATH]...",
        help="What to sample from: judgements (.parquet), folders of runs, or a store with"
        " --suite.",
    ),
]
RationalesOption = Annotated[
    str,
    typer.Option(
        metavar="FILE",
        help="Sample from what `benchkit rationales` wrote, to compare a teacher's scores with"
        " people's; {dataset} in it is the name of each dataset of --suite.",
    ),
]
BalancedOption = Annotated[
    bool,
    typer.Option(
        "--balanced",
        help="Draw equally many answers of each grade that the judge gave, so that rare grades are"
        " seen; benchkit agree then weights them back.",
    ),
]
OnlyJudgeOption = Annotated[
    str,
    typer.Option(
        help="Only judgements by this judge (its label); by default by the suite's first judge"
        " and those with the same rubric."
    ),
]

# benchkit agree
GradesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...",
        help="Grades as CSV, TSV, Parquet or JSONL: a row a grade, with columns item, rater"
        " and grade; without a rater column, a file is a rater. The labels that benchkit"
        " annotate reads back are such a file, and so is a log of Inspect as JSON.",
    ),
]
SystemOption = Annotated[
    str,
    typer.Option(
        help="Column of the method that gave the graded answer; by default 'system', if there."
    ),
]
ClusterOption = Annotated[
    str,
    typer.Option(
        help="Column of the case that is answered: answers to one case are resampled together."
        " By default 'cluster', if there; else, with systems, the item."
    ),
]
WeightOption = Annotated[
    str,
    typer.Option(
        help="Column of sampling weights, how many answers each stands for; by default"
        " 'weight', if there."
    ),
]
ScaleOption = Annotated[
    str,
    typer.Option(
        help="All possible grades, as 0-3 or 0,1,2,3; by default what a column 'scale' says,"
        " else the whole numbers from the lowest grade to the highest. none: raters grade on"
        " different scales, and only correlations are measured."
    ),
]
# benchkit report
ForgetOption = Annotated[
    list[str] | None,
    typer.Option(help="A row (its label) that leaves the tables; its runs stay on disk."),
]
CiteOption = Annotated[
    bool,
    typer.Option("--cite", help="Instead: BibTeX of the methods and datasets, from their cards."),
]

PartialOption = Annotated[
    bool,
    typer.Option(
        "--partial",
        help="Candidates without a score were not retrieved; without it all need a score.",
    ),
]
CriterionOption = Annotated[
    str, typer.Option(help="Only this criterion of a rubric; by default each by itself.")
]
GapOption = Annotated[
    float | None,
    typer.Option(
        help="List items whose grades are further apart; by default two thirds of the scale"
        " (4 of 1-7)."
    ),
]

# benchkit abtest
ControlOption = Annotated[
    str,
    typer.Option(
        help="CLICKS/IMPRESSIONS, and /CONVERSIONS behind it if known; with --csv the name of"
        " the arm, by default the first."
    ),
]
TauOption = Annotated[
    float,
    typer.Option(help="Always-valid test: the difference of rates that it is tuned to."),
]


@contextmanager
def say_what_is_kept(store: Path) -> Iterator[None]:
    """Let Ctrl-C say what is kept and how to go on, where nothing deeper said it."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise KeyboardInterrupt(
            str(interrupt)
            or f"what is complete is kept in {store}: run the same command again to go on, or"
            " benchkit report to see the tables so far"
        ) from None


def exit_if_damaged(rows: Sequence[str]) -> None:
    """End with 1 where rows have no figures because their records are damaged; name them."""
    for row in rows:
        echo(row, fg="red", err=True)
    if rows:
        raise typer.Exit(1)
