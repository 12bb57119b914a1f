"""A judge whose replies were made elsewhere: a file of them, read by the grammar of the rubric."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, computed_field

from benchkit.errors import ConfigError
from benchkit.judging.reply_file import JudgeReply, read_replies
from benchkit.judging.rubric import load_rubric
from benchkit.judging.verdicts import INJECTION, SCORED, JudgeInput, Verdict
from benchkit.lm.cost_estimate import NO_COST, CostEstimate
from benchkit.runs.records import Manifest
from benchkit.types import RunContext
from judges.grade_numbers import VerdictReading
from judges.injection import detect_injection
from judges.verdict_parser import read_verdict

NO_REPLY = "no reply"  # a flag: the file has none to this answer


class ReplyJudgeConfig(BaseModel):
    """Where the replies are, and by which rubric they were given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    replies: Path = Field(
        exclude=True, description="A file with a reply a line (`benchkit.judging.reply_file`)."
    )
    rubric: str = Field(default="rationale-0-3", description="A name, or the path of a TOML file.")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def content_hash(self) -> str:
        """Hash of the file, so that other replies are another judgement."""
        try:
            return hashlib.sha256(self.replies.read_bytes()).hexdigest()[:16]
        except OSError as error:
            raise ConfigError(f"{self.replies}: {error.strerror}", "correct the path") from None


class ReplyJudge:
    """Reads verdicts out of a file; `for_run` returns the one that judges a run's answers.

    An answer without a reply is unscored, with the flag `no reply`. Several replies to an answer
    count as one if their verdicts are the same; those without a readable verdict do not count
    beside one with it.
    """

    Config = ReplyJudgeConfig
    gives_margins = False  # replies are texts alone

    def __init__(self, config: ReplyJudgeConfig) -> None:
        self._config = config
        self._replies: tuple[JudgeReply, ...] | None = None
        self._verdicts: dict[str, Verdict] | None = None
        self.rubric = load_rubric(config.rubric)
        self.caveats = (f"replies of {config.replies.name}, rubric {self.rubric.name}",)
        self.models: tuple[str, ...] = ()
        self.warnings: tuple[str, ...] = ()

    def for_run(self, run: Manifest) -> Self | None:
        """Return a judge of one run's answers; None where the file has no reply to them.

        Raises:
            ConfigError: Two replies to an answer have different verdicts.
        """
        replies = [reply for reply in self._read() if reply.is_of(run)]
        if not replies:
            return None
        judge = type(self)(self._config)
        judge._verdicts = self._read_verdicts(replies)
        judge.models = tuple(dict.fromkeys(reply.judge for reply in replies if reply.judge))
        return judge

    def check_runs(self, runs: Iterable[tuple[Manifest, frozenset[str]]]) -> None:
        """Raise ConfigError for a reply to no answer, or to one of several.

        runs: all complete runs of a suite, and the cases of each.
        """
        runs = list(runs)
        for reply in self._read():
            where = f"{self._config.replies}, line {reply.line}"
            matching = [(run, cases) for run, cases in runs if reply.is_of(run)]
            name = reply.run or reply.method
            if not matching:
                known = ", ".join(dict.fromkeys(run.label for run, _ in runs))
                raise ConfigError(
                    f"{where}: there is no complete run {name!r} that it could be of",
                    f"name a method of the suite ({known}), its task and its seed",
                )
            if len(matching) > 1:
                places = ", ".join(f"{run.task} / {run.label} #{run.seed}" for run, _ in matching)
                raise ConfigError(
                    f"{where}: it could be of several runs: {places}",
                    'say which by "task" and "seed", or by "run"',
                )
            ((run, cases),) = matching
            if reply.case not in cases:
                raise ConfigError(
                    f"{where}: {run.task} / {run.label} has no case {reply.case!r}",
                    f"cases are named as in the records, e.g. {min(cases, default='test:u1')!r}",
                )
        for run, _ in runs:
            self.for_run(run)

    def judge(self, inputs: Sequence[JudgeInput], run: RunContext) -> Iterator[Verdict]:  # noqa: ARG002
        """Yield verdicts as `Judge.judge` does. Raises ConfigError before `for_run`."""
        if self._verdicts is None:
            raise ConfigError(
                f"{self._config.replies} has replies to answers as they are, and none to others",
                "probe the judge where it can be asked",
            )
        unused = len(self._verdicts.keys() - {judge_input.key for judge_input in inputs})
        if unused:
            self.warnings = (
                f"{unused} of {len(self._verdicts)} replies are not used: their cases are not"
                " drawn, or need no judge",
            )
        for judge_input in inputs:
            verdict = self._verdicts.get(judge_input.key)
            if not judge_input.rationale.strip():
                reason = "there is no rationale to judge"
                verdict = Verdict(judge_input.key, {}, "unscored", reason)
            elif verdict is None:
                reason = "the file has no reply to this answer"
                verdict = Verdict(judge_input.key, {}, "unscored", reason, flags=(NO_REPLY,))
            flags = verdict.flags
            if detect_injection(judge_input.rationale, self.rubric):
                flags = (*flags, INJECTION)
            yield Verdict(
                verdict.key, verdict.grades, verdict.status, verdict.reason, verdict.text,
                flags=flags,
            )  # fmt: skip

    def estimate(self, inputs: Sequence[JudgeInput], run: RunContext) -> CostEstimate:  # noqa: ARG002
        """Return that nothing is asked."""
        return NO_COST

    def _read(self) -> tuple[JudgeReply, ...]:
        if self._replies is None:
            self._replies = read_replies(self._config.replies)
        return self._replies

    def _read_verdicts(self, replies: Iterable[JudgeReply]) -> dict[str, Verdict]:
        by_case = defaultdict[str, list[tuple[JudgeReply, VerdictReading]]](list)
        for reply in replies:
            reading = read_verdict(reply.text, reply.finish, self.rubric)
            by_case[reply.case].append((reply, reading))
        return {case: self._merge(case, readings) for case, readings in by_case.items()}

    def _merge(self, case: str, readings: Sequence[tuple[JudgeReply, VerdictReading]]) -> Verdict:
        scored = [(reply, r.grades) for reply, r in readings if r.grades is not None]
        if not scored:
            reply, reading = readings[-1]
            return Verdict(case, {}, "unscored", reading.reason, reply.text)
        first, grades = scored[0]
        for reply, others in scored[1:]:
            if others != grades:
                raise ConfigError(
                    f"{self._config.replies}, lines {first.line} and {reply.line}: different"
                    f" verdicts of case {case!r}",
                    "leave one reply to an answer",
                )
        return Verdict(case, {k: float(n) for k, n in grades.items()}, SCORED, "", first.text)
