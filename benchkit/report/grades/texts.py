"""Statistics of rationales as tables beside the grades; they judge nothing."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from benchkit.report.core.cell import Cell
from benchkit.report.core.grade_results import GradeRow, GradeTable, TextStatistics
from benchkit.report.core.labels import format_cell
from benchkit.report.core.text_table import TextTable
from benchkit.report.grades.means import case_mean
from benchkit.stats.text_statistics import (
    distinct_n,
    reading_ease,
    rouge_l,
    self_repetition,
    split_lower_words,
)

_TITLE = "text statistics (not a judgement of quality)"


def describe_texts(graded: pl.DataFrame) -> TextStatistics | None:
    """Return the statistics of a method's rationales, None where there are none.

    graded: a row an answer, as `answer_grades` returns them.
    """
    texts = graded.filter(pl.col("rationale").str.strip_chars().str.len_chars() > 0)
    if not len(texts):
        return None
    words = [split_lower_words(text) for text in texts["rationale"]]
    references = [split_lower_words(reference or "") for reference in texts["reference"]]
    per_case = texts.with_columns(
        pl.Series("count", [len(part) for part in words]),
        pl.Series("ease", [reading_ease(text) for text in texts["rationale"]], dtype=pl.Float64),
        pl.Series(
            "rouge_l",
            [
                rouge_l(part, reference) if reference else None
                for part, reference in zip(words, references, strict=True)
            ],
            dtype=pl.Float64,
        ),
    )
    seeds = texts["seed"].to_numpy()
    by_seed = [
        [part for part, other in zip(words, seeds, strict=True) if other == seed]
        for seed in np.unique(seeds)
    ]
    return TextStatistics(
        words=case_mean(per_case, "count"),
        reading_ease=case_mean(per_case, "ease"),
        distinct_1=_mean([distinct_n(part, 1) for part in by_seed]),
        distinct_2=_mean([distinct_n(part, 2) for part in by_seed]),
        self_repetition=_mean([self_repetition(part) for part in by_seed]),
        rouge_l=case_mean(per_case, "rouge_l"),
        similarity=case_mean(per_case, "similarity"),
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def text_tables(suite: str, table: GradeTable) -> Iterator[TextTable]:
    """Yield the statistics of a task's rationales, and where there are reviews, those with them."""
    rows = [(row.label, row.text) for row in table.rows if row.text is not None]
    if not rows:
        return
    yield TextTable(
        f"{suite}: {table.task}, {_TITLE}",
        ("Method", "Words", "Reading ease", "Dist-1", "Dist-2", "Repeats"),
        tuple(
            (label, _format(text.words, "{:.0f}"), _format(text.reading_ease, "{:.0f}"),
             *map(_share, (text.distinct_1, text.distinct_2, text.self_repetition)))
            for label, text in rows
        ),
        (
            "Of all rationales; 95 % bootstrap intervals over users. Reading ease: Flesch's, higher"
            " for easier, made for English. Dist-1, Dist-2: different words and pairs of words"
            " among all; they fall with the amount of text. Repeats: share of the sequences of 4"
            " words that stand in another rationale of the method, too.",
        ),
    )  # fmt: skip
    compared = [(label, text) for label, text in rows if text.rouge_l is not None]
    if not compared:
        return
    yield TextTable(
        f"{suite}: {table.task}, {_TITLE}, with the user's review",
        ("Method", "Cases", "ROUGE-L", "Similarity"),
        tuple(
            (label, str(text.rouge_l.n if text.rouge_l else 0), _format(text.rouge_l, "{:.3f}"),
             _format(text.similarity, "{:.3f}"))
            for label, text in compared
        ),
        (
            "The reference is what the user wrote of the item taken, where there is a review; the"
            " method did not see it, and a good rationale need not be like it. ROUGE-L: F1 of the"
            " longest common sequence of words. Similarity: F1 of each token's nearest one by the"
            " vectors of MiniLM, as in BERTScore, but with another model and no rescaling.",
        ),
    )  # fmt: skip


def text_statistics(row: GradeRow) -> Iterator[tuple[str, Cell]]:
    """Yield name and value of each statistic of a row, for CSV."""
    if row.text is None:
        return
    names = {
        "words": "words", "reading_ease": "reading ease", "distinct_1": "distinct-1",
        "distinct_2": "distinct-2", "self_repetition": "self-repetition",
        "rouge_l": "ROUGE-L with the review", "similarity": "similarity with the review",
    }  # fmt: skip
    for field, name in names.items():
        value = getattr(row.text, field)
        if value is not None:
            cell = value if isinstance(value, Cell) else Cell(value, n=row.n_answers)
            yield f"text {name}", cell


def _format(cell: Cell | None, number: str) -> str:
    return "" if cell is None else format_cell(cell, number.format)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
