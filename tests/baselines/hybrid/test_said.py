"""SAID: soft tokens, reconstruction of texts, the frozen vectors, that it learns."""

import hashlib

import pytest

from baselines.hybrid.said import SAID
from benchkit.testing.fixtures import make_test_folder, run_context, toy_dataset
from benchkit.training.core.config import LoRAConfig, TrainConfig
from tests.support.planted_world import (
    falls,
    learning_run,
    planted_world,
    standard_errors_above_chance,
)
from tests.support.tiny_models import tiny_backbone, tiny_model
from tests.support.tiny_training import context

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from baselines.hybrid.frozen_vectors.soft_token import (  # noqa: E402
    ItemText,
    ReconstructionObjective,
    SoftTokens,
    embedding_scale,
)
from benchkit.training.core.training_context import training_context  # noqa: E402

FOUR = [ItemText(item, tuple(20 + 7 * item + n for n in range(3 + item))) for item in range(4)]


def soft_tokens(n_items=4, scale=0.15):
    with torch.random.fork_rng(devices=[]):
        module = SoftTokens(n_items, 8, 32)
    return module.initialise(scale, torch.Generator().manual_seed(0))


def mean_loss(model, objective, examples):
    batch = objective.collate(examples)
    with torch.no_grad():
        return objective.loss(model, batch).item() / objective.normalizer(batch)


def test_vectors_of_size_one_give_soft_tokens_of_the_models_scale():
    scale = embedding_scale(tiny_model("qwen3"))
    assert scale == pytest.approx(0.15, rel=0.05)  # as tiny_model draws them
    module = soft_tokens(500, scale)
    assert module.ids.weight.std().item() == pytest.approx(0.02, rel=0.1)
    ones = module.projector(torch.randn(500, 8, generator=torch.Generator().manual_seed(1)))
    assert ones.std().item() == pytest.approx(scale, rel=0.2)


def test_all_tokens_of_a_text_are_labels_and_the_soft_token_is_not():
    objective = ReconstructionObjective(soft_tokens(), 1e-2)
    batch = objective.collate(FOUR[:2])
    assert batch["labels"].tolist() == [[-100, 20, 21, 22, -100], [-100, 27, 28, 29, 30]]
    assert batch["weights"].sum() == objective.normalizer(batch) == 7
    assert batch["items"].tolist() == [0, 1]


def test_the_loss_is_that_of_a_text_behind_its_soft_token():
    model, module = tiny_model("llama"), soft_tokens()
    objective = ReconstructionObjective(module, 1e-2)
    total = 0.0
    for example in FOUR:
        own = module(torch.tensor([example.item]))[:, None]
        text = model.get_input_embeddings()(torch.tensor([example.ids]))
        logits = model(inputs_embeds=torch.cat([own, text], dim=1)).logits[0, :-1]
        total -= logits.log_softmax(-1)[range(len(example.ids)), list(example.ids)].sum().item()
    batch = objective.collate(FOUR)
    assert objective.loss(model, batch).item() == pytest.approx(total, rel=1e-5)


def test_four_items_are_learnt_by_heart(tmp_path):
    """The reconstruction loss falls below half, with the model frozen but for adapters, too."""
    from benchkit.training.train import train_on_objective

    for lora in (None, LoRAConfig()):
        model, objective = tiny_model("qwen3"), ReconstructionObjective(soft_tokens(), 3e-2)
        before = mean_loss(model, objective, FOUR)
        own = dict(model.named_parameters())["model.layers.0.mlp.up_proj.weight"]
        weights, soft = own.detach().clone(), objective.module.table()
        config = TrainConfig(
            epochs=30,
            batch_size=4,
            learning_rate=3e-3,
            lora=lora,
            purpose="said-lora" if lora else "said",
        )
        run = context(tmp_path)
        with training_context("cpu"):
            trained = train_on_objective(model, FOUR, objective, config, run)
        after = mean_loss(trained, objective, FOUR)
        assert after < 0.5 * before
        assert not torch.allclose(objective.module.table(), soft)
        assert torch.equal(own, weights) is (lora is not None)


def fit(dataset, settings, seed=0):
    run = learning_run(make_test_folder("run-"), dataset, seed)
    method = SAID(SAID.Config(**settings))
    method.fit(dataset.train_view(), run)
    return method, run


def test_the_second_stage_leaves_the_table_as_it_was():
    data = toy_dataset(users=30, items=30, length=6)
    train = {"epochs": 1, "max_steps": None, "gradient_checkpointing": False}
    sequential = {"hidden": 8, "heads": 1, "epochs": 2}
    settings = {"backbone": tiny_backbone(), "train": train, "sequential": sequential}
    seen = []

    class Watched(SAID):
        def make_vectors(self, *args):
            vectors = super().make_vectors(*args)
            seen.append(hashlib.sha256(vectors.tobytes()).hexdigest())
            return vectors

    method = Watched(Watched.Config(**settings))
    method.fit(data.train_view(), run_context(data.catalog))
    table = method.soft_tokens.table().numpy()
    assert seen == [hashlib.sha256(table.tobytes()).hexdigest()]
    assert table.shape == (len(data.catalog), 32)
    assert not method.soft_tokens.ids.weight.grad  # nothing of stage 2 reaches it


@pytest.mark.slow
def test_it_learns_with_nano():
    world = planted_world()
    method, run = fit(world, {})
    assert falls(run.progress.of("said steps"), to=0.5)
    assert falls(run.progress.of("epochs"))
    assert standard_errors_above_chance(method, world, run) > 3
