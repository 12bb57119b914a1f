"""All training examples of RecExplainer, from its tasks about users and about items."""

from collections.abc import Sequence

from baselines.sft.explainer.expert_tasks import LIST_ITEMS, ExpertTasks
from baselines.sft.explainer.expert_vectors import AlignedBuilder, Alignment, align_template
from baselines.sft.explainer.item_tasks import ItemTasks
from baselines.sft.explainer.task_mixture import TaskMixture
from baselines.sft.explainer.user_vectors import UserVectors
from benchkit.lm.prompts import Template, load_template
from benchkit.lm.teachers.base import TeacherQuestion
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.examples import Example
from benchkit.types import Recommender, RunContext

_TITLE_TOKENS = 64  # room for each title in an answer that is a list


def make_tasks(
    expert: Recommender,
    builder: ExampleBuilder,
    alignment: Alignment,
    max_history: int | None,
    users: UserVectors,
    run: RunContext,
) -> ExpertTasks:
    """Return the tasks of a fitted expert, with prompts that leave room for their answers.

    Args:
        expert: The expert.
        builder: Writes prompts without vectors as the method is asked later.
        alignment: Which vectors the prompts have.
        max_history: Most events of a history in a prompt; None for no limit.
        users: Numbers the users whose vectors they have.
        run: Source of random numbers.
    """
    limit = list_limit = builder.prompt_tokens
    if limit is not None:
        # A model with a short context has short titles; it gets half of it for the prompt.
        list_limit = max(limit // 2, limit - (LIST_ITEMS - 1) * _TITLE_TOKENS)

    def make_builder(template: Template, tokens: int | None) -> AlignedBuilder:
        template = align_template(template, alignment, max_history)
        return AlignedBuilder(
            template, builder.tokenizer, builder.catalog, tokens, alignment, users
        )

    return ExpertTasks(
        expert,
        make_builder(builder.template, limit),
        make_builder(load_template("compact-list"), list_limit),
        make_builder(load_template("compact-interest"), limit),
        run,
    )


def training_examples(
    tasks: ExpertTasks,
    questions: Sequence[TeacherQuestion],
    mixture: TaskMixture,
    max_length: int,
) -> list[Example]:
    """Return the examples of a mixture; dialogues of more than `max_length` tokens are left out."""
    vectors = getattr(tasks.expert, "item_embeddings", None)
    rows = None if vectors is None else vectors.detach().cpu().numpy()
    items = ItemTasks(tasks.next_item, tasks.run, rows)
    return [*tasks.examples(questions, mixture), *items.examples(mixture, max_length)]
