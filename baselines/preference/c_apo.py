"""C-APO: preferences over rationale and item, each pair weighed by how far its order is trusted.

The chosen item, a hard and an easy rejected one each have a teacher's rationale and coherence
score. L = softplus(log sum_k exp(w_ck (g_k - g_c))) + softplus(w_he (g_e - g_h)), g = beta d
(eqs. 10 and 13); the weights come from a calibrator of the scores (eqs. 7-9).
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import PositiveFloat, PositiveInt

from benchkit.lm.teachers.encoder import MiniLMEncoder, embeddings_path, load_or_encode
from benchkit.lm.timing import record_stage_cost
from benchkit.training.preference.examples import Preference
from benchkit.training.preference.loss_spec import PairTerms, PairTermsFunction, PreferenceLoss
from benchkit.training.preference.recommender import PreferenceConfig, PreferenceRecommender
from benchkit.types import RunContext, TrainView

if TYPE_CHECKING:
    from torch import Tensor

_EMBEDDING = 384  # of MiniLM
_HISTORY = 5  # titles of the history, the last, that are embedded with the item


class CAPO(PreferenceRecommender):
    """Conflict-aware direct preference optimisation (Park et al.), in four forms.

    `joint` trains the calibrator by the same loss, as the paper says. Nothing but this loss
    supervises it: the gradient raises a weight where the policy is right and lowers it where it is
    wrong, so that `frozen`, the same weights never trained, is the control to look at beside it.
    There is no form whose calibrator is trained on the order of scores instead: that needs scores
    other than those it corrects (a second teacher's, or people's). With its own all weights become
    0 or 1.
    """

    class Config(PreferenceConfig):
        """calibrator: `joint`; `frozen`, the probit of the score gap; `raw`, the sigmoid of the
        score gap (the paper's ablation E); `none`, all weights 1, which is Plackett-Luce.
        beta: strength of the pull towards the reference. calibrator_lr, hidden: of the
        calibrator. bound_shift: largest correction of a score; None for no bound, as in the
        paper: sigma alone is bounded from below."""

        negatives: PositiveInt = 2
        rationale: bool = True
        calibrator: Literal["joint", "frozen", "raw", "none"] = "joint"
        beta: PositiveFloat = 1.0
        calibrator_lr: PositiveFloat = 1e-4
        hidden: PositiveInt = 64
        bound_shift: PositiveFloat | None = None

    config: Config
    ranks_rejected = True
    min_rejected = 2

    def fields(
        self, found: Sequence[Preference], data: TrainView, run: RunContext
    ) -> Sequence[Mapping[str, tuple[Any, ...]]]:
        scores = [tuple(choice.score for choice in own.choices) for own in found]
        if self.config.calibrator != "joint":
            return [{"score": own} for own in scores]
        title = data.catalog.text
        texts = []
        for own in found:
            history = "; ".join(title(e.item) or e.item for e in own.history[-_HISTORY:])
            texts += [f"{history} | {title(c.item) or c.item} | {c.rationale}" for c in own.choices]
        encoder = MiniLMEncoder()
        record = embeddings_path(encoder, texts, run.cache).with_suffix(".json")
        with record_stage_cost(run, "encoder", record):
            rows = iter(load_or_encode(encoder, texts, run.cache).tolist())
        return [{"score": own, "z": tuple(tuple(next(rows)) for _ in own)} for own in scores]

    def make_loss(self, data: TrainView, run: RunContext) -> PreferenceLoss:
        config = self.config
        shared = {**self.loss_options, "aggregate": "plackett-luce"}
        if config.calibrator != "joint":
            return PreferenceLoss(pairs=fixed_pair_terms(config.calibrator, config.beta), **shared)
        import torch

        from benchkit.training.preference.calibrator import Calibrator, probit_weights

        seed = int(run.generator("calibrator").integers(2**63))
        generator = torch.Generator().manual_seed(seed)
        module = Calibrator(_EMBEDDING, config.hidden, generator, config.bound_shift)

        def pairs(fields: "Mapping[str, Tensor]", *_: Any) -> PairTerms:
            weights = probit_weights(*module(fields["z"], fields["score"]))
            return PairTerms(beta=config.beta, weight=weights)

        return PreferenceLoss(pairs=pairs, module=module, module_lr=config.calibrator_lr, **shared)


def fixed_pair_terms(calibrator: str, beta: float) -> PairTermsFunction:
    """Weights that nothing trains."""

    def pairs(fields: "Mapping[str, Tensor]", *_: Any) -> PairTerms:
        import torch

        from benchkit.training.preference.calibrator import probit_weights, sigmoid_weights

        score = fields["score"]
        if calibrator == "none":
            return PairTerms(beta=beta)
        if calibrator == "raw":
            return PairTerms(beta=beta, weight=sigmoid_weights(score))
        sigma = torch.full_like(score, 0.6931471805599453)  # what the calibrator starts from
        return PairTerms(beta=beta, weight=probit_weights(score, sigma))

    return pairs
