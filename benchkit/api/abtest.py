"""A/B tests: analysed, planned, or computed again from a paper's counts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError
from benchkit.report.abtest import published_tests, rendering
from benchkit.report.abtest.analysis import (
    analyse_abtest,
    parse_arm,
    plan_sample_size,
    read_arms,
)
from benchkit.report.core.text_table import TableDocument


@dataclass(frozen=True)
class ABTestReport:
    """What an A/B test says: as a document of tables, and in other formats.

    Attributes:
        document: The tables and their notes.
        content: What the tables were made of.
        formats: Functions that render the content, by format.
    """

    document: TableDocument
    content: Any
    formats: Mapping[str, Callable[[Any], str]]

    def render(self, format_: str) -> str:
        """Return the report as "md", "csv" or "json"."""
        return self.formats[format_](self.content)

    @classmethod
    def of_counts(
        cls, control: str, treatments: Sequence[str], level: float = 0.95, tau: float = 0.01
    ) -> "ABTestReport":
        """Analyse arms given as CLICKS/IMPRESSIONS or CLICKS/IMPRESSIONS/CONVERSIONS."""
        if not control:
            raise ConfigError("--treatment has nothing to be compared with", "--control C/N")
        arms = []
        for index, text in enumerate(treatments, start=1):
            name = "treatment" if len(treatments) == 1 else f"treatment {index}"
            arms.append(parse_arm(text, name))
        return cls._of_analysis(analyse_abtest(parse_arm(control, "control"), arms, level, tau))

    @classmethod
    def of_file(
        cls, path: Path, control: str = "", level: float = 0.95, tau: float = 0.01
    ) -> "ABTestReport":
        """Analyse the arms of a CSV file; `control` names one, the first by default."""
        first, others = read_arms(path, control)
        return cls._of_analysis(analyse_abtest(first, others, level, tau))

    @classmethod
    def of_plan(
        cls,
        baseline: float | None,
        lift: float | None,
        power: float = 0.8,
        alpha: float = 0.05,
        one_sided: bool = False,
    ) -> "ABTestReport":
        """Plan the impressions that an arm needs to detect a relative lift."""
        if baseline is None or lift is None:
            raise ConfigError(
                "--plan needs the rate of the control and a lift",
                "--plan --baseline .09 --lift .05",
            )
        planned = plan_sample_size(baseline, lift, power, alpha, one_sided)
        document = rendering.sample_size_document(planned)
        return cls(document, planned, rendering.SAMPLE_SIZE_FORMATS)

    @classmethod
    def of_paper(cls, paper: str) -> "ABTestReport":
        """Compute a paper's printed figures again from its counts."""
        checks = published_tests.check_published_test(paper)
        document = rendering.published_test_document(checks)
        return cls(document, checks, rendering.PUBLISHED_TEST_FORMATS)

    @classmethod
    def _of_analysis(cls, analysis: Any) -> "ABTestReport":
        return cls(rendering.analysis_document(analysis), analysis, rendering.ANALYSIS_FORMATS)
