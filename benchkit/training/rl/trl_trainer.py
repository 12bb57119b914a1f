"""TRL's GRPOTrainer on our tasks: its sampling and loss; our prompts, rewards, order and weights.

Import it only where TRL is to train: it loads TRL, which takes seconds.

Where its definitions differ from `GRPOObjective`'s: rho is not continued by its tangent where it
would overflow; advantages of equal rewards are 0 up to rounding; log-probabilities are of separate
rows instead of answers that share their prompt; an adapter's dropout acts while it samples, too;
and it samples by the global random generator, so that an answer depends on what is in its batch.
Prompts are those of our loop, in its order.
"""

import copy
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from torch.utils.data import Sampler
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer as LibraryTrainer
from trl.trainer.utils import add_fused_lm_head

from benchkit.lm.architecture import unwrap_peft
from benchkit.lm.tokenization import end_of_turn
from benchkit.training.core.batch_sampler import StepPlan
from benchkit.training.core.config import TrainConfig
from benchkit.training.core.hf_arguments import training_arguments
from benchkit.training.core.weight_selection import WeightSelection
from benchkit.training.rl.grpo import align_checkpoints, prompt_batches
from benchkit.training.rl.trl_objective import TRLObjective
from benchkit.types import RunContext

LOSS_TYPES = {"sequence": "grpo", "token": "dapo", "fixed": "dr_grpo"}
"""TRL's names of our reductions. Its `bnpo` averages the tokens of a micro-batch, not of a step."""


