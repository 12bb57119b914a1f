"""The tokenizer of a server's model, loaded here: it cuts prompts and titles as training does."""

from typing import Any

from benchkit.errors import ConfigError, EngineError
from benchkit.lm.tokens.tokenizer_check import check_vocabulary


def load_tokenizer(name: str) -> Any:
    """Load a tokenizer of transformers from a folder, or by its id.

    Raises:
        EngineError: transformers is missing.
        ConfigError: There is none, or it has next to no tokens.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise EngineError("transformers is missing", "pip install 'benchkit[lm]'") from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(name)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"no tokenizer at {name!r}: {str(error)[:200]}", "set tokenizer to a model folder"
        ) from error
    check_vocabulary(tokenizer, f"tokenizer {name!r}")
    return tokenizer
