"""Language models as teachers: the papers' questions, with stored answers and strict parsing."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PositiveInt, computed_field

from benchkit.errors import ConfigError
from benchkit.faults import DEFAULT_MAX_FAULT_SHARE, FaultTally, describe_fault
from benchkit.lm.cached_generator import (
    CachedGenerator,
    Reply,
    chunks,
    identify_engine,
    model_name,
    price_calls,
    prompts_at_once,
)
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.lm.generation_cache import GenerationCache
from benchkit.lm.grounding import Grounder
from benchkit.lm.teachers.base import Rationale, TeacherQuestion, TeacherSettings
from benchkit.lm.teachers.prompt_template import (
    TeacherAnswer,
    load_teacher_prompt,
    parse_teacher_answer,
    remove_title,
)
from benchkit.lm.types import Decoding, Engine
from benchkit.types import Catalog, Status

_VERIFY = "rec-saver-verify"
_VERIFY_TOKENS = 128  # of the answer, a title
_STATUS: dict[str, Status] = {"length": "truncated", "refused": "refused", "error": "error"}


class LLMTeacherConfig(TeacherSettings):
    """A teacher that asks a language model."""

    kind: Literal["llm"] = "llm"
    engine: dict[str, Any]
    """Settings of an engine; its `price_prompt` and `price_completion` (a million tokens) give the
    estimated cost. One in this process (`hf`) has a `backbone`, too."""
    prompt: str = "c-apo"
    """`c-apo`, `post-hoc`, or the path of a TOML file."""
    decoding: Decoding = Decoding(temperature=0, top_p=1, max_tokens=768)
    """How answers are drawn; C-APO asks at temperature 0."""
    verify: bool = False
    """Use a rationale only if the model predicts the item again from it, without the title
    (Rec-SAVER); this doubles the calls."""
    history: PositiveInt = 50
    """Show only so many of the last events."""
    batch: PositiveInt = 256
    """Questions asked at once."""
    max_fault_share: float = Field(default=DEFAULT_MAX_FAULT_SHARE, ge=0, le=1, exclude=True)
    """Share of the questions that may lack an answer because the server's could not be read; with
    more, nothing is learnt from the others."""

    @computed_field  # type: ignore[prop-decorator]
    @property
    def prompt_hash(self) -> str:
        """Return a hash of the prompts' texts, so that it is part of a run's identity."""
        names = [self.prompt, *[_VERIFY] * self.verify]
        return "+".join(load_teacher_prompt(name).hash for name in names)


class LLMTeacher:
    """Asks an engine for each rationale; what was answered once is not asked again.

    Args:
        config: Settings of the teacher.
        cache_dir: Where answers are stored; None stores none.
        make_engine: Builds an engine from its settings, once there is something to ask or to count.

    Attributes:
        counts: Number of rationales by status so far, and of the answers that were `cached`.
    """

    Config = LLMTeacherConfig

    def __init__(
        self,
        config: LLMTeacherConfig,
        cache_dir: Path | None,
        make_engine: Callable[[Mapping[str, Any]], Engine],
    ) -> None:
        if config.decoding.n != 1:
            raise ConfigError(
                f"a teacher gives one answer a question, not {config.decoding.n}",
                "ask the question under several keys",
            )
        self._config, self._make_engine = config, make_engine
        self._batch = prompts_at_once(config.engine, config.batch)
        self._prompt = load_teacher_prompt(config.prompt)
        if self._prompt.answer == "item":
            raise ConfigError(f"the prompt {config.prompt!r} asks for no rationale", "use c-apo")
        cache = None if cache_dir is None else GenerationCache(cache_dir)
        self.counts: Counter[str] = Counter()
        model = model_name(config.engine)
        self.models: tuple[str, ...] = (model,)
        self.name = f"llm/{Path(config.prompt).stem}/{model}"
        condition = ", kept if it predicts the item again" if config.verify else ""
        self.caveat = f"rationales from {model}, prompt {Path(config.prompt).stem}{condition}"
        self._generator = self._make_generator(self._prompt.hash, config.decoding, cache)
        self._verify_prompt = load_teacher_prompt(_VERIFY)
        short = Decoding(temperature=0, top_p=1, max_tokens=_VERIFY_TOKENS)
        self._verify_generator = self._make_generator(self._verify_prompt.hash, short, cache)

    @classmethod
    def from_config(
        cls,
        config: LLMTeacherConfig,
        cache_dir: Path | None,
        make_engine: Callable[[Mapping[str, Any]], Engine],
    ) -> Self:
        """Build the teacher of a configuration."""
        return cls(config, cache_dir, make_engine)

    @property
    def engine_settings(self) -> Mapping[str, Any]:
        """Return the settings of the engine that it asks."""
        return self._config.engine

    def write(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> Iterator[Rationale]:
        """Yield rationales as `Teacher.write`.

        Raises:
            EngineError: The engine cannot go on, or gave too few readable answers; write again
                later.
        """
        faults = FaultTally(len(questions), self._config.max_fault_share, "rationales")
        for part in chunks(map(self._truncate_history, questions), self._batch):
            prompts = (self._prompt.render(question, catalog) for question in part)
            replies = self._generator.generate(prompts, self._is_usable)
            rationales = [
                self._read(q, reply, faults) for q, reply in zip(part, replies, strict=True)
            ]
            if self._config.verify:
                rationales = self._verify(part, rationales, catalog, faults)
            for rationale in rationales:
                self.counts[rationale.status] += 1
                yield rationale

    def estimate(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> CostEstimate:
        """Return the cost as `Teacher.estimate`.

        Verification is counted for all questions without a stored answer, with the longest
        rationale.
        """
        prompts = (self._prompt.render(self._truncate_history(q), catalog) for q in questions)
        calls, prompt_tokens, _, n_cached = self._generator.count_calls(prompts)
        longest = self._config.decoding.max_tokens
        completion_tokens = calls * longest
        if self._config.verify:
            prompt_tokens += prompt_tokens + calls * longest
            completion_tokens += calls * _VERIFY_TOKENS
            calls *= 2
        upper_bound = price_calls(self._config.engine, calls, prompt_tokens, completion_tokens)
        return CostEstimate(*upper_bound, n_cached)

    @cached_property
    def _engine(self) -> Engine:
        return self._make_engine(self._config.engine)

    def _make_generator(
        self, prompt_hash: str, decoding: Decoding, cache: GenerationCache | None
    ) -> CachedGenerator:
        identity = {"engine": identify_engine(self._config.engine), "prompt": prompt_hash}
        return CachedGenerator(lambda: self._engine, identity, decoding, cache, self._batch)

    def _truncate_history(self, question: TeacherQuestion) -> TeacherQuestion:
        last = question.history[-self._config.history :]
        return TeacherQuestion(question.key, last, question.candidates, question.item)

    def _is_usable(self, text: str) -> bool:
        return parse_teacher_answer(self._prompt.answer, text) is not None

    def _read(self, question: TeacherQuestion, reply: Reply, faults: FaultTally) -> Rationale:
        self.counts["cached"] += reply.cached
        if fault := describe_fault(reply.finish, reply.text, reply.fault):
            faults.add(fault)
            return _failed_rationale(question, _STATUS[reply.finish], reply.text, fault)
        parsed = (
            parse_teacher_answer(self._prompt.answer, reply.text)
            if reply.finish == "stop"
            else None
        )
        if parsed is None:
            status = _STATUS.get(reply.finish, "unparsed")
            return _failed_rationale(question, status, reply.text, f"the answer is {status}")
        if not parsed.coherent:
            why = "the teacher calls it incoherent"
            rationale = _failed_rationale(question, "refused", reply.text, why)
            return replace(rationale, meta={**rationale.meta, "coherent": False})
        verdict = {"coherent": True} if self._prompt.answer == "flagged" else {}
        return Rationale(question.key, question.item, parsed.text, parsed.score, meta=verdict)

    def _verify(
        self,
        questions: Sequence[TeacherQuestion],
        rationales: Sequence[Rationale],
        catalog: Catalog,
        faults: FaultTally,
    ) -> list[Rationale]:
        """Refuse the rationales from which the model does not predict the item again."""
        verified = list(rationales)
        rows = [row for row, rationale in enumerate(rationales) if rationale.text is not None]
        prompts = []
        for row in rows:
            title = catalog.text(questions[row].item) or questions[row].item
            text = remove_title(rationales[row].text or "", title)
            prompts.append(self._verify_prompt.render(questions[row], catalog, text))
        replies = self._verify_generator.generate(
            prompts, lambda text: parse_teacher_answer("item", text) is not None
        )
        for row, reply in zip(rows, replies, strict=True):
            if fault := describe_fault(reply.finish, reply.text, reply.fault):
                faults.add(fault)
                status = _STATUS[reply.finish]
                verified[row] = _failed_rationale(questions[row], status, reply.text, fault)
                continue
            answer = parse_teacher_answer("item", reply.text) if reply.finish == "stop" else None
            if not _names_item(answer, questions[row], catalog):
                raw = rationales[row].text or ""
                why = "the model does not find the item again from it"
                verified[row] = _failed_rationale(questions[row], "refused", raw, why)
        return verified


def _names_item(answer: TeacherAnswer | None, question: TeacherQuestion, catalog: Catalog) -> bool:
    if answer is None:
        return False
    titles = [catalog.text(item) or item for item in question.candidates]
    title = (answer.item or "").removeprefix("Title:")
    position = Grounder(question.candidates, titles).ground(title)
    return position is not None and question.candidates[position] == question.item


def _failed_rationale(question: TeacherQuestion, status: Status, raw: str, why: str) -> Rationale:
    return Rationale(question.key, question.item, None, None, status, {"raw": raw, "why": why})
