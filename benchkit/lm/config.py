"""Settings of all language-model methods: which model, where it runs, how it is prompted."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, computed_field

from benchkit.lm.engines import EngineConfig, validate_engine_config
from benchkit.lm.nano.config import NanoConfig
from benchkit.lm.prompts import load_template

NANO = "nano"


class LMConfig(BaseModel):
    """Hyper-parameters of a language-model method."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    templates: ClassVar[tuple[str, str]] = ("papers", "compact")
    """What the template `auto` is: for any other model, for nano."""
    backbone: str = NANO
    """`nano`, the id of a model on the Hugging Face hub, or a local folder."""
    revision: str | None = None
    """Revision on the hub."""
    adapter: str | None = None
    """Id or folder of a peft adapter for the model."""
    trust_remote_code: bool = Field(default=False, exclude_if=lambda value: not value)
    """Run the code that comes with the model, for those that transformers does not know."""
    nano: NanoConfig = NanoConfig()
    """How nano is built."""
    engine: EngineConfig = Field(default_factory=lambda: validate_engine_config({"kind": "hf"}))
    """Where the model runs; `{ kind = "hf" }` is in this process."""
    template: str = "auto"
    """Template of the prompt, a name or a TOML file; `auto` is the method's own, most often
    `compact` for nano and else `papers`."""
    prompt_tokens: PositiveInt = 8192
    """Budget of a prompt, at most what the model can read; the oldest history is left out."""
    rationale_tokens: PositiveInt | None = None
    """Longest rationale of an answer; by default 300, and 48 for nano."""
    strict_substring: bool = False
    """Ground free answers by the rule of S-DPO, to compare with its figures."""

    @property
    def is_nano(self) -> bool:
        """Return whether the model is nano, in this process or behind a server."""
        return self.backbone == NANO

    @property
    def max_rationale_tokens(self) -> int:
        """Return the tokens of a rationale, at most."""
        return self.rationale_tokens or (48 if self.is_nano else 300)

    @property
    def template_name(self) -> str:
        """Return the template's name or path."""
        return self.templates[self.is_nano] if self.template == "auto" else self.template

    @computed_field  # type: ignore[prop-decorator]
    @property
    def template_hash(self) -> str:
        """Return a hash of the template's text, so that it is part of a run's identity."""
        return load_template(self.template_name).hash

    @property
    def caveats(self) -> tuple[str, ...]:
        """Return what a reader must know of the model."""
        if self.is_nano:
            return (
                "backbone nano: a small language model, trained from scratch"
                " on this dataset's training histories; it knows nothing else",
                *self.engine.caveats,
            )
        with_adapter = f" with adapter {self.adapter}" if self.adapter else ""
        return (f"backbone {self.backbone}{with_adapter}", *self.engine.caveats)
