"""Steps of training, forward and backward, without an optimizer: the ways of each task.

All weights are trained, activations are computed twice (gradient checkpointing), in every way.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch.nn.functional import cross_entropy

from baselines.preference.c_apo import weights_from_scores
from benchkit.lm import shared_prefix as sp
from benchkit.lm.packing import Kernel
from benchkit.lm.packing.kernels import force_kernel
from benchkit.process_state import isolate_process
from benchkit.training.core.examples import Example, collate
from benchkit.training.core.token_loss import label_losses
from benchkit.training.core.training_job import use_gradient_checkpointing
from benchkit.training.preference.loss import preference_loss
from benchkit.training.preference.loss_spec import PreferenceExample, PreferenceLoss
from benchkit.training.preference.objective import PreferenceObjective
from tests.benchmarks.gpu.bench import Bench, measure, repeated_logprobs
from tests.benchmarks.gpu.models import local_tokenizer

Figures = dict[str, Any]
BETA = 0.1


def sft(bench: Bench, way: str) -> Figures:
    """A step of fine-tuning on the responses."""
    prompt = tuple(bench.prompt)
    examples = [Example(prompt, tuple(response)) for response in bench.responses]
    batch = {name: value.to(bench.device) for name, value in collate(examples).items()}

    def losses(model: Any) -> torch.Tensor:
        if way == "own":
            return label_losses(model, batch)[0]
        logits = model(input_ids=batch["input_ids"], use_cache=False).logits[:, :-1].float()
        labels = batch["labels"][:, 1:]
        each = cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
        return each[labels.flatten() >= 0]

    with _trained(bench) as model:

        def step() -> torch.Tensor:
            model.zero_grad(set_to_none=True)
            each = losses(model)
            each.mean().backward()
            return each.detach()

        figures, each = measure(bench, step)
        norm = _gradient_norm(model)
        tokens = batch["input_ids"].numel() / figures["seconds"]
        return {
            **figures, "tokens_per_second": round(tokens, 1),
            "error": bench.error("responses", -each), "gradient_norm": norm,
        }  # fmt: skip


def preference(bench: Bench, way: str) -> Figures:
    """A step of C-APO with weights that are not trained, on one prompt and its responses."""
    if way.startswith("trl"):
        return _trl(bench, with_liger=way == "trl with liger")
    objective = PreferenceObjective(
        PreferenceLoss("plackett-luce", weights_from_scores("frozen", BETA))
    )
    scores = tuple(float(number) for number in range(bench.sizes.responses, 0, -1))
    example = PreferenceExample(
        "", tuple(bench.prompt), tuple(map(tuple, bench.responses)),
        (1,) * len(scores), bench.reference_logprobs, {"score": scores},
    )  # fmt: skip
    batch = {n: value.to(bench.device) for n, value in objective.collate([example]).items()}
    reference = bench.build_reference() if way == "concatenated with reference" else None

    def concatenated(model: Any) -> torch.Tensor:
        base = batch["reference"]
        if reference is not None:
            with torch.no_grad():
                base = repeated_logprobs(reference, bench.prompt, bench.responses).sum(-1)[None]
        policy = repeated_logprobs(model, bench.prompt, bench.responses).sum(-1)[None]
        d = policy - base
        pairs = objective.loss_spec.pairs({"score": batch["field:score"]}, d.detach(), True)
        return preference_loss(
            d, torch.ones_like(d, dtype=torch.bool), "plackett-luce", pairs
        ).sum()

    def logprobs(model: Any) -> torch.Tensor:
        with torch.no_grad():
            if way.startswith("concatenated"):
                return repeated_logprobs(model, bench.prompt, bench.responses)
            packed = sp.batch_from_tensors(batch, len(scores))
            with force_kernel(cast("Kernel", way)), sp.use_shared_prefix(model):
                return sp.response_token_logprobs(model, packed)

    with _trained(bench) as model:

        def step() -> float:
            model.zero_grad(set_to_none=True)
            if way.startswith("concatenated"):
                loss = concatenated(model)
                loss.backward()
            else:
                with force_kernel(cast("Kernel", way)), objective.context(model):
                    loss = objective.loss(model, batch)
                    loss.backward()
            return loss.item()

        figures, loss = measure(bench, step)
        norm = _gradient_norm(model)
        error = bench.error("responses", logprobs(model))
        return {**figures, "loss": loss, "error": error, "gradient_norm": norm}


def _trl(bench: Bench, with_liger: bool) -> Figures:
    """TRL's DPO on the pairs of the same responses; it computes the reference in each step."""
    import trl
    from datasets import Dataset
    from transformers.integrations.liger import apply_liger_kernel

    if with_liger:
        import liger_kernel  # noqa: F401
    words = Dataset.from_list([{"prompt": "a", "chosen": "b", "rejected": "c"}])
    model, reference = bench.model, bench.build_reference()
    try:
        with (
            isolate_process(bench.device, "transformers", "accelerate", "peft"),
            tempfile.TemporaryDirectory() as folder,
        ):
            trainer = trl.DPOTrainer(
                model, ref_model=reference, train_dataset=words,
                processing_class=local_tokenizer(model.config.vocab_size),
                args=trl.DPOConfig(
                    folder, beta=BETA, max_length=None, use_cpu=bench.device == "cpu",
                    report_to=[], bf16=True, use_liger_kernel=with_liger,
                    gradient_checkpointing=True,
                    gradient_checkpointing_kwargs={"use_reentrant": False},
                ),
            )  # fmt: skip
            trainer.current_gradient_accumulation_steps = 1  # this and the next are train()'s work
            if with_liger:
                apply_liger_kernel(trainer.model, trainer.args.liger_kernel_config)
            prepared = trainer.accelerator.prepare_model(trainer.model)
            first, *others = bench.responses
            batch = trainer.data_collator(
                [
                    {"prompt_ids": bench.prompt, "chosen_ids": first, "rejected_ids": r}
                    for r in others
                ]
            )

            def step() -> float:
                model.zero_grad(set_to_none=True)
                return float(trainer.training_step(prepared, dict(batch)))

            figures, loss = measure(bench, step)
            sums = [
                trainer._metrics["train"][f"logps/{side}"][0] for side in ("chosen", "rejected")
            ]
    finally:
        bench.drop_model()  # the trainer has wrapped its forward pass
    error = None
    if bench.exact is not None:
        exact = bench.exact["responses"].sum(-1)
        differences = [sums[0] - float(exact[0]), sums[1] - float(exact[1:].mean())]
        error = sum(map(abs, differences)) / 2 / bench.sizes.response
    return {**figures, "loss": loss, "error": error}


@contextmanager
def _trained(bench: Bench) -> Iterator[Any]:
    """The model in training mode, with gradient checkpointing."""
    model = bench.model.train()
    try:
        with use_gradient_checkpointing(model, True):
            yield model
    finally:
        model.eval()


def _gradient_norm(model: Any) -> float:
    gradients = [p.grad for p in model.parameters() if p.grad is not None]
    norms = [torch.linalg.vector_norm(each, dtype=torch.float32) for each in gradients]
    return float(torch.stack(norms).norm())
