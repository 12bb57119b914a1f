"""Settings of fine-tuning where neither a suite nor a method sets any."""

from collections.abc import Mapping
from typing import Any

from benchkit.training.core.config import LoRAConfig

# Settings that apply where a suite sets none. nano is small enough to train all of its weights;
# larger models get adapters, with C-APO's settings (section 5.1).
NANO_TRAINING_DEFAULTS: Mapping[str, Any] = {
    "epochs": 8, "batch_size": 32, "learning_rate": 1e-3, "patience": 2, "max_length": 1024,
}  # fmt: skip
# If sentences are to be learnt, too, nano takes about 500 steps: after 300 it writes fragments and
# recommends no better than popularity, and after 1,000 it has learnt its examples by heart (NDCG@5
# on validation cases .649, and .611 after 943 steps, on MovieLens 100K; .639 and .594 on a demo of
# 300 users). A higher learning rate would be faster, but results would depend on rounding.
NANO_RATIONALE_DEFAULTS: Mapping[str, Any] = {"epochs": 8, "min_steps": 500, "batch_size": 16}
# One example of each user is too little to learn from scratch: with 300 users the validation loss
# is lowest after a third of those steps. The template teacher's rationales cost nothing.
NANO_RATIONALE_TARGETS = 4
TRAINING_DEFAULTS: Mapping[str, Any] = {
    "epochs": 2, "batch_size": 32, "micro_batch": 4, "learning_rate": 5e-5, "patience": 2,
    "schedule": "cosine_with_min_lr", "lora": LoRAConfig(), "gradient_checkpointing": True,
    "precision": "bfloat16", "max_length": 12_000,
}  # fmt: skip
