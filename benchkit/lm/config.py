"""The settings of all language-model methods: which model, where it runs, how it is asked."""

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, PositiveInt, computed_field

from benchkit.lm.engines import EngineConfig
from benchkit.lm.engines.hf import HFConfig
from benchkit.lm.nano.model import NanoConfig
from benchkit.lm.prompts import load_template

NANO = "nano"


class LMConfig(BaseModel):
    """Hyper-parameters of a language-model method.

    backbone: `nano`, the id of a model on the Hugging Face hub, or a local folder. revision: of
    the hub. adapter: id or folder of a peft adapter put on it. nano: how nano is made.
    engine: where the model runs; `{ kind = "hf" }` is in this process.
    template: of the prompt, a name or a TOML file; `auto` is the method's own, most often `compact`
    for nano and else `papers`.
    prompt_tokens: budget of a prompt, at most what the model can read; the oldest history is left
    out. rationale_tokens: longest rationale of an answer, by default 300, and 48 for nano.
    strict_substring: ground free answers by the rule of S-DPO, to compare with its figures.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    templates: ClassVar[tuple[str, str]] = ("papers", "compact")  # what `auto` is: else, for nano
    backbone: str = NANO
    revision: str | None = None
    adapter: str | None = None
    nano: NanoConfig = NanoConfig()
    engine: EngineConfig = HFConfig()
    template: str = "auto"
    prompt_tokens: PositiveInt = 8192
    rationale_tokens: PositiveInt | None = None
    strict_substring: bool = False

    @property
    def is_nano(self) -> bool:
        """Whether the model is nano, in this process or behind a server."""
        return self.backbone == NANO

    @property
    def max_rationale_tokens(self) -> int:
        """Tokens of a rationale at most."""
        return self.rationale_tokens or (48 if self.is_nano else 300)

    @property
    def template_name(self) -> str:
        """The template's name or path."""
        return self.templates[self.is_nano] if self.template == "auto" else self.template

    @computed_field  # type: ignore[prop-decorator]
    @property
    def template_hash(self) -> str:
        """Of the template's text, so that a run's identity holds what the model was asked."""
        return load_template(self.template_name).hash

    @property
    def caveats(self) -> tuple[str, ...]:
        """What a reader must know of the model."""
        if self.is_nano:
            return (
                "backbone nano: a small language model, trained from scratch"
                " on this dataset's training histories; it knows nothing else",
            )
        with_adapter = f" with adapter {self.adapter}" if self.adapter else ""
        return (f"backbone {self.backbone}{with_adapter}",)
