"""Preferences of random token ids, and families of losses that train something beside the model."""

import numpy as np
import torch

from baselines.preference.adaptive_beta import AdaptiveBeta
from benchkit import seeds
from benchkit.training.preference.calibrator import Calibrator, probit_weights
from benchkit.training.preference.loss_spec import PairTerms, PreferenceExample, PreferenceLoss


def preference(rng, number, k=3):
    def tokens(size):
        return tuple(rng.integers(3, 300, size).tolist())

    responses = tuple(tokens(int(rng.integers(2, 7))) for _ in range(k))
    return PreferenceExample(
        key=str(number),
        prompt=tokens(int(rng.integers(1, 30))),
        responses=responses,
        item_tokens=(1,) * k,
        reference=tuple(rng.normal(-20, 2, k).tolist()),
        fields={
            "score": tuple(rng.uniform(1, 7, k).tolist()),
            "z": tuple(rng.normal(size=(k, 5)).tolist()),
            "here": (1.0,) * k,
        },
    )


def preferences(count):
    rng = np.random.default_rng(1)
    return [preference(rng, number) for number in range(count)]


def calibrated():
    """C-APO's, jointly trained."""
    module = Calibrator(5, 8, torch.Generator().manual_seed(0))

    def pairs(fields, d, is_training):
        return PairTerms(beta=0.1, weight=probit_weights(*module(fields["z"], fields["score"])))

    return PreferenceLoss("plackett-luce", pairs, module=module, module_lr=1e-2)


def adaptive():
    """beta-DPO's, which keeps running averages and leaves examples out."""
    module = AdaptiveBeta(0.1, 0.6, 0.4, 0.9, lambda step: seeds.generator(0, step))
    return PreferenceLoss(
        "logistic", module.pairs, module=module, effective_size=module.effective_size
    )
