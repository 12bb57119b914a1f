"""What of a model's architecture decides whether and how it can be asked."""

from pathlib import Path
from typing import Any

from benchkit.errors import ConfigError

# Names that configurations have for the longest text; the first that is there holds.
_CONTEXT_SETTINGS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")


def check_is_causal(source: str | Path, name: str, **remote: Any) -> None:
    """Raise ConfigError if a model does not read and write from left to right.

    Transformers would take the decoder of some encoder-decoders (BART), or an encoder with its
    attention to both sides (BERT), for a causal model.

    Args:
        source: Id on the Hugging Face hub, or a folder.
        name: What it is, for the message.
        remote: Revision, and whether the model's code is trusted.
    """
    from transformers import MODEL_FOR_MASKED_LM_MAPPING, AutoConfig

    try:
        config = AutoConfig.from_pretrained(source, **remote)
    except (OSError, ValueError):
        return  # loading the model will say what is wrong
    if config.is_encoder_decoder:
        kind = "an encoder-decoder"
    elif type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False):
        kind = "an encoder"
    else:
        return
    raise ConfigError(
        f"{name} is {kind} (its kind is {config.model_type!r}),"
        " but this method needs a causal model",
        "name one, such as Qwen/Qwen3-0.6B",
    )


def unwrap_peft(model: Any) -> Any:
    """Return the model itself under a peft wrapper; its adapters stay in place."""
    return model.get_base_model() if hasattr(model, "peft_config") else model


def read_context(config: Any) -> int | None:
    """Return how many tokens a model of this configuration can read.

    Models without embeddings of positions name the length that they were trained on (MPT), or
    nothing (BLOOM); those that are recurrent (Mamba) have no limit. None stands for these.
    """
    settings = config.get_text_config()
    for name in _CONTEXT_SETTINGS:
        value = getattr(settings, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def is_recurrent(model: Any) -> bool:
    """Return whether a layer reads what comes before as a state (Mamba) or a convolution (LFM2).

    Such a layer takes padding for text, and its state cannot be shared out among answers.
    """
    from transformers import DynamicCache

    inner = unwrap_peft(model)
    if getattr(inner, "_is_stateful", False):
        return True
    layers = DynamicCache(config=inner.config).layers
    return any(not hasattr(layer, "batch_repeat_interleave") for layer in layers)


def can_share_prefix(model: Any) -> bool:
    """Return whether responses can be packed behind one prompt (`benchkit.lm.shared_prefix`).

    The attention of all layers must go through transformers' `AttentionInterface`: others compute
    their own masks (BLOOM, Falcon, GPT-J), and a response would see the one before it. And logits
    must be scaled in a way that is known.
    """
    from benchkit.lm.packing.logit_check import has_known_logits

    through_interface = getattr(unwrap_peft(model), "_supports_attention_backend", False)
    return bool(through_interface) and not is_recurrent(model) and has_known_logits(model)


def keep_layers(model: Any, count: int) -> Any:
    """Drop all but the first `count` layers of a decoder in place, and return the model.

    The last normalisation stays. Configurations that describe each layer are cut, too.

    Raises:
        ConfigError: The model has fewer layers, or keeps them in a way that is not known.
    """
    decoder = unwrap_peft(model).get_decoder()
    layers = getattr(decoder, "layers", None)
    if layers is None:
        raise ConfigError(
            f"{type(model).__name__} cannot be cut to {count} layers",
            "use a model with a list of layers in its decoder, such as Llama, Qwen or Gemma",
        )
    if not 0 < count <= len(layers):
        raise ConfigError(
            f"{count} layers cannot be kept of a model that has {len(layers)}",
            "lower layers and teacher_layers, or use a deeper backbone",
        )
    decoder.layers = layers[:count]
    decoder.config.num_hidden_layers = count
    if getattr(decoder.config, "layer_types", None):
        decoder.config.layer_types = decoder.config.layer_types[:count]
    return model
