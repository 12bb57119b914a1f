"""Comparisons of methods as tables, CSV and JSON. Same store, same bytes."""

from dataclasses import asdict
from typing import Any

import numpy as np

from benchkit.count_text import count_text
from benchkit.report.comparison.paired_comparison import MethodComparison, SuiteComparison
from benchkit.report.core.cell import SIGNIFICANCE_LEVEL
from benchkit.report.core.json_text import json_text
from benchkit.report.core.labels import count_title, format_p_value, format_rate, metric_title
from benchkit.report.core.text_table import TableDocument, TextTable, csv_text

_SEVERAL_CASES = (
    "Users have several cases: means and differences are over cases; intervals, p, d_z, r, Seen and"
    " Needed are over users. All cases of a user are resampled, and change their signs, together;"
    " McNemar's test, of independent cases, is left out."
)


def comparison_document(comparison: SuiteComparison) -> TableDocument:
    """Build a table of pairs for each task, of wins over tasks, and of ranks over tasks."""
    tables = [_pairs(comparison, task) for task in comparison.tasks]
    if len(comparison.tasks) > 1:
        tables.append(_wins(comparison))
    if comparison.ranking is not None:
        tables.append(_ranking(comparison))
    return TableDocument(tuple(tables), tuple(comparison_legend(comparison)))


def comparison_markdown(comparison: SuiteComparison) -> str:
    """Render the document as Markdown."""
    return comparison_document(comparison).to_markdown()


def comparison_legend(comparison: SuiteComparison) -> list[str]:
    """Explain the columns, how many comparisons were made, and add the notes."""
    count = len(comparison.pairs)
    lines = [
        f"{count_text(count, 'comparison')} made; Holm and BH (Benjamini and"
        " Hochberg) adjust p over all of them.",
        "Difference: mean over users of the first minus the second, with its 95 % interval. p:"
        " two-sided, over users by flipping the signs of their differences.",
        *([_SEVERAL_CASES] if any(line.users < line.n for line in comparison.pairs) else []),
        "d_z: mean over SD of the differences; r: rank-biserial correlation of the pairs. Seen:"
        " the difference that so many users and seeds show with 80 % power at 5 %.",
    ]
    if any(line.seeds_matter for line in comparison.pairs):
        lines.append(
            "The interval and Seen are over what p is over. p, users alone: by flipping signs,"
            " with seeds averaged."
        )
    if any(line.mcnemar for line in comparison.pairs):
        lines.append(
            "McNemar: users that only the first or only the second has, exact p, mid-p. It is empty"
            " where a user's value is neither 0 nor 1, because ties count by their expectation and"
            " seeds by their mean."
        )
    if comparison.target_difference is not None:
        lines.append(
            f"Needed: users that show a difference of {comparison.target_difference:g} with 80 %"
            " power at 5 %, with the seeds there are; 'more seeds' where no number of users does."
        )
    return [*lines, *comparison.notes]


def _pairs(comparison: SuiteComparison, task: str) -> TextTable:
    pairs = [line for line in comparison.pairs if line.task == task]
    binary = any(line.mcnemar for line in pairs)
    seeded = any(line.seeds_matter for line in pairs)
    header = (
        "Methods", "Means", "Difference", "p", *(["p, users alone"] if seeded else []), "Holm",
        "BH", *(["McNemar"] if binary else []), "d_z", "r", "Seen",
        *(["Needed"] if comparison.target_difference is not None else []),
    )  # fmt: skip
    rows = tuple(
        (
            f"{line.a} - {line.b}",
            f"{format_rate(line.mean_a)}, {format_rate(line.mean_b)}",
            f"{line.difference:+.4f} [{line.low:+.4f}, {line.high:+.4f}]",
            format_p_value(line.p),
            *([format_p_value(line.p_users)] if seeded else []),
            format_p_value(line.p_holm) + ("*" if line.p_holm < SIGNIFICANCE_LEVEL else ""),
            format_p_value(line.p_bh),
            *([_mcnemar(line)] if binary else []),
            f"{line.d_z:+.3f}",
            f"{line.rank_biserial:+.3f}",
            f"{line.detectable:.4f}",
            *([_needed(line)] if comparison.target_difference is not None else []),
        )
        for line in pairs
    )
    counts = count_title(pairs[0].users, pairs[0].n) if pairs else "0 users"
    title = f"{comparison.title}: {task} ({comparison.protocol}, {counts}), "
    return TextTable(title + metric_title(comparison.metric), header, rows)


