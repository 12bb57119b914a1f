"""Settings of all language-model methods: which model, where it runs, how it is prompted."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, computed_field

from benchkit.lm.engines import EngineConfig, validate_engine_config
from benchkit.lm.layouts import ShownEvents
from benchkit.lm.nano.config import NanoConfig
from benchkit.lm.prompts import Template, load_template

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
    scored_rationales: PositiveInt = Field(default=1, exclude_if=lambda count: count == 1)
    """Rationales that the candidates of a case are scored after. A single one is written greedily;
    several are drawn at temperature 1 and the candidates' probabilities averaged over them."""
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

    @property
    def shown_events(self) -> ShownEvents:
        """Return which events of a history prompts show, as far as the template shows them."""
        return "all"

    @property
    def prompt_template(self) -> Template:
        """Return the template of prompts. Raises ConfigError where it is wrong."""
        return load_template(self.template_name).show_events(self.shown_events)

    @computed_field  # type: ignore[prop-decorator]
    @property
    def template_hash(self) -> str:
        """Return a hash of the template's text, so that it is part of a run's identity."""
        return self.prompt_template.hash

    @property
    def caveats(self) -> tuple[str, ...]:
        """Return what a reader must know of the model."""
        if self.is_nano:
            return (self.nano.caveat, *self.engine.caveats)
        with_adapter = f" with adapter {self.adapter}" if self.adapter else ""
        return (f"backbone {self.backbone}{with_adapter}", *self.engine.caveats)


class ShownHistoryConfig(LMConfig):
    """Settings of a method that writes all its prompts with the template."""

    history: ShownEvents = Field(default="all", exclude_if=lambda shown: shown == "all")
    """Which events of a history its prompts show, when it learns and when it is asked: all, or
    `liked`, which leaves out what the user rated below four stars (or as far up another scale)."""

    @property
    def shown_events(self) -> ShownEvents:
        return self.history
