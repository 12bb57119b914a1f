"""TWiCE-Rec: curated rationales, three tasks, and GRPO rewarded by a collaborative filter, too.

1. The teacher explains each user's last item and tags its own rationales; those that it calls
   incoherent are dropped.
2. Fine-tuning on three tasks: an item's description, the next item, and rationale and next item.
3. GRPO. The reward of the item is `rewards.twice_rec_reward` of whether it is the target and of cf,
   the sigmoid of a SASRec's score (eq. 2); the reward of the format is added (eqs. 3-5).
Stages can be left out, which gives the paper's variants (its Figures 5 and 7).
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from baselines.rl import twice_rec_stages as stages
from baselines.rl.collaborative_reward import (
    CollaborativeConfig,
    agreement_table,
    answer_agreement,
)
from baselines.rl.reward_recommender import RewardRecommender
from benchkit.lm.teachers.base import NoRationaleError, Rationale, TeacherQuestion
from benchkit.lm.teachers.curation import tag_rationales
from benchkit.training.core.example_builder import ExampleBuilder
from benchkit.training.core.examples import Example
from benchkit.training.rl import rewards
from benchkit.training.rl.rollouts import RewardFunction, Rollout, RolloutTask
from benchkit.types import Capability, RunContext, TrainView


class TWiCERec(RewardRecommender):
    """Fine-tuning on curated rationales and two other tasks, then GRPO."""

    class Config(CollaborativeConfig):
        """Settings of TWiCE-Rec.

        The paper's variants are A `fine_tune = false, reinforce = false`, B `reinforce = false`,
        C `fine_tune = false`, D `weight = 0` and E the defaults; those of its Figure 7 are A the
        defaults, B `answer_rationale = false` and C `rationale = false`.
        """

        curate: bool = True
        """Stage 1: drop rationales that the teacher tags as incoherent. A language model gives a
        verdict with `teacher = { kind = "llm", prompt = "post-hoc", engine = ... }`."""
        min_coherence: float = Field(default=4.0, ge=1, le=7)
        """Lowest coherence score of a rationale to learn from, where the teacher gives scores."""
        tasks: tuple[stages.Task, ...] = Field(
            default=("describe", "direct", "reason"), min_length=1
        )
        """Stage 2: an item's description, the next item, and rationale and next item; the last one
        is left out without rationales."""
        descriptions: PositiveInt | None = None
        """Most items to describe, chosen by a hash; None for as many as there are users."""
        answer_rationale: bool = True
        """Answer with a rationale where the model is trained to give one."""
        rationale: bool = True
        """Train on rationales, in stages 2 and 3."""
        share: float = Field(default=0.15, gt=0, le=1)
        group: int = Field(default=16, ge=2)
        reduction: Literal["sequence", "token", "fixed"] = "token"
        kl: NonNegativeFloat = 0.04
        """Coefficient of the divergence from the fine-tuned model: the official code's, by its
        library's default. The paper's eq. 1 has none: 0."""
        weight: NonNegativeFloat = 3.0
        """Weight lambda of cf for the target. 0 leaves the collaborative filter out, also for other
        items: the paper's variant D, item match and format alone."""
        threshold: float = Field(default=0.3, ge=0, le=1)
        """Threshold tau below which cf counts for nothing."""
        item_weight: PositiveFloat = 1.0
        """Weight of the item's reward relative to the format's; 4 in the official code."""
        format_reward: Literal["paper", "strict"] = "paper"
        """Eqs. 3-5, by which tags only have to be there, or for an answer of the tags in their
        order, each once, and nothing else."""

    config: Config

    @property
    def trains_rationales(self) -> bool:
        return self.config.rationale and self.fine_tunes and "reason" in self.config.tasks

    @property
    def capabilities(self) -> frozenset[Capability]:
        answers_plainly = not self.config.answer_rationale
        return super().capabilities - ({"explains"} if answers_plainly else set())

    def fit(self, data: TrainView, run: RunContext) -> None:
        super().fit(data, run)
        if not self.config.answer_rationale:  # the same model, asked for the item alone
            self.predictor = replace(self.predictor, rationale=False)

    def write_rationales(
        self, questions: Sequence[TeacherQuestion], data: TrainView, run: RunContext
    ) -> list[Rationale]:
        """Let the teacher explain each question's item, and curate what it writes (stage 1)."""
        rationales = super().write_rationales(questions, data, run)
        if not self.config.curate:
            return rationales
        curated = tag_rationales(rationales, self.config.min_coherence)
        if all(rationale.text is None for rationale in curated):
            raise NoRationaleError(
                f"the teacher calls all of {len(curated)} rationales incoherent",
                "lower min_coherence, or set curate = false",
            )
        return curated

    def fine_tuning_examples(
        self,
        questions: Sequence[TeacherQuestion],
        builder: ExampleBuilder,
        data: TrainView,
        run: RunContext,
    ) -> list[Example]:
        """Return the examples of the three tasks (stage 2)."""
        config, examples = self.config, []
        if "describe" in config.tasks:
            limit = config.descriptions or len(questions)
            examples += stages.description_examples(builder, data, limit)
        if "direct" in config.tasks:
            examples += stages.direct_examples(builder, questions)
        if self.trains_rationales:
            rationales = self.write_rationales(questions, data, run)
            if config.curate:
                stages.record_curation(rationales, config.min_coherence, run)
            examples += stages.reasoning_examples(builder, questions, rationales)
        return examples

    def make_reward(
        self, tasks: Sequence[RolloutTask], data: TrainView, run: RunContext
    ) -> RewardFunction:
        config, tags = self.config, self.answer_tags
        format_reward = rewards.FORMAT_REWARDS[config.format_reward]
        table = agreement_table(config, config.threshold, tasks, data, run)

        def reward(task: RolloutTask, answer: Rollout) -> float:
            cf, match = answer_agreement(table, task, answer), answer.item == task.target
            item_reward = rewards.twice_rec_reward(match, cf, config.weight, config.threshold)
            return config.item_weight * item_reward + format_reward(answer.text, tags)

        return reward
