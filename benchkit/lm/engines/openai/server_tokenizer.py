"""The tokenizer of a server's model, loaded here: it cuts prompts and titles as training does."""

from typing import Any

from benchkit.errors import ConfigError, EngineError
from benchkit.lm.tokens.tokenizer_check import check_vocabulary, remote_code_error


def load_tokenizer(name: str, trust_remote_code: bool = False) -> Any:
    """Load a tokenizer of transformers from a folder, or by its id.

    Args:
        name: The folder or the id.
        trust_remote_code: Run the code that comes with it, if any.

    Raises:
        EngineError: transformers is missing.
        ConfigError: There is none, or it has next to no tokens.
    """
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise EngineError("transformers is missing", "pip install 'benchkit[lm]'") from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=trust_remote_code)
    except (OSError, ValueError) as error:
        if "trust_remote_code" in str(error):
            raise remote_code_error(f"tokenizer {name!r}") from error
        raise ConfigError(
            f"no tokenizer at {name!r}: {str(error)[:200]}", "set tokenizer to a model folder"
        ) from error
    check_vocabulary(tokenizer, f"tokenizer {name!r}")
    return tokenizer
