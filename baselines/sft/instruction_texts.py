"""What others write about a user: reviews of target items, and a teacher's texts."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from baselines.sft.instruction_writer import UserDescription
from baselines.sft.instructions import IntentionKind, PreferenceKind
from baselines.sft.verification import mask_title
from benchkit.lm.teachers.base import Rationale, TeacherQuestion
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.types import TrainView

Ask = Callable[[Sequence[TeacherQuestion]], Sequence[Rationale]]


def last_reviews(data: TrainView) -> dict[str, str | None]:
    """Return the review of each user's last training interaction, if there are reviews."""
    rows = data.interactions
    if rows.review is None:
        return {}
    return {
        user: rows.review[int(rows.offsets[code + 1]) - 1]
        for code, user in enumerate(data.users)
        if rows.offsets[code + 1] > rows.offsets[code]
    }


def with_teacher_texts(
    users: Sequence[UserDescription], builder: ExampleBuilder, ask: Ask
) -> list[UserDescription]:
    """Replace explicit preferences and vague intentions by what a teacher writes.

    A preference is why the user took the last item of the history, an intention why the target,
    whose title is removed. What the teacher cannot say is left out.

    Args:
        users: Descriptions from facts.
        builder: Its template decides how titles are written.
        ask: Returns a rationale for each question.
    """
    histories = {user.question.key: _last_choice(user.question) for user in users}
    known = [question for question in histories.values() if question is not None]
    likes = {r.key: r.text for r in (ask(known) if known else ())}
    wants = {r.key: r.text for r in ask([user.question for user in users])}

    def describe() -> Iterator[UserDescription]:
        for user in users:
            key = user.question.key
            preferences: dict[PreferenceKind, str] = {"none": "", "implicit": ""}
            if text := likes.get(f"{key}#last"):
                preferences["explicit"] = text
            intentions: dict[IntentionKind, str] = {
                kind: text for kind, text in user.intentions.items() if kind != "vague"
            }
            if text := wants.get(key):
                intentions["vague"] = mask_title(
                    text, user.question, builder.template, builder.catalog
                )
            yield replace(user, preferences=preferences, intentions=intentions)

    return list(describe())


def _last_choice(question: TeacherQuestion) -> TeacherQuestion | None:
    """Return the question about the history's last item; None for an empty history."""
    if not question.history:
        return None
    *before, last = question.history
    return TeacherQuestion(f"{question.key}#last", tuple(before), (last.item,), last.item)
