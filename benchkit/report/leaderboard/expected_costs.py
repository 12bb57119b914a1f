"""How far off estimates were: what was expected of the runs of a suite, and what they cost."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

from benchkit.errors import DamageError
from benchkit.report.core.text_table import TextCell, TextTable
from benchkit.runs.estimates.cost_texts import format_count, format_megabytes, format_seconds
from benchkit.runs.estimates.expected_costs import ExpectedCosts, Forecast, count_spent_seconds
from benchkit.runs.records import Manifest, PlanRecord
from benchkit.runs.store import Store

_OUTSIDE = "°"


@dataclass(frozen=True)
class ForecastError:
    """A figure of a run that was expected, and what came of it."""

    expected: Forecast
    measured: float

    @property
    def ratio(self) -> float:
        """Measured over expected."""
        return self.measured / self.expected.value

    @property
    def error(self) -> float:
        """Distance between both, as a share of what was measured."""
        return abs(self.expected.value - self.measured) / self.measured

    @property
    def is_covered(self) -> bool:
        """Whether what was measured lies in the range that was expected."""
        return self.expected.low <= self.measured <= self.expected.high


@dataclass(frozen=True)
class _Figure:
    title: str
    expected: Callable[[ExpectedCosts], Forecast | None]
    measure: Callable[[Manifest], float]
    form: Callable[[float], str]


def _count_tokens(manifest: Manifest) -> float:
    protocols = manifest.identity.get("protocols", ())
    return sum(manifest.cost.get(f"{name}_tokens", 0.0) for name in protocols)


FIGURES = (
    _Figure(
        "Time", lambda cost: cost.seconds,
        lambda run: count_spent_seconds(run.cost, run.identity.get("protocols", ())),
        format_seconds,
    ),
    _Figure(
        "Memory", lambda cost: cost.memory_mb,
        lambda run: run.cost.get("peak_memory_mb", 0.0), format_megabytes,
    ),
    _Figure(
        "GPU memory", lambda cost: cost.gpu_memory_mb,
        lambda run: run.cost.get("peak_gpu_memory_mb", 0.0), format_megabytes,
    ),
    _Figure("Tokens", lambda cost: cost.tokens, _count_tokens, format_count),
)  # fmt: skip


def compare_figures(manifest: Manifest) -> dict[str, ForecastError]:
    """Return each figure of a complete run that was expected, by its title."""
    if manifest.expected is None or manifest.status != "complete":
        return {}
    errors = {}
    for figure in FIGURES:
        forecast, measured = figure.expected(manifest.expected), figure.measure(manifest)
        if forecast is not None and forecast.value > 0 and measured > 0:
            errors[figure.title] = ForecastError(forecast, measured)
    return errors


def build_expected_tables(plan: PlanRecord, store: Store) -> Iterator[TextTable]:
    """Yield a table for each task some of whose runs were estimated before they began."""
    for task in plan.tasks:
        lines = []
        for row in plan.rows:
            if row.task != task or row.run_id is None:
                continue
            try:
                run = store.run(plan.suite, task, row.label, row.run_id)
                manifest = run.recorded_manifest()
            except DamageError:  # the tables of results say so
                continue
            if manifest is not None and (errors := compare_figures(manifest)):
                lines.append((f"{row.label} #{row.seed}", errors))
        for part in (FIGURES[:2], FIGURES[2:]):  # all of them would be too wide for a terminal
            figures = [f for f in part if any(f.title in errors for _, errors in lines)]
            if figures:
                words = " and ".join(figure.title for figure in figures)
                title = f"{plan.title}: {task}, expected {words.lower().replace('gpu', 'GPU')}"
                yield _table(title, figures, lines)


def _table(
    title: str, figures: Sequence[_Figure], lines: Sequence[tuple[str, dict[str, ForecastError]]]
) -> TextTable:
    rows = []
    for name, errors in lines:
        if not any(figure.title in errors for figure in figures):
            continue
        cells: list[str | TextCell] = [name]
        for figure in figures:
            error = errors.get(figure.title)
            if error is None:
                cells += ["", "", ""]
                continue
            marks = () if error.is_covered else (_OUTSIDE,)
            cells += [figure.form(error.expected.value), figure.form(error.measured)]
            cells.append(TextCell(f"{error.ratio:.2f}", marks=marks))
        rows.append(tuple(cells))
    header = ("Run", *(name for f in figures for name in (f.title, "measured", "ratio")))
    notes = [_describe([e[f.title] for _, e in lines if f.title in e], f.title) for f in figures]
    note = f"{_OUTSIDE} outside the range that was expected. Ratio: measured / expected."
    return TextTable(title, header, tuple(rows), (*notes, note))


def _describe(errors: Sequence[ForecastError], title: str) -> str:
    covered = sum(error.is_covered for error in errors)
    middle = median(error.error for error in errors)
    return f"{title}: median error {middle:.0%}, {covered} of {len(errors)} within their ranges."
