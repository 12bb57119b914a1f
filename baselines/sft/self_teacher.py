"""The backbone as its own teacher: it writes why a user took an item, and is taught how to."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from baselines.sft.verification import rationale_prompt
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.prompts import render_prompt
from benchkit.lm.teachers.base import Rationale, TeacherQuestion
from benchkit.lm.teachers.prompt_template import load_teacher_prompt, parse_teacher_answer
from benchkit.lm.tokenization import prompt_ids, text_ids
from benchkit.lm.tokens.control_tokens import quote
from benchkit.lm.types import Decoding, Engine, Generation, Message, Prompt
from benchkit.training.core.example_builder import ExampleBuilder, to_request
from benchkit.training.core.examples import Example
from benchkit.types import Catalog

_POST_HOC = "post-hoc"  # the question to a model that follows instructions


@dataclass(frozen=True)
class SelfTeacher:
    """Writes rationales that know the answer, by the model that will be trained on them."""

    predictor: LMPredictor
    """Asks the model; its template has a rationale."""
    per_user: int
    """Rationales per question."""
    temperature: float
    seed: int
    short: bool
    """Ask in a few words, for a model that has been taught this question (`why_example`);
    otherwise as language models are asked for a rationale after the fact."""

    def write(self, questions: Sequence[TeacherQuestion], catalog: Catalog) -> list[list[str]]:
        """Return for each question the distinct rationales that have an end."""
        form = self.predictor.response_format
        decoding = Decoding(
            n=self.per_user,
            temperature=self.temperature,
            top_p=1,
            max_tokens=self.predictor.rationale_tokens,
            seed=self.seed,
            stop=(form.end_rationale,) if self.short else (),
        )
        prompts = [self._prompt(question, catalog) for question in questions]
        engine: Engine = self.predictor.engine
        answers: Iterator[Generation] = engine.generate(prompts, decoding)
        rationales = []
        for answer in answers:
            ended = [c.text for c in answer.completions if c.finish == "stop"]
            texts = [text.strip() if self.short else _flagged(text) for text in ended]
            rationales.append(list(dict.fromkeys(text for text in texts if text)))
        return rationales

    def _prompt(self, question: TeacherQuestion, catalog: Catalog) -> Prompt:
        if not self.short:
            return load_teacher_prompt(_POST_HOC).render(question, catalog)
        predictor = self.predictor
        prompt = rationale_prompt(predictor, question, catalog)
        title = predictor.template.item_title(catalog, question.item)
        return why_prompt(prompt, title, predictor.response_format.begin_rationale)


def why_prompt(prompt: Prompt, title: str, begin: tuple[str, ...]) -> Prompt:
    """Return a prompt that asks why an item was taken after a history; `begin` opens the answer."""
    *before, last = prompt.messages
    question = Message(last.role, f"{last.content}Why {title}?\n")
    return replace(prompt, messages=(*before, question), prefill=begin)


def why_example(question: TeacherQuestion, rationale: str, builder: ExampleBuilder) -> Example:
    """Return an example of the short question: history and item, then the rationale."""
    form, template = builder.template.response_format(True), builder.template
    rendered = render_prompt(
        template,
        to_request(question),
        builder.catalog,
        rationale=True,
        count_tokens=lambda text: len(text_ids(builder.tokenizer, text)),
        budget=builder.prompt_tokens,
    )
    title = template.item_title(builder.catalog, question.item)
    prompt = why_prompt(rendered.prompt, title, form.begin_rationale)
    response, _ = builder.join((quote(rationale), form.end_rationale))
    return Example(tuple(prompt_ids(builder.tokenizer, prompt)), response, key=question.key)


def warm_up_examples(
    questions: Sequence[TeacherQuestion], rationales: Sequence[Rationale], builder: ExampleBuilder
) -> Iterator[Example]:
    """Yield two examples per rationale: to write it for the item, and to answer with both."""
    for question, rationale in zip(questions, rationales, strict=True):
        if rationale.text is not None:
            yield why_example(question, rationale.text, builder)
            yield builder.example(to_request(question), question.item, rationale.text)


def rationale_examples(
    questions: Sequence[TeacherQuestion],
    rationales: Sequence[Sequence[str]],
    builder: ExampleBuilder,
    item_weight: float,
) -> list[Example]:
    """Return an example per rationale; those of one question have the weight 1 together."""
    return [
        builder.example(to_request(question), question.item, text, 1 / len(texts), item_weight)
        for question, texts in zip(questions, rationales, strict=True)
        for text in texts
    ]


def earlier_questions(questions: Sequence[TeacherQuestion]) -> Iterator[TeacherQuestion]:
    """Yield the questions of one event earlier; a question with less than two events has none.

    The earlier item takes the place of the later one in the list, which holds no other item that
    the user has had.
    """
    for question in questions:
        if len(question.history) < 2:
            continue
        *history, last = question.history
        candidates = tuple(last.item if i == question.item else i for i in question.candidates)
        if len(set(candidates)) == len(candidates):
            yield TeacherQuestion(f"{question.key}#earlier", tuple(history), candidates, last.item)


def _flagged(text: str) -> str:
    """Return the rationale of an answer in the form of the post-hoc prompt; '' without one."""
    answer = parse_teacher_answer(load_teacher_prompt(_POST_HOC).answer, text)
    return answer.text or "" if answer is not None and answer.coherent else ""