def _mcnemar(line: MethodComparison) -> str:
    if line.mcnemar is None:
        return ""
    m = line.mcnemar
    return f"{m.only_a}:{m.only_b}, {format_p_value(m.p)}, {format_p_value(m.mid_p)}"


def _needed(line: MethodComparison) -> str:
    if line.needed is not None:
        return f"{line.needed:,}"
    return "more seeds" if line.detectable > 0 else "-"


def _wins(comparison: SuiteComparison) -> TextTable:
    lines = tuple(
        (f"{t.a} - {t.b}", str(t.wins), str(t.ties), str(t.losses)) for t in comparison.tallies
    )
    return TextTable(
        f"Tasks won, tied and lost of {len(comparison.tasks)} (p < 5 % after Holm)",
        ("Methods", "Won", "Tied", "Lost"),
        lines,
    )


def _ranking(comparison: SuiteComparison) -> TextTable:
    ranking = comparison.ranking
    assert ranking is not None  # noqa: S101
    first = int(np.argmin(ranking.ranks))
    lines = tuple(
        (
            comparison.ranked_methods[i],
            f"{ranking.ranks[i]:.2f}",
            "" if i == first else format_p_value(float(ranking.nemenyi[first, i])),
        )
        for i in np.argsort(ranking.ranks, kind="stable")
    )
    return TextTable(
        f"Mean ranks over {ranking.n} tasks, {metric_title(comparison.metric)}",
        ("Method", "Mean rank", "p against the first (Nemenyi)"),
        lines,
        (
            f"Friedman: chi-square {ranking.statistic:.3f}, p {format_p_value(ranking.p)} by"
            f" shuffled ranks, {format_p_value(ranking.p_chi2)} by chi-square,"
            f" {format_p_value(ranking.p_f)} by Iman and Davenport.",
            f"Critical difference of mean ranks {ranking.critical_difference:.3f} by shuffled"
            f" ranks, {ranking.asymptotic_critical_difference:.3f} by the studentized range.",
        ),
    )


def comparison_records(comparison: SuiteComparison) -> list[dict[str, Any]]:
    """Return a flat record for each line, exact numbers."""
    records = []
    for line in comparison.pairs:
        record = asdict(line)
        test = record.pop("mcnemar") or {}
        seeds_a, seeds_b = record.pop("seeds")
        records.append(
            {
                "suite": comparison.suite,
                "protocol": comparison.protocol,
                "metric": comparison.metric,
                **record,
                "seeds_a": seeds_a,
                "seeds_b": seeds_b,
                "only_a": test.get("only_a"),
                "only_b": test.get("only_b"),
                "p_mcnemar": test.get("p"),
                "p_mcnemar_mid": test.get("mid_p"),
                "comparisons": len(comparison.pairs),
            }
        )
    return records


def comparison_csv(comparison: SuiteComparison) -> str:
    """Return one line a pair and task."""
    records = comparison_records(comparison)
    return csv_text(list(records[0]), records)


def comparison_json(comparison: SuiteComparison) -> str:
    """Return everything as JSON; what is undefined is null."""
    ranking = None
    if (ranking_test := comparison.ranking) is not None:
        ranking = {
            "n": ranking_test.n,
            "ranks": dict(zip(comparison.ranked_methods, ranking_test.ranks.tolist(), strict=True)),
            "friedman": {
                "statistic": ranking_test.statistic,
                "p": ranking_test.p,
                "p_chi2": ranking_test.p_chi2,
                "p_f": ranking_test.p_f,
            },
            "critical_difference": ranking_test.critical_difference,
            "critical_difference_limit": ranking_test.asymptotic_critical_difference,
            "nemenyi": ranking_test.nemenyi.tolist(),
            "nemenyi_limit": ranking_test.asymptotic_nemenyi.tolist(),
        }
    value = {
        "suite": comparison.suite,
        "metric": comparison.metric,
        "protocol": comparison.protocol,
        "comparisons": len(comparison.pairs),
        "pairs": comparison_records(comparison),
        "tasks_won": [asdict(tally) for tally in comparison.tallies],
        "ranking": ranking,
        "notes": comparison_legend(comparison),
    }
    return json_text(value)


COMPARISON_FORMATS = {"md": comparison_markdown, "csv": comparison_csv, "json": comparison_json}
