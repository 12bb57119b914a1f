"""Our losses beside those of TRL, on the same log-probabilities and on the same model."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchkit.lm import shared_prefix as sp
from benchkit.process_state import isolate_process
from benchkit.training.preference.loss import preference_loss
from benchkit.training.preference.loss_spec import PairTerms, PreferenceExample, PreferenceLoss
from benchkit.training.preference.objective import PreferenceObjective
from tests.support.tiny_models import tiny_model, tiny_tokenizer

pytest.importorskip("trl")
GENERATOR = torch.Generator().manual_seed(0)
CHOSEN = -30 * torch.rand(16, generator=GENERATOR, dtype=torch.float64)
REJECTED = -30 * torch.rand(16, generator=GENERATOR, dtype=torch.float64)
HERE = torch.ones(16, 2, dtype=torch.bool)


def cpo_of_trl(**settings: object) -> torch.Tensor:
    with isolate_process("cpu", "transformers", "accelerate", "peft"):
        from trl.experimental.cpo import CPOTrainer

        plain = {"label_smoothing": 0.0, "alpha": 0.0, "accelerator": SimpleNamespace(device="cpu")}
        return CPOTrainer.cpo_loss(SimpleNamespace(**plain, **settings), CHOSEN, REJECTED)[0]


def test_cpo_equals_trl():
    d = torch.stack([CHOSEN, REJECTED], dim=1)
    ours = preference_loss(d, HERE, "logistic", PairTerms(beta=0.1))
    torch.testing.assert_close(ours, cpo_of_trl(beta=0.1, loss_type="sigmoid"), atol=1e-6, rtol=0)


def test_simpo_equals_trl():
    d = torch.stack([CHOSEN, REJECTED], dim=1)
    ours = preference_loss(d, HERE, "logistic", PairTerms(beta=2.0, margin=0.5))
    theirs = cpo_of_trl(beta=2.0, loss_type="simpo", simpo_gamma=0.5)
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


ROWS = [
    {"prompt_ids": [5, 6, 7, 8], "chosen_ids": [9, 10, 2], "rejected_ids": [11, 2]},
    {"prompt_ids": [20], "chosen_ids": [21, 2], "rejected_ids": [22, 23, 24, 25, 2]},
]


def trl_loss(tmp_path: Path, loss_type: str, beta: float) -> float:
    """The loss of TRL's DPOTrainer for ROWS, with its own reference model."""
    with isolate_process("cpu", "transformers", "accelerate", "peft"):
        from datasets import Dataset
        from trl import DPOConfig, DPOTrainer

        model, reference = models()
        words = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}])
        trainer = DPOTrainer(
            model,
            ref_model=reference,
            args=DPOConfig(
                str(tmp_path), beta=beta, loss_type=[loss_type], use_cpu=True, report_to=[],
                bf16=False, gradient_checkpointing=False,
            ),
            train_dataset=words,
            processing_class=tiny_tokenizer(),
        )  # fmt: skip
        batch = trainer.data_collator(ROWS)
        return float(trainer._compute_loss(trainer.model, batch, return_outputs=False))


def models() -> tuple[torch.nn.Module, torch.nn.Module]:
    """A model, and a reference that differs from it."""
    model, reference = tiny_model("qwen3"), tiny_model("qwen3")
    with torch.no_grad():
        for parameter in reference.parameters():
            parameter.mul_(0.9)
    return model, reference


@pytest.mark.parametrize("loss_type", ["sigmoid", "ipo"])
def test_the_loss_of_a_model_equals_that_of_dpo_trainer(tmp_path, loss_type):
    beta = 0.3
    theirs = trl_loss(tmp_path, loss_type, beta)
    model, reference = models()
    examples = []
    for row in ROWS:
        responses = (tuple(row["chosen_ids"]), tuple(row["rejected_ids"]))
        batch = sp.pack_batch([row["prompt_ids"]], [responses])
        with torch.no_grad(), sp.use_shared_prefix(reference):
            logprobs = sp.sum_per_response(batch, sp.response_token_logprobs(reference, batch))[0]
        prompt = tuple(row["prompt_ids"])
        examples.append(PreferenceExample("", prompt, responses, (1, 1), tuple(logprobs.tolist())))
    aggregate = "logistic" if loss_type == "sigmoid" else "squared"
    pairs = PairTerms(beta=beta) if loss_type == "sigmoid" else PairTerms(tau=beta)
    family = PreferenceLoss(aggregate, lambda *_: pairs, length_normalised=loss_type == "ipo")
    objective = PreferenceObjective(family)
    with torch.no_grad(), objective.context(model):
        ours = objective.loss(model, objective.collate(examples)).item() / len(ROWS)
    assert ours == pytest.approx(theirs, rel=1e-6)
