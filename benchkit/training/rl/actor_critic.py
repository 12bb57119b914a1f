"""Policy, critic and reference for PPO, on one backbone where adapters are trained."""

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from torch import Tensor, nn

from benchkit.lm import shared_prefix as sp
from benchkit.training.core.config import LoRAConfig
from benchkit.training.core.lora import add_adapter

_ACTOR, _CRITIC = "default", "critic"
_VALUE_WIDTH = 64


class ActorCritic:
    """A model that answers, one that says what an answer is worth, and the start of the first.

    With adapters all three share the backbone: the policy has one adapter, the critic a second
    one, and the reference none. Otherwise critic and reference are copies of the model.

    Args:
        model: The start, on its device, without an adapter.
        lora: Adapters of policy and critic; None trains all weights.
    """

    def __init__(self, model: Any, lora: LoRAConfig | None) -> None:
        self.shares = lora is not None
        if lora is not None:
            self.policy = add_adapter(model, lora)
            self.policy.add_adapter(_CRITIC, copy.copy(self.policy.peft_config[_ACTOR]))
            self.critic = self.reference = self.policy
        else:
            self.policy = model
            self.critic = copy.deepcopy(model)
            self.reference = copy.deepcopy(model).requires_grad_(False).eval()
        hidden = model.config.get_text_config().hidden_size
        device = next(model.parameters()).device
        self.head = nn.Sequential(
            nn.Linear(hidden, _VALUE_WIDTH), nn.GELU(), nn.Linear(_VALUE_WIDTH, 1)
        ).to(device)
        """Maps a hidden state of the critic to a value."""

    def parameters(self) -> list[nn.Parameter]:
        """Return all parameters that are trained."""
        trained: dict[int, nn.Parameter] = {}
        for enter in (self.as_policy, self.as_critic):
            with enter() as model:
                trained |= {id(p): p for p in model.parameters() if p.requires_grad}
        return [*trained.values(), *self.head.parameters()]

    @contextmanager
    def as_policy(self) -> Iterator[Any]:
        """Give the policy; between these contexts it is the policy, too."""
        yield self.policy

    @contextmanager
    def as_critic(self) -> Iterator[Any]:
        """Give the critic."""
        if self.shares:
            self.policy.set_adapter(_CRITIC)
        try:
            yield self.critic
        finally:
            if self.shares:
                self.policy.set_adapter(_ACTOR)

    @contextmanager
    def as_reference(self) -> Iterator[Any]:
        """Give the model that training started from."""
        with ExitStack() as stack:
            if self.shares:
                stack.enter_context(self.policy.disable_adapter())
            yield self.reference

    def values(self, critic: Any, packed: sp.PackedBatch) -> Tensor:
        """Compute the value before each response token, [b, t] float32; inside `as_critic` and
        `use_shared_prefix`."""
        states = sp.hidden_states(critic, packed)
        values: Tensor = self.head(states.float())[..., 0]
        return values

    def finish(self) -> Any:
        """Return the policy, without the critic's adapter."""
        if self.shares:
            self.policy.delete_adapter(_CRITIC)
            self.policy.set_adapter(_ACTOR)
        return self.policy
