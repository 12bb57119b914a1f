"""C-APO: preferences over rationale and item, each pair weighted by how far its order is trusted.

The chosen item, a hard and an easy rejected one each have a teacher's rationale and coherence
score. L = softplus(log sum_k exp(w_ck (g_k - g_c))) + softplus(w_he (g_e - g_h)), g = beta d
(eqs. 10 and 13); the weights come from a calibrator of the scores (eqs. 7-9).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PositiveFloat, PositiveInt

from benchkit.files.checksums import discard_damaged, find_file_damage
from benchkit.lm.teachers.encoder import embeddings_path, fastest_precision, load_or_encode
from benchkit.lm.teachers.sentence_encoder import MINILM, EncoderSetting, open_encoder
from benchkit.lm.timing import find_cost_damage, record_stage_cost
from benchkit.training.preference.config import PreferenceConfig
from benchkit.training.preference.examples import Preference
from benchkit.training.preference.loss_spec import PairTerms, PairTermsFunction, PreferenceLoss
from benchkit.training.preference.recommender import PreferenceRecommender
from benchkit.types import RunContext, TrainView

if TYPE_CHECKING:
    from torch import Tensor


class CAPO(PreferenceRecommender):
    """Conflict-aware direct preference optimisation (Park et al.), in four variants.

    `joint` trains the calibrator by the same loss, as the paper says. Nothing else supervises it:
    the gradient raises a weight where the policy is right and lowers it where it is wrong, so
    `frozen`, the same weights without training, is the control to compare it with. There is no
    variant whose calibrator is trained on the order of scores: that would need scores other than
    those it corrects (a second teacher's, or people's); with its own, all weights become 0 or 1.
    """

    class Config(PreferenceConfig):
        """Settings of C-APO."""

        negatives: PositiveInt = 2
        rationale: bool = True
        calibrator: Literal["joint", "frozen", "raw", "none"] = "joint"
        """Weights: trained jointly; the probit of the score gap, not trained; its sigmoid (the
        paper's ablation E); or all 1, which is Plackett-Luce."""
        beta: PositiveFloat = 1.0
        """Strength beta of the pull towards the reference."""
        calibrator_lr: PositiveFloat = 1e-4
        """Learning rate of the calibrator."""
        encoder: EncoderSetting = MINILM
        """What embeds history, item and rationale for the calibrator: `minilm`, the id of a model
        of sentence-transformers on the Hugging Face hub (the paper's is
        sentence-transformers/all-mpnet-base-v2), or a local folder."""
        hidden: PositiveInt = 64
        """Width of the calibrator's hidden layers."""
        calibrator_history: PositiveInt | Literal["all"] = 5
        """Last titles of the history that are embedded with item and rationale. "all" as in the
        paper; but MiniLM reads 256 tokens and all-mpnet-base-v2 384, and a long history leaves
        them none of the rationale."""
        bound_shift: PositiveFloat | None = None
        """Largest correction of a score; None for no bound, as in the paper."""

    config: Config
    ranks_rejected = True
    min_rejected = 2

    @property
    def encoders(self) -> tuple[str, ...]:
        joint = self.config.calibrator == "joint"
        return (*super().encoders, *([self.config.encoder] if joint else []))

    def fields(
        self, preferences: Sequence[Preference], data: TrainView, run: RunContext
    ) -> Sequence[Mapping[str, tuple[Any, ...]]]:
        scores = [tuple(choice.score for choice in p.choices) for p in preferences]
        if self.config.calibrator != "joint":
            return [{"score": row} for row in scores]
        title, last = data.catalog.text, self.config.calibrator_history
        texts = []
        for preference in preferences:
            events = preference.history if last == "all" else preference.history[-last:]
            history = "; ".join(title(event.item) or event.item for event in events)
            for choice in preference.choices:
                item = title(choice.item) or choice.item
                texts.append(f"{history} | {item} | {choice.rationale}")
        encoder = open_encoder(self.config.encoder, run.device, fastest_precision())
        record = embeddings_path(encoder, texts, run.cache).with_suffix(".json")
        vectors = record.with_suffix(".npy")
        if vectors.exists() and (damage := find_file_damage(vectors) or find_cost_damage(record)):
            discard_damaged(vectors, damage, run.progress)
            record.unlink(missing_ok=True)
        with record_stage_cost(run, "encoder", record):
            rows = iter(load_or_encode(encoder, texts, run.cache).tolist())
        return [{"score": row, "z": tuple(tuple(next(rows)) for _ in row)} for row in scores]

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        config = self.config
        options = {**self.loss_options, "aggregate": "plackett-luce"}
        if config.calibrator != "joint":
            return PreferenceLoss(
                pairs=weights_from_scores(config.calibrator, config.beta), **options
            )
        import torch

        from benchkit.training.preference.calibrator import Calibrator, probit_weights

        seed = int(run.generator("calibrator").integers(2**63))
        generator = torch.Generator().manual_seed(seed)
        size = open_encoder(config.encoder, run.device).size
        module = Calibrator(size, config.hidden, generator, config.bound_shift)

        def pairs(fields: "Mapping[str, Tensor]", *_: Any) -> PairTerms:
            weights = probit_weights(*module(fields["z"], fields["score"]))
            return PairTerms(beta=config.beta, weight=weights)

        return PreferenceLoss(pairs=pairs, module=module, module_lr=config.calibrator_lr, **options)


def weights_from_scores(calibrator: str, beta: float) -> PairTermsFunction:
    """Return pair terms whose weights follow from the scores alone."""

    def pairs(fields: "Mapping[str, Tensor]", *_: Any) -> PairTerms:
        import torch

        from benchkit.training.preference.calibrator import probit_weights, sigmoid_weights

        score = fields["score"]
        if calibrator == "none":
            return PairTerms(beta=beta)
        if calibrator == "raw":
            return PairTerms(beta=beta, weight=sigmoid_weights(score))
        sigma = torch.full_like(score, 0.6931471805599453)  # ln 2, the calibrator's start
        return PairTerms(beta=beta, weight=probit_weights(score, sigma))

    return pairs
