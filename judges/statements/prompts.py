"""Statements as inputs of a language model, and its verdicts as labels."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from benchkit.errors import ConfigError
from benchkit.judging.rubric import Rubric
from benchkit.judging.statements.splitter import split_statements
from benchkit.judging.statements.statement import StatementCheck
from benchkit.judging.verdicts import JudgeInput, Verdict
from benchkit.runs.record_values import (
    CONTRADICTED,
    NO_ANSWER,
    NOT_CHECKABLE,
    NOT_SUPPORTED,
    SUPPORTED,
    UNREAD,
    StatementLabel,
)
from benchkit.types import Catalog
from judges.prompts import PromptInputs, PromptOptions, prompt_inputs

GRADE_LABELS: tuple[StatementLabel, ...] = (CONTRADICTED, NOT_SUPPORTED, NOT_CHECKABLE, SUPPORTED)
"""By the grade of a rubric for statements: 0, 1, 2, 3."""
_CHARACTERS = 300  # of one text of an item, besides its title


def require_statement_rubric(rubric: Rubric) -> Rubric:
    """Return a rubric by which statements can be checked. Raises ConfigError for any other."""
    grades = list(rubric.main.grades)
    if grades != [0, 1, 2, 3] or len(rubric.criteria) > 1 or rubric.half_grades:
        raise ConfigError(
            f"rubric {rubric.name!r} cannot label statements",
            "copy statement-support: one criterion with grades 0 contradicted, 1 not supported,"
            " 2 not checkable, 3 supported",
        )
    if rubric.shows_target:
        raise ConfigError(
            f"rubric {rubric.name!r} shows the target, which no statement is checked against",
            "copy statement-support",
        )
    return rubric


def statement_inputs(inputs: Iterable[JudgeInput]) -> list[JudgeInput]:
    """Return an input a statement, with the statement for the rationale, in the order of texts."""
    return [
        replace(one, key=f"{one.key}#{place}", rationale=statement.text, target=None)
        for one in inputs
        for place, statement in enumerate(split_statements(one.rationale))
    ]


def read_checks(
    inputs: Sequence[JudgeInput], verdicts: Iterable[Verdict]
) -> Iterator[tuple[StatementCheck, ...]]:
    """Yield each input's checks from the verdicts on `statement_inputs`, in their order."""
    remaining = iter(verdicts)
    for one in inputs:
        statements = split_statements(one.rationale)
        yield tuple(
            StatementCheck(statement.start, statement.stop, *_label(verdict), verdict.usage)
            for statement, verdict in zip(
                statements, islice(remaining, len(statements)), strict=True
            )
        )


def _label(verdict: Verdict) -> tuple[StatementLabel, str]:
    if verdict.fault:
        return NO_ANSWER, verdict.fault
    if not verdict.grades:
        return UNREAD, verdict.reason or verdict.text
    return GRADE_LABELS[int(next(iter(verdict.grades.values())))], verdict.text


def statement_texts(
    judge_input: JudgeInput, rubric: Rubric, catalog: Catalog, options: PromptOptions
) -> PromptInputs:
    """Return what a model sees of a statement: as of a rationale, with the texts of items.

    Each line of the history ends in the texts that the catalogue has besides the title.
    """
    shown = prompt_inputs(judge_input, rubric, catalog, options)
    events = judge_input.request.history[-options.history :]
    lines = shown.texts["history"].split("\n")
    described = [
        line + _describe(event.item, catalog) for line, event in zip(lines, events, strict=False)
    ]
    texts: Mapping[str, str] = {
        **shown.texts,
        "history": "\n".join(described or lines),
        "item": shown.texts["item"] + _describe(judge_input.item, catalog),
    }
    return PromptInputs(texts, shown.shortened)


def _describe(item: str, catalog: Catalog) -> str:
    """Return ' | column: text' for each text of an item besides its title."""
    if item not in catalog.index:
        return ""
    parts = []
    for name in catalog.texts:
        text = " ".join((catalog.text(item, name) or "").split())
        if text and name != "title":
            cut = text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS].rstrip()} …"
            parts.append(f" | {name}: {cut}")
    return "".join(parts)
