"""The tokenizer of a server's model, loaded here: it cuts prompts and titles as training does."""

from typing import Any

from benchkit.errors import EngineError
from benchkit.files.hub_cache import cached_commit
from benchkit.lm.model_files.load_errors import explain_load_errors
from benchkit.lm.tokens.tokenizer_check import check_vocabulary


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
    with explain_load_errors(f"tokenizer {name!r}", "set tokenizer to a model's folder or id"):
        tokenizer = AutoTokenizer.from_pretrained(
            name, revision=cached_commit(name), trust_remote_code=trust_remote_code
        )
    check_vocabulary(tokenizer, f"tokenizer {name!r}")
    return tokenizer
