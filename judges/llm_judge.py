"""A language model as the judge, asked by a rubric; answers are cached, and read strictly."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from benchkit.faults import describe_fault
from benchkit.judging.rubric import Rubric, load_rubric
from benchkit.judging.statements.statement import StatementCheck
from benchkit.judging.verdicts import INJECTION, SCORED, JudgeInput, JudgePair, Verdict
from benchkit.lm.cached_generator import (
    CachedGenerator,
    CallCount,
    chunks,
    identify_engine,
    model_name,
    price_calls,
    prompts_at_once,
)
from benchkit.lm.cost_estimate import REPLY_TOKENS, CostEstimate
from benchkit.lm.data_parallel.engine_factory import make_chosen_engine, scale_batch
from benchkit.lm.engines import connect_progress
from benchkit.lm.generation_cache import GenerationCache
from benchkit.lm.types import CachingEngine, Engine, Prompt
from benchkit.types import Catalog, RunContext
from judges.composite.verdict_margins import score_margins
from judges.injection import detect_injection
from judges.llm_judge_config import LLMJudgeConfig
from judges.prompts import PromptInputs, prompt_inputs, render_judge_prompt
from judges.statements.prompts import (
    read_checks,
    require_statement_rubric,
    statement_inputs,
    statement_texts,
)
from judges.verdict_parser import read_verdict

INJECTION_IN_DATA = (
    "injection in data"  # a flag: history, item or target speak to the judge, not the method
)
SHORTENED = "shortened"  # a flag: the judge saw only the beginning of the rationale


class LLMJudge:
    """Asks an engine for each verdict; what was answered once is not asked again.

    Every whole reply is stored (in the run's cache), also one without a readable verdict: what is
    asked after it then does not depend on when a run was interrupted.

    make_engine: builds the engine, when there is something to ask or to count.
    """

    Config = LLMJudgeConfig
    rubric: Rubric
    caveats: tuple[str, ...]
    models: tuple[str, ...]

    def __init__(
        self, config: LLMJudgeConfig, make_engine: Callable[[RunContext], Engine] | None = None
    ) -> None:
        self._config = config
        self._make = make_engine or (
            lambda run: make_chosen_engine(config.engine, None, run, "judge")
        )
        self._engine_scores = make_engine is not None or config.engine_scores
        self._engines: dict[Path, Engine] = {}
        self._batch = prompts_at_once(config.engine, config.batch)
        self.rubric = load_rubric(config.rubric)
        self._show = prompt_inputs
        if config.statements:
            require_statement_rubric(load_rubric(config.statements))
        self.models = (model_name(config.engine),)
        temperature = config.decoding.temperature
        drawn = f", temperature {temperature:g}" if temperature else ""
        self.caveats = (f"graded by {self.models[0]}, rubric {self.rubric.name}{drawn}",)

    def judge(self, inputs: Sequence[JudgeInput], run: RunContext) -> Iterator[Verdict]:
        """Yield verdicts as `Judge.judge` does.

        Raises EngineError when the engine cannot go on; judge again then: what was answered is
        cached. usage is as the engine reports it; an answer from the cache has {"cached": 1} alone.
        """
        batch = scale_batch(self._config.engine, self._batch)
        generator = self._make_generator(run, batch)
        for part in chunks(inputs, batch):
            yield from self._judge_part(part, generator, run.catalog)

    def with_rubric(self, rubric: Rubric) -> "LLMJudge":
        """Return the judge asked by a rubric in other words, by the same engine."""
        judge = LLMJudge(self._config, self._engine)
        judge.rubric = rubric
        return judge

    def repeat(self, number: int) -> "LLMJudge":
        """Return the judge of another call.

        Its seed is another one. An engine that stores its answers itself stores these apart, since
        at temperature 0 no seed tells them from the first ones; it has a budget of its own.
        """
        decoding = self._config.decoding
        again = decoding.model_copy(update={"seed": decoding.seed + number})
        config = self._config.model_copy(update={"decoding": again})

        def engine(run: RunContext) -> Engine:
            first = self._engine(run)
            if not isinstance(first, CachingEngine):
                return first
            cache = run.cache / f"repeat-{number}"
            cache.mkdir(parents=True, exist_ok=True)
            return self._make(replace(run, cache=cache))

        judge = LLMJudge(config, engine)
        judge.rubric = self.rubric
        return judge

    def margins(
        self, inputs: Sequence[JudgeInput], verdicts: Sequence[Verdict], run: RunContext
    ) -> Iterator[float | None]:
        """Yield how much likelier each verdict was than the next grade (`MarginJudge.margins`)."""
        prompts = list(self._prompts(inputs, 0, run.catalog))
        replies = [verdict.text if verdict.status == SCORED else "" for verdict in verdicts]
        return score_margins(self._engine(run), prompts, replies, self.rubric)

    @property
    def gives_margins(self) -> bool:
        """Whether `margins` may yield more than None: the engine scores, by one criterion."""
        return self._engine_scores and len(self.rubric.criteria) == 1

    @property
    def asks_by_batches(self) -> bool:
        """Whether it asks a server by its Batch endpoint."""
        return bool(self._config.engine.get("batch_api"))

    def submit(self, inputs: Sequence[JudgeInput], run: RunContext) -> None:
        """Send the questions that are not answered yet in batches, which `judge` then waits for."""
        possible = [e for e in inputs if not self._impossible(e)]
        self._make_generator(run).submit(self._prompts(possible, 0, run.catalog))

    def estimate(self, inputs: Sequence[JudgeInput], run: RunContext) -> CostEstimate:
        """Estimate the cost.

        At most, as if every reply had to be asked for again; likely, as if every reply that is yet
        to come were readable, and had `REPLY_TOKENS`.
        """
        generator, catalog = self._make_generator(run), run.catalog
        # Certain are those whose earlier replies are all cached, and none of them readable.
        certain, possible = [e for e in inputs if not self._impossible(e)], list[JudgeInput]()
        sure, more = list[CallCount](), list[CallCount]()
        to_ask: set[str] = set()
        for attempt in range(1 + self._config.retries):
            sure.append(generator.count_calls(self._prompts(certain, attempt, catalog)))
            more.append(generator.count_calls(self._prompts(possible, attempt, catalog)))
            first, certain = self._split_unread(certain, attempt, generator, catalog)
            possible = [*first, *chain(*self._split_unread(possible, attempt, generator, catalog))]
            to_ask |= {judge_input.key for judge_input in first}
        engine, longest = self._config.engine, self._config.decoding.max_tokens
        calls, likely = sum(c.calls for c in (*sure, *more)), sum(c.calls for c in sure)
        max_tokens = sum(c.max_prompt_tokens for c in (*sure, *more))
        likely_tokens = sum(c.likely_prompt_tokens for c in sure)
        return CostEstimate(
            *price_calls(engine, calls, max_tokens, calls * longest),
            len(inputs) - len(to_ask),
            price_calls(engine, likely, likely_tokens, likely * min(REPLY_TOKENS, longest)),
        )

    @property
    def checks_statements(self) -> bool:
        """Whether it checks the statements of rationales, too."""
        return bool(self._config.statements)

    def check_statements(
        self, inputs: Sequence[JudgeInput], run: RunContext
    ) -> Iterator[tuple[StatementCheck, ...]]:
        """Yield the checks of each input's statements, as `StatementChecker` does."""
        verdicts = self._statement_judge().judge(statement_inputs(inputs), run)
        return read_checks(inputs, verdicts)

    def estimate_statements(self, inputs: Sequence[JudgeInput], run: RunContext) -> CostEstimate:
        """Estimate the cost of `check_statements`, as `estimate` does."""
        return self._statement_judge().estimate(statement_inputs(inputs), run)

    def _statement_judge(self) -> "LLMJudge":
        """Return the same model with the rubric for statements, and with the same engines."""
        config = self._config.model_copy(update={"rubric": self._config.statements})
        judge = LLMJudge(config, self._make)
        judge._engines, judge._show = self._engines, statement_texts
        return judge

    def _split_unread(
        self,
        inputs: Sequence[JudgeInput],
        attempt: int,
        generator: CachedGenerator,
        catalog: Catalog,
    ) -> tuple[list[JudgeInput], list[JudgeInput]]:
        """Return the inputs without a reply to this attempt, and those with an unreadable one."""
        without, unreadable = [], []
        replies = generator.lookup(self._prompts(inputs, attempt, catalog))
        for judge_input, text in zip(inputs, replies, strict=True):
            if text is None:
                without.append(judge_input)
            elif read_verdict(text, "stop", self.rubric).grades is None:
                unreadable.append(judge_input)
        return without, unreadable

    def _make_generator(self, run: RunContext, batch: int | None = None) -> CachedGenerator:
        def engine() -> Engine:
            return self._engine(run)

        identity = {"engine": identify_engine(self._config.engine)}
        store = GenerationCache(run.cache)
        decoding = self._config.decoding
        return CachedGenerator(engine, identity, decoding, store, batch or self._batch)

    def _engine(self, run: RunContext) -> Engine:
        if run.cache not in self._engines:
            self._engines[run.cache] = self._make(run)
        connect_progress(self._engines[run.cache], run.progress)
        return self._engines[run.cache]

    def _judge_part(
        self, part: Sequence[JudgeInput], generator: CachedGenerator, catalog: Catalog
    ) -> list[Verdict]:
        contents = [self._prompt_inputs(judge_input, catalog) for judge_input in part]
        verdicts = [Verdict(e.key, {}, "unscored", self._impossible(e)) for e in part]
        usage = [Counter[str]() for _ in part]
        pending = [i for i, verdict in enumerate(verdicts) if not verdict.reason]
        for attempt in range(1 + self._config.retries):
            prompts = [
                render_judge_prompt(part[i].key, contents[i].texts, self.rubric, attempt)
                for i in pending
            ]
            unreadable = []
            replies = generator.generate(prompts, lambda _: True)
            for i, reply in zip(pending, replies, strict=True):
                usage[i].update(reply.usage)
                grades, reason = read_verdict(reply.text, reply.finish, self.rubric)
                verdicts[i] = Verdict(
                    part[i].key,
                    {} if grades is None else {name: float(n) for name, n in grades.items()},
                    SCORED if grades else "unscored",
                    reason,
                    reply.text,
                    {"asked again": float(attempt)} if attempt else {},
                    fault=describe_fault(reply.finish, reply.text, reply.fault or reason),
                )
                if grades is None and reply.finish == "stop":
                    unreadable.append(i)
            pending = unreadable
        return [
            self._add_flags(verdict, content, dict(used))
            for verdict, content, used in zip(verdicts, contents, usage, strict=True)
        ]

    def _add_flags(
        self, verdict: Verdict, content: PromptInputs, usage: Mapping[str, float]
    ) -> Verdict:
        """Return the verdict with what a reader must know of the input; its grades stay."""
        kinds = {name: detect_injection(text, self.rubric) for name, text in content.texts.items()}
        evidence = dict(verdict.evidence)
        for name, detected in kinds.items():
            evidence |= {f"injection in {name}: {kind}": 1.0 for kind in detected}
        in_rationale = any(d for name, d in kinds.items() if name.startswith("rationale"))
        in_data = any(d for name, d in kinds.items() if not name.startswith("rationale"))
        flags = (
            *[INJECTION] * in_rationale, *[INJECTION_IN_DATA] * in_data,
            *[SHORTENED] * content.shortened,
        )  # fmt: skip
        return replace(verdict, evidence=evidence, flags=flags, usage=usage)

    def _prompt_inputs(self, judge_input: JudgeInput, catalog: Catalog) -> PromptInputs:
        return self._show(judge_input, self.rubric, catalog, self._config)

    def _prompts(
        self, inputs: Iterable[JudgeInput], attempt: int, catalog: Catalog
    ) -> Iterator[Prompt]:
        for judge_input in inputs:
            texts = self._prompt_inputs(judge_input, catalog).texts
            yield render_judge_prompt(judge_input.key, texts, self.rubric, attempt)

    def _impossible(self, judge_input: JudgeInput) -> str:
        """Return why the judge need not be asked; empty if it is."""
        is_pair = isinstance(judge_input, JudgePair)
        if is_pair != self.rubric.pairwise:
            return (
                "the rubric asks about pairs" if not is_pair else "the rubric asks about one answer"
            )
        rationales = [judge_input.rationale]
        rationales += [judge_input.other_rationale] if isinstance(judge_input, JudgePair) else []
        if not all(text.strip() for text in rationales):
            return "there is no rationale to judge"
        if self.rubric.shows_target and judge_input.target is None:
            return "the rubric shows the target, and the input has none"
        return ""
