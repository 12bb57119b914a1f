"""What of a model's architecture decides how it can be asked."""

from typing import Any

from benchkit.errors import ConfigError

# Names that configurations have for the longest text; the first that is there holds.
_CONTEXT_SETTINGS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")


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
    their own masks (BLOOM, Falcon, GPT-J), and a response would see the one before it.
    """
    return bool(
        getattr(unwrap_peft(model), "_supports_attention_backend", False)
    ) and not is_recurrent(model)


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
