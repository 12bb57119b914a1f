"""Options about labels by people: of annotate, agree and report."""

from pathlib import Path
from typing import Annotated, Literal

import typer

PlanOption = Annotated[
    bool,
    typer.Option(
        "--plan",
        help="Say how many answers people have to grade, of which methods, so that the judge's"
        " means are known to --half-width; nothing is written.",
    ),
]
LabelsOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="People's grades, as `benchkit annotate --read` wrote them; may be repeated.",
    ),
]
AllJudgementsOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="PATH",
        help="Correct a judge's means over all answers that it graded: judgements (.parquet),"
        " folders of runs, or a store with --suite; may be repeated.",
    ),
]
EpsilonOption = Annotated[
    float,
    typer.Option(
        min=0,
        max=1,
        help="How much worse than a person a judge may be to replace people, since it costs less:"
        " .2 beside experts, .15 beside trained people, .1 beside crowd workers.",
    ),
]
LabelledSuiteOption = Annotated[str, typer.Option(help="The suite of a store, with --judgements.")]
HalfWidthOption = Annotated[
    float,
    typer.Option(help="--plan: of the 95 % intervals of corrected means, in grades."),
]
CorrelationOption = Annotated[
    float,
    typer.Option(help="--plan without --labels: of the judge's grades with people's."),
]
ExportsOption = Annotated[
    list[Path] | None,
    typer.Option(metavar="CSV [CSV]...", help="Read exports of pages back instead."),
]
PagesOption = Annotated[
    Path | None, typer.Option(help="Folder for the pages; with --read, the file of labels.")
]
PairwiseOption = Annotated[
    bool,
    typer.Option(
        "--pairs",
        help="Show two methods' answers to one case, A and B in an order shuffled for each, and"
        " ask which is better; ties are allowed.",
    ),
]
OverlapOption = Annotated[
    float, typer.Option(min=0, max=1, help="Share of the answers that everybody sees.")
]
AgreementFormatOption = Annotated[
    Literal["terminal", "md", "csv", "json"], typer.Option("--format", help="How to print it.")
]
ReferenceOption = Annotated[
    str, typer.Option(help="Compare with this rater, or with the mean of several (a,b).")
]
PairsOption = Annotated[
    Literal["none", "reference", "all"] | None,
    typer.Option(
        help="Pairs of raters with statistics of their own: none, those with the reference, or"
        " all; by default all up to 45 pairs, above those with the reference, if there is one."
    ),
]
OptionalGradesArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="FILE...",
        help="Grades as CSV, TSV, Parquet or JSONL: a row a grade, with columns item, rater"
        " and grade; without a rater column, a file is a rater. The labels that benchkit"
        " annotate reads back are such a file.",
    ),
]
LikePaperOption = Annotated[
    str,
    typer.Option(
        help="Compare one judge with the mean of people as a paper does, beside its figures:"
        " c-apo:figure8 (coherence, 1 to 7) or c-apo:figure10 (grades, 0 to 3).",
    ),
]
SyntheticOption = Annotated[
    bool,
    typer.Option(
        "--demo", help="--paper: generated grades of a model and of people, marked SYNTHETIC."
    ),
]
NoiseOption = Annotated[
    float,
    typer.Option(help="--demo: standard deviation of people around the model, in grades."),
]
SyntheticExportsOption = Annotated[
    float | None,
    typer.Option(
        "--synthetic",
        metavar="NOISE",
        help="Also write exports of generated annotators: the judge's grades with normal noise of"
        " this standard deviation. For trying it out: names and tables say SYNTHETIC.",
    ),
]
PeopleRubricOption = Annotated[
    str, typer.Option(help="A name or a TOML file; the judge's by default.")
]
RaterColumnsOption = Annotated[
    str, typer.Option(help="For a table with one row an item: a column a rater, named a,b,...")
]
AgreementFolderOption = Annotated[
    Path | None, typer.Option(help="Folder for tables, confusion matrices, disagreements.")
]