class TRLTrainer(WeightSelection, LibraryTrainer):
    """The trainer of one training in one process; it is constructed as our own trainers are."""

    objective: TRLObjective
    args: Any

    def __init__(
        self,
        model: Any,
        examples: Sequence[Any],  # noqa: ARG002 - the slots of an epoch, which `plan` has counted
        objective: TRLObjective,
        config: TrainConfig,
        run: RunContext,
        plan: StepPlan,
        folder: Path,
    ) -> None:
        settings = objective.sampler.settings
        self.objective, self.group = objective, settings.group
        self.prepare_selection(config, run, align_checkpoints(plan, settings.iterations))
        self.lengths = [objective.size(task) for task in objective.tasks]
        self._before = _ModelState(unwrap_peft(model))
        tokenizer = copy.deepcopy(objective.sampler.builder.tokenizer)
        (end,) = end_of_turn(tokenizer)
        tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
        unwrap_peft(model).generation_config.eos_token_id = end  # nothing else ends an answer
        if objective.trl.vllm is not None:
            os.environ["VLLM_NO_USAGE_STATS"] = "1"
        super().__init__(
            model=model,
            reward_funcs=[self.reward_answers],
            args=grpo_arguments(model, objective, config, run, self.plan, folder, end),
            train_dataset=Dataset.from_list(
                # TRL's prompts are texts. Ours are tokens, which a text does not determine.
                [{"prompt": str(number)} for number in range(len(objective.tasks))]
            ),
            processing_class=tokenizer,
        )
        self.report_steps()
        self._set_reference()

    def _set_reference(self) -> None:
        """Let the divergence be from the model that training started from.

        TRL itself would load a model by the name of the policy, which was fine-tuned since then, or
        copy an adapter that has done nothing yet.
        """
        self.beta, reference = self.objective.sampler.settings.kl, self.objective.reference
        if self.beta and reference is not None:
            add_fused_lm_head(reference, temperature=self.temperature)
            self.ref_model = reference.to(self.args.device)

    # Prompts, in our order

    def order(self) -> Iterator[int]:
        """Yield the tasks of the rows of an epoch: each group as often as TRL reads its batch."""
        epoch = int(self.state.global_step // self.plan.steps_per_epoch)
        rng = self.run.generator(self.settings.purpose, "order", epoch)
        repeats = self.args.steps_per_generation * self.num_iterations
        for batch in prompt_batches(rng, self.lengths, self.settings):
            for _ in range(repeats):
                yield from batch.repeat(self.group).tolist()

    def _get_train_sampler(self, dataset: Any = None) -> Any:  # noqa: ARG002
        rows = self.settings.batch_size * self.group * self.args.steps_per_generation
        return _TaskOrder(self, rows * self.plan.steps_per_epoch)

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [list(self.objective.tasks[int(prompt)].prompt) for prompt in prompts], None, {}

    # A step

    def reward_answers(
        self, prompts: list[str], completion_ids: list[list[int]], **_: Any
    ) -> list[float | None]:
        """Return the rewards of a round's answers, TRL's reward function."""
        tasks = [self.objective.tasks[int(prompt)] for prompt in prompts]
        policy = self.accelerator.unwrap_model(self.model)
        training = policy.training
        policy.eval()
        try:
            with torch.no_grad(), self.accelerator.autocast():
                rewards, rollouts = self.objective.reward_answers(
                    policy, tasks, completion_ids, self.settings.micro_batch_size
                )
        finally:
            policy.train(training)
        if self.accelerator.is_main_process:
            groups = torch.tensor(rewards).view(-1, self.group)
            self.objective.log_round(self.state.global_step, groups, rollouts)
        return list(rewards)

    def training_step(self, *inputs: Any) -> torch.Tensor:
        trainer: Any = super()
        loss: torch.Tensor = trainer.training_step(*inputs)
        self._sum += loss.detach() / self.accelerator.num_processes
        return loss

    def after_step(self, control: Any) -> None:
        super().after_step(control)
        self._metrics["train"].clear()  # they are for a log that is not written

    def train_to_end(self) -> None:
        try:
            super().train_to_end()
        finally:
            self._before.restore()

    def create_model_card(self, *_: Any, **__: Any) -> None:
        pass

    def _send_telemetry(self) -> None:
        pass


class _TaskOrder(Sampler[int]):
    def __init__(self, trainer: TRLTrainer, rows: int) -> None:
        self._trainer, self._rows = trainer, rows

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[int]:
        return self._trainer.order()


class _ModelState:
    """What TRL changes on a model besides its weights: its forward pass, tags and token ids."""

    def __init__(self, model: Any) -> None:
        self._model, self._attributes = model, dict(vars(model))
        self._pad = model.config.get_text_config().pad_token_id
        self._generation = copy.deepcopy(model.generation_config)

    def restore(self) -> None:
        for name in set(vars(self._model)) - self._attributes.keys():
            delattr(self._model, name)
        self._model.generation_config = self._generation
        self._model.config.get_text_config().pad_token_id = self._pad


def grpo_arguments(
    model: Any,
    objective: TRLObjective,
    config: TrainConfig,
    run: RunContext,
    plan: StepPlan,
    folder: Path,
    end: int,
) -> Any:
    """Translate the settings into the arguments of TRL.

    Args:
        model: The policy.
        objective: Tasks, and settings of sampling and loss.
        config: How to train.
        run: Seed and device.
        plan: Number of steps.
        folder: Gets checkpoints.
        end: The token that ends an answer.
    """
    settings, trl = objective.sampler.settings, objective.trl
    vllm: dict[str, Any] = {}
    if trl.vllm is not None:
        vllm = {
            "use_vllm": True,
            "vllm_mode": trl.vllm,
            "vllm_server_base_url": trl.vllm_url if trl.vllm == "server" else None,
            "vllm_gpu_memory_utilization": trl.vllm_memory,
            "vllm_tensor_parallel_size": trl.vllm_tensor_parallel,
            "vllm_max_model_length": config.max_length,
            "generation_kwargs": {"stop_token_ids": [end], "ignore_eos": True},
        }
    return training_arguments(
        model,
        config,
        run,
        plan,
        folder,
        GRPOConfig,
        per_device_train_batch_size=config.micro_batch_size * settings.group,
        steps_per_generation=config.accumulation_steps,
        num_generations=settings.group,
        num_iterations=settings.iterations,
        max_completion_length=settings.max_tokens,
        temperature=settings.temperature,
        top_p=trl.top_p,
        top_k=trl.top_k,
        epsilon=settings.clip,
        epsilon_high=trl.clip_high,
        loss_type=LOSS_TYPES[settings.reduction],
        scale_rewards=trl.scale_rewards,
        use_bias_correction_kl=trl.unbiased_kl,
        beta=0.0,  # see `_set_reference`
        bf16=config.precision == "bfloat16",
        gradient_checkpointing=False,  # `use_gradient_checkpointing` has enabled it
        **vllm,
    )
