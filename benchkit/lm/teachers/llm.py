"""Language models as teachers: the papers' questions, answers kept on disk and read strictly."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, computed_field

from benchkit.errors import ConfigError
from benchkit.lm.cost_estimate import CostEstimate
from benchkit.lm.generation_cache import (
    CachedGenerator,
    GenerationCache,
    Reply,
    chunks,
    model_name,
    price_calls,
    semantic_settings,
)
from benchkit.lm.grounding import Grounder
from benchkit.lm.teachers.base import Rationale, TeacherQuestion
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


class LLMTeacherConfig(BaseModel):
    """A teacher that asks a language model.

    engine: the configuration of an engine; its `price_prompt` and `price_completion` (a million
        tokens) give the estimated cost. One in this process (`hf`) names its `backbone`, too.
    prompt: `c-apo`, `post-hoc`, or the path of a TOML file.
    decoding: of the answers; C-APO asks at temperature 0.
    verify: keep a rationale only if the model finds the item again from it, the title removed
        (Rec-SAVER); that doubles the calls.
    history: only so many of the last events are shown. batch: questions asked at once.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["llm"] = "llm"
    engine: dict[str, Any]
    prompt: str = "c-apo"
    decoding: Decoding = Decoding(temperature=0, top_p=1, max_tokens=768)
    verify: bool = False
    history: PositiveInt = 50
    batch: PositiveInt = 256

    @computed_field  # type: ignore[prop-decorator]
    @property
    def prompt_hash(self) -> str:
        """Of the prompts' texts, so that a run's identity holds what the teacher was asked."""
        names = [self.prompt, *[_VERIFY] * self.verify]
        return "+".join(load_teacher_prompt(name).hash for name in names)


class LLMTeacher:
    """Asks an engine for each rationale; what was answered once is not asked again.

    cache_dir: where answers are kept; None keeps none. make_engine: builds an engine from its
    configuration, which happens only when there is something to ask or to count.
    counts: of the statuses so far, and how many answers were `cached`.
    """

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
        self._config, self._make = config, make_engine
        self._prompt = load_teacher_prompt(config.prompt)
        if self._prompt.answer == "item":
            raise ConfigError(f"the prompt {config.prompt!r} asks for no rationale", "use c-apo")
        store = None if cache_dir is None else GenerationCache(cache_dir / "teacher-answers.sqlite")
        self.counts: Counter[str] = Counter()
        model = model_name(config.engine)
        self.models: tuple[str, ...] = (model,)
        self.name = f"llm/{Path(config.prompt).stem}/{model}"
        checked = ", kept if it predicts the item again" if config.verify else ""
        self.caveat = f"rationales from {model}, prompt {Path(config.prompt).stem}{checked}"
        self._asker = self._asks(self._prompt.hash, config.decoding, store)
        self._verifier = load_teacher_prompt(_VERIFY)
        short = Decoding(temperature=0, top_p=1, max_tokens=_VERIFY_TOKENS)
        self._checker = self._asks(self._verifier.hash, short, store)

    def write(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> Iterator[Rationale]:
        """As `Teacher.write`. Raises EngineError when the engine cannot go on; ask again then."""
        for part in chunks(map(self._shown, questions), self._config.batch):
            prompts = (self._prompt.render(question, catalog) for question in part)
            replies = self._asker.generate(prompts, self._usable)
            answers = [self._read(q, reply) for q, reply in zip(part, replies, strict=True)]
            if self._config.verify:
                answers = self._verified(part, answers, catalog)
            for answer in answers:
                self.counts[answer.status] += 1
                yield answer

    def estimate(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> CostEstimate:
        """As `Teacher.estimate`. Verifying is counted for all questions that are yet to be asked,
        with the longest rationale."""
        shown = (self._prompt.render(self._shown(q), catalog) for q in questions)
        calls, prompt_tokens, _, cached = self._asker.count_calls(shown)
        longest = self._config.decoding.max_tokens
        completion_tokens = calls * longest
        if self._config.verify:
            prompt_tokens += prompt_tokens + calls * longest
            completion_tokens += calls * _VERIFY_TOKENS
            calls *= 2
        most = price_calls(self._config.engine, calls, prompt_tokens, completion_tokens)
        return CostEstimate(*most, cached)

    @cached_property
    def _engine(self) -> Engine:
        return self._make(self._config.engine)

    def _asks(
        self, prompt: str, decoding: Decoding, store: GenerationCache | None
    ) -> CachedGenerator:
        identity = {"engine": semantic_settings(self._config.engine), "prompt": prompt}
        return CachedGenerator(lambda: self._engine, identity, decoding, store, self._config.batch)

    def _shown(self, question: TeacherQuestion) -> TeacherQuestion:
        last = question.history[-self._config.history :]
        return TeacherQuestion(question.key, last, question.candidates, question.item)

    def _usable(self, text: str) -> bool:
        return parse_teacher_answer(self._prompt.answer, text) is not None

    def _read(self, question: TeacherQuestion, reply: Reply) -> Rationale:
        self.counts["cached"] += reply.cached
        parsed = (
            parse_teacher_answer(self._prompt.answer, reply.text)
            if reply.finish == "stop"
            else None
        )
        if parsed is None:
            status = _STATUS.get(reply.finish, "unparsed")
            return _without(question, status, reply.text, f"the answer is {status}")
        if not parsed.coherent:
            return _without(question, "refused", reply.text, "the teacher calls it incoherent")
        return Rationale(question.key, question.item, parsed.text, parsed.score)

    def _verified(
        self, questions: Sequence[TeacherQuestion], answers: Sequence[Rationale], catalog: Catalog
    ) -> list[Rationale]:
        """The answers, those refused from which the model does not find the item again."""
        asked = [place for place, answer in enumerate(answers) if answer.text is not None]
        prompts = []
        for place in asked:
            question = questions[place]
            title = catalog.text(question.item) or question.item
            text = remove_title(answers[place].text or "", title)
            prompts.append(self._verifier.render(question, catalog, text))
        replies = self._checker.generate(
            prompts, lambda text: parse_teacher_answer("item", text) is not None
        )
        checked = list(answers)
        for place, reply in zip(asked, replies, strict=True):
            question = questions[place]
            found = parse_teacher_answer("item", reply.text) if reply.finish == "stop" else None
            if not _is_found(found, question, catalog):
                raw = answers[place].text or ""
                why = "the model does not find the item again from it"
                checked[place] = _without(question, "refused", raw, why)
        return checked


def _is_found(found: TeacherAnswer | None, question: TeacherQuestion, catalog: Catalog) -> bool:
    if found is None:
        return False
    titles = [catalog.text(item) or item for item in question.candidates]
    place = Grounder(question.candidates, titles).ground((found.item or "").removeprefix("Title:"))
    return place is not None and question.candidates[place] == question.item


def _without(question: TeacherQuestion, status: Status, raw: str, why: str) -> Rationale:
    return Rationale(question.key, question.item, None, None, status, {"raw": raw, "why": why})
