"""A language model as the judge, asked by a rubric; answers are kept, and read strictly."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Self

from pydantic import Field, PositiveInt, computed_field, model_validator

from benchkit.errors import ConfigError
from benchkit.judging.rubric import Rubric, load_rubric
from benchkit.judging.verdicts import INJECTION, JudgeInput, Verdict
from benchkit.lm.backbones import make_engine_from_settings, parse_engine_settings
from benchkit.lm.config import NANO
from benchkit.lm.cost_estimate import REPLY_TOKENS, CostEstimate
from benchkit.lm.generation_cache import (
    CachedGenerator,
    CallCount,
    GenerationCache,
    chunks,
    model_name,
    price_calls,
    semantic_settings,
)
from benchkit.lm.types import Decoding, Engine, Prompt
from benchkit.types import Catalog, RunContext
from judges.injection import detect_injection
from judges.prompts import PromptInputs, PromptOptions, prompt_inputs, render_judge_prompt
from judges.verdict_parser import read_verdict

INJECTION_IN_DATA = (
    "injection in data"  # a flag: history, item or target speak to the judge, not the method
)
SHORTENED = "shortened"  # a flag: the judge saw only the beginning of the rationale


class LLMJudgeConfig(PromptOptions):
    """A judge that is a language model; see `PromptOptions` for what it is shown.

    engine: the configuration of an engine; its `price_prompt` and `price_completion` (a million
        tokens) give the estimated cost, its `max_cost` or `max_tokens_total` stop before more is
        spent by this judge in one call of the command: each judge of a suite and each member of a
        panel has a budget of its own. One in this process (`hf`) names its `backbone`, too.
    rubric: a name, or the path of a TOML file.
    retries: how often a whole reply without a readable verdict is asked for again, each time with
        another seed and with the request for the verdict alone. At temperature 0 more than one
        would only repeat itself. Cut off and refused replies are not asked for again.
    batch: exhibits asked at once.
    """

    engine: dict[str, Any] = Field(exclude=True)
    rubric: str = "rationale-0-3"
    decoding: Decoding = Decoding(temperature=0, top_p=1, max_tokens=1024)
    retries: int = Field(default=1, ge=0, le=5)
    batch: PositiveInt = Field(default=256, exclude=True)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        parse_engine_settings(self.engine, "judge")
        if self.engine.get("backbone") == NANO:
            raise ConfigError("nano cannot judge: it knows one dataset only", "name another model")
        if self.decoding.n != 1:
            raise ConfigError(
                f"a judge gives one verdict an exhibit, not {self.decoding.n}",
                "put several judges on a panel",
            )
        if self.retries > 1 and not self.decoding.temperature:
            raise ConfigError(
                "at temperature 0 a judge repeats itself", "retries = 1, or a higher temperature"
            )
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def engine_semantics(self) -> dict[str, Any]:
        """Of the engine what a verdict can depend on: no grade does on how fast and how
        dear it is asked. It stands for the engine in the identity of a judgement."""
        return semantic_settings(self.engine)


class LLMJudge:
    """Asks an engine for each verdict; what was answered once is not asked again.

    Every whole reply is kept (`judge-answers.sqlite` in the run's cache), also one without a
    readable verdict: what is asked after it then does not depend on when a run was interrupted.
    Replies that were cut off, refused or unusable are not kept here.

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
            lambda run: make_engine_from_settings(config.engine, None, run, "judge")
        )
        self._engines: dict[Path, Engine] = {}
        self.rubric = load_rubric(config.rubric)
        self.models = (model_name(config.engine),)
        drawn = (
            f", temperature {config.decoding.temperature:g}" if config.decoding.temperature else ""
        )
        self.caveats = (f"graded by {self.models[0]}, rubric {self.rubric.name}{drawn}",)

    def judge(self, exhibits: Sequence[JudgeInput], run: RunContext) -> Iterator[Verdict]:
        """As `Judge.judge`. Raises EngineError when the engine cannot go on; judge again then:
        what was answered is kept. usage is as the engine tells it; an answer that was kept here
        has {"cached": 1} alone."""
        asker = self._asker(run)
        for part in chunks(exhibits, self._config.batch):
            yield from self._judged(part, asker, run.catalog)

    def estimate(self, exhibits: Sequence[JudgeInput], run: RunContext) -> CostEstimate:
        """As `Judge.estimate`: at most, as if every reply had to be asked for again; likely, as if
        every reply that is yet to come were readable, and had `REPLY_TOKENS`."""
        asker, catalog = self._asker(run), run.catalog
        # Certain are those whose earlier replies are all kept, and none of them readable.
        certain, possible = [e for e in exhibits if not self._impossible(e)], list[JudgeInput]()
        sure, more = list[CallCount](), list[CallCount]()
        asked: set[str] = set()
        for attempt in range(1 + self._config.retries):
            sure.append(asker.count_calls(self._prompts(certain, attempt, catalog)))
            more.append(asker.count_calls(self._prompts(possible, attempt, catalog)))
            first, certain = self._unread(certain, attempt, asker, catalog)
            possible = [*first, *chain(*self._unread(possible, attempt, asker, catalog))]
            asked |= {exhibit.key for exhibit in first}
        engine, longest = self._config.engine, self._config.decoding.max_tokens
        calls, likely = sum(c.calls for c in (*sure, *more)), sum(c.calls for c in sure)
        tokens, about = (
            sum(c.max_prompt_tokens for c in (*sure, *more)),
            sum(c.likely_prompt_tokens for c in sure),
        )
        return CostEstimate(
            *price_calls(engine, calls, tokens, calls * longest),
            len(exhibits) - len(asked),
            price_calls(engine, likely, about, likely * min(REPLY_TOKENS, longest)),
        )

    def _unread(
        self, exhibits: Sequence[JudgeInput], attempt: int, asker: CachedGenerator, catalog: Catalog
    ) -> tuple[list[JudgeInput], list[JudgeInput]]:
        """Those without a reply to this attempt, and those with one that cannot be read."""
        kept = asker.lookup(self._prompts(exhibits, attempt, catalog))
        replies = list(zip(exhibits, kept, strict=True))
        return (
            [exhibit for exhibit, text in replies if text is None],
            [e for e, text in replies if text is not None and not self._readable(text)],
        )

    def _asker(self, run: RunContext) -> CachedGenerator:
        def engine() -> Engine:
            if run.cache not in self._engines:
                self._engines[run.cache] = self._make(run)
            return self._engines[run.cache]

        identity = {"engine": self._config.engine_semantics}
        store = GenerationCache(run.cache / "judge-answers.sqlite")
        return CachedGenerator(engine, identity, self._config.decoding, store, self._config.batch)

    def _judged(
        self, part: Sequence[JudgeInput], asker: CachedGenerator, catalog: Catalog
    ) -> list[Verdict]:
        seen = [self._shown(exhibit, catalog) for exhibit in part]
        verdicts = [Verdict(e.key, {}, "unscored", self._impossible(e)) for e in part]
        used = [Counter[str]() for _ in part]
        pending = [place for place, verdict in enumerate(verdicts) if not verdict.reason]
        for attempt in range(1 + self._config.retries):
            prompts = [
                render_judge_prompt(part[p].key, seen[p].texts, self.rubric, attempt)
                for p in pending
            ]
            unreadable = []
            for place, reply in zip(pending, asker.generate(prompts, lambda _: True), strict=True):
                used[place].update(reply.usage)
                grades, reason = read_verdict(reply.text, reply.finish, self.rubric)
                verdicts[place] = Verdict(
                    part[place].key,
                    {} if grades is None else {name: float(n) for name, n in grades.items()},
                    "scored" if grades else "unscored",
                    reason,
                    reply.text,
                    {"asked again": float(attempt)} if attempt else {},
                )
                if grades is None and reply.finish == "stop":
                    unreadable.append(place)
            pending = unreadable
        return [
            self._flagged(verdict, shown_, dict(usage))
            for verdict, shown_, usage in zip(verdicts, seen, used, strict=True)
        ]

    def _flagged(self, verdict: Verdict, seen: PromptInputs, usage: Mapping[str, float]) -> Verdict:
        """The verdict with what a reader must know of the exhibit. Its grades stay as they are."""
        kinds = {name: detect_injection(text, self.rubric) for name, text in seen.texts.items()}
        found = {f"injection in {name}: {kind}": 1.0 for name in kinds for kind in kinds[name]}
        own = bool(kinds.pop("rationale"))
        others = any(kinds.values())
        flags = (*[INJECTION] * own, *[INJECTION_IN_DATA] * others, *[SHORTENED] * seen.shortened)
        evidence = {**verdict.evidence, **found}
        return replace(verdict, evidence=evidence, flags=flags, usage=usage)

    def _shown(self, exhibit: JudgeInput, catalog: Catalog) -> PromptInputs:
        return prompt_inputs(exhibit, self.rubric, catalog, self._config)

    def _prompts(
        self, exhibits: Iterable[JudgeInput], attempt: int, catalog: Catalog
    ) -> Iterator[Prompt]:
        for exhibit in exhibits:
            yield render_judge_prompt(
                exhibit.key, self._shown(exhibit, catalog).texts, self.rubric, attempt
            )

    def _readable(self, text: str) -> bool:
        return read_verdict(text, "stop", self.rubric).grades is not None

    def _impossible(self, exhibit: JudgeInput) -> str:
        """Why the judge need not be asked; empty if it is."""
        if not exhibit.rationale.strip():
            return "there is no rationale to judge"
        if self.rubric.shows_target and exhibit.target is None:
            return "the rubric shows the target, and the exhibit has none"
        return ""
