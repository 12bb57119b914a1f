"""Log-probabilities of the reference model, and training on another loss in the same folder."""

from dataclasses import replace

import pytest
import torch

from benchkit.training.core.config import TrainConfig
from benchkit.training.core.training_context import autocast, training_context
from benchkit.training.preference.loss_spec import PreferenceExample, PreferenceLoss, constant_beta
from benchkit.training.preference.objective import PreferenceObjective
from benchkit.training.preference.reference import add_reference_logprobs
from benchkit.training.train import train_on_objective
from tests.support.tiny_models import tiny_model
from tests.support.tiny_training import Stages, context


def preferences() -> list[PreferenceExample]:
    generator = torch.Generator().manual_seed(0)
    draw = lambda n: tuple(torch.randint(3, 300, (n,), generator=generator).tolist())  # noqa: E731
    return [PreferenceExample(str(n), draw(30), (draw(40), draw(50)), (1, 1)) for n in range(3)]


def test_the_reference_is_what_the_training_s_first_step_says(tmp_path):
    """In bfloat16, too: it must be computed as the policy is."""
    model, run = tiny_model("qwen3"), context(tmp_path)
    run.cache.mkdir(exist_ok=True)
    objective = PreferenceObjective(PreferenceLoss("logistic", constant_beta(0.1)))
    with training_context("cpu"):
        said = {
            precision: add_reference_logprobs(model, preferences()[:1], objective, precision, run)
            for precision in ("bfloat16", "float32")
        }
        assert said["bfloat16"][0].reference != said["float32"][0].reference
        for precision, (example,) in said.items():
            batch = objective.collate([example])
            with torch.no_grad(), objective.context(model), autocast(precision, "cpu"):
                policy = objective.responses(model, batch).policy
            assert torch.equal(policy, batch["reference"])


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "cost", "no cost"])
def test_a_damaged_file_is_made_again(tmp_path, damage):
    model, run = tiny_model("qwen3"), context(tmp_path)
    objective = PreferenceObjective(PreferenceLoss("logistic", constant_beta(0.1)))
    with training_context("cpu"):
        first = add_reference_logprobs(model, preferences(), objective, "float32", run)
        (path,) = (run.cache / "reference").glob("*.npy")
        content, cost = path.read_bytes(), path.with_suffix(".json")
        if damage == "flip":
            path.write_bytes(content[:-3] + bytes([content[-3] ^ 2]) + content[-2:])
        elif damage == "cost":
            cost.write_text(cost.read_text().replace('"seconds": ', '"seconds": 9'))
        elif damage == "no cost":
            cost.unlink()
        else:
            path.write_bytes(content[: len(content) // 2 if damage == "cut" else 0])
        log = Stages()
        again = add_reference_logprobs(
            model, preferences(), objective, "float32", replace(run, progress=log)
        )
    assert [e.reference for e in again] == [e.reference for e in first]
    assert path.read_bytes() == content
    assert log.stages[0][0].startswith(f"reference/{path.name} is damaged")


def test_a_folder_is_not_gone_on_with_under_another_loss(tmp_path):
    run = context(tmp_path)
    config = TrainConfig(epochs=2, batch_size=3, learning_rate=1e-2, purpose="preference")

    def trained(beta: float, about: object) -> torch.Tensor:
        objective = PreferenceObjective(
            PreferenceLoss("logistic", constant_beta(beta), reference=False)
        )
        with training_context("cpu"):
            model = train_on_objective(
                tiny_model("qwen3"), preferences(), objective, config, run, identity=about
            )
        return torch.cat([p.detach().flatten() for p in model.parameters()])

    first = trained(0.1, "beta .1")
    assert torch.equal(trained(5.0, "beta .1"), first)  # what had ended is read
    assert not torch.equal(trained(5.0, "beta 5"), first)
