"""A judge with its settings and cases: what identifies its judgements, and which are stored."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchkit import cards, fingerprint
from benchkit.cards import Card
from benchkit.config.judging import JudgeSpec, JudgingSpec
from benchkit.errors import ConfigError
from benchkit.judging import verdict_table
from benchkit.judging.judgeable_runs import JudgeableRun
from benchkit.judging.statements import run_checks
from benchkit.judging.validation import same_model_warning
from benchkit.judging.verdicts import Judge, JudgeOfRuns, construct_judge
from benchkit.key_access import check_keys
from benchkit.runs.progress import utc_timestamp
from benchkit.runs.provenance import collect_provenance
from benchkit.runs.records import JudgementManifest, Manifest, PlannedJudge
from benchkit.source_hash import hash_sources


@dataclass(frozen=True)
class JudgeJob:
    """One judge with one set of cases; the same for every run that it judges."""

    spec: JudgeSpec
    card: Card
    judge: Judge
    cases: int
    answers: str

    @property
    def identity(self) -> dict[str, Any]:
        """Everything but the run that can change a verdict."""
        config = cards.build_config(self.card, self.spec.config)
        return {
            **cards.identify_component(self.card, config),
            "harness": hash_sources(Path(verdict_table.__file__), Path(run_checks.__file__)),
            "rubric": self.judge.rubric.hash,
            "cases": self.cases,
            "answers": self.answers,
        }

    @property
    def plan_entry(self) -> PlannedJudge:
        """The judge as a plan records it."""
        return PlannedJudge(
            label=self.spec.name,
            judge_id=fingerprint.hash_json(self.identity),
            rubric=self.judge.rubric.name,
        )

    def judge_for(self, run: JudgeableRun) -> Judge | None:
        """Return the judge of a run's answers; None where it has no verdicts of them."""
        judge: object = self.judge
        return judge.for_run(run.manifest) if isinstance(judge, JudgeOfRuns) else self.judge

    def stored_judgement(
        self, run: JudgeableRun, max_fault_share: float = 1.0
    ) -> JudgementManifest | None:
        """Return the judgement of a run, if it came to an end without too many faults."""
        stored = self._last_judgement(run)
        if stored is None or stored.status != "complete":
            return None
        too_many = any(record.share > max_fault_share for record in stored.faults)
        return None if too_many else stored

    def answers_since(self, runs: Sequence[JudgeableRun], force: bool) -> float | None:
        """Return since when answers of language models count, None for all that are stored.

        A judgement that did not come to its end goes on with what it has asked. The moment is the
        same for all runs, as a judge has one engine for them.

        Args:
            runs: The runs to judge.
            force: Whether everything is asked again.
        """
        if force:
            return time.time()
        last = [self._last_judgement(run) for run in runs]
        open_ones = [record for record in last if record and record.status != "complete"]
        return max((r.answers_since for r in open_ones if r.answers_since), default=None)

    def _last_judgement(self, run: JudgeableRun) -> JudgementManifest | None:
        entry = self.plan_entry
        return run.run.intact_judgement(entry.label, entry.judge_id)  # damaged: made again


def make_judge_jobs(spec: JudgingSpec | None, for_pairs: bool = False) -> list[JudgeJob]:
    """Construct the judges of a suite. Raises ConfigError for a judge that cannot be.

    for_pairs: whether they compare answers, which a judge of single answers does by its grades.
    """
    if spec is None:
        return []
    jobs = []
    for judge_spec in spec.judges:
        card = cards.find_card(judge_spec.judge, "judge")
        if card.missing_packages:
            raise ConfigError(
                f"judge {judge_spec.name!r} needs {', '.join(card.missing_packages)}",
                f"pip install {' '.join(card.missing_packages)}",
            )
        config = cards.build_config(card, judge_spec.config)
        check_keys(config)  # before anything is sent
        judge = construct_judge(card, config)
        if judge.rubric.pairwise and not for_pairs:
            raise ConfigError(
                f"judge {judge_spec.name!r}: rubric {judge.rubric.name!r} asks which of two answers"
                " is better, and grades none",
                "benchkit pairs compares answers",
            )
        jobs.append(JudgeJob(judge_spec, card, judge, spec.cases, spec.answers))
    return jobs


def begin_judgement(
    job: JudgeJob, judge: Judge, run: Manifest, since: float | None
) -> JudgementManifest:
    """Return the record of a judgement that begins now.

    Args:
        job: The judge with its cases.
        judge: The judge of this run's answers.
        run: The run.
        since: From when on stored answers of language models count; None for all.
    """
    rubric, entry = judge.rubric, job.plan_entry
    warning = same_model_warning(judge.models, run.identity.get("config", {}))
    return JudgementManifest(
        judge_id=entry.judge_id,
        run_id=run.run_id,
        suite=run.suite,
        task=run.task,
        label=entry.label,
        judge=job.spec.judge,
        status="started",
        rubric=rubric.model_dump(mode="json"),
        rubric_hash=rubric.hash,
        answers=job.answers,
        cases=job.cases,
        caveats=judge.caveats,
        warnings=(warning,) if warning else (),
        models=judge.models,
        identity=job.identity,
        provenance=collect_provenance(),
        started=utc_timestamp(),
        answers_since=since,
    )
