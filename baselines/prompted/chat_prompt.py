"""ChatRec's settings, and its prompt: profile, history, candidates and what is asked for."""

from dataclasses import dataclass, replace
from dataclasses import fields as fields_of
from typing import ClassVar, Literal, Self

from pydantic import ConfigDict, NonNegativeInt, PositiveInt

from baselines.experts import ExpertConfig
from baselines.user_facts import describe_user
from benchkit.errors import ConfigError
from benchkit.lm.config import LMConfig
from benchkit.lm.predictor import LMPredictor
from benchkit.lm.prompts import Template, render_prompt
from benchkit.lm.teachers.facts import CatalogFacts
from benchkit.lm.teachers.sentence_encoder import MINILM, EncoderSetting
from benchkit.lm.types import Message, Prompt
from benchkit.types import Catalog, Request

_PROFILE = "About the user:\n"
_PROFILE_SHARE = 0.25  # of the prompt's tokens, at most


class ChatRecConfig(LMConfig):
    """Settings of ChatRec."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    retrieve: NonNegativeInt = 20
    """Candidates that the recommender system selects for the prompt, 20 as in the paper; 0: all."""
    order: Literal["shuffled", "cf"] = "shuffled"
    """Candidates in the prompt: in their fixed random order, or as the recommender system ranks
    them; then the list can be its own."""
    fill: bool = False
    """Let candidates that are not listed follow in the recommender system's order."""
    expert: ExpertConfig = ExpertConfig()
    """The recommender system, trained on the same data. Items without training interactions are
    ranked by the similarity of their texts to those of the history."""
    encoder: EncoderSetting = MINILM
    """What embeds their texts: `minilm`, the id of a model of sentence-transformers on the Hugging
    Face hub, or a local folder."""
    profile: bool | None = None
    """Write what the history says of the user before it; None: for all models but nano."""
    constrained: bool | None = None
    """Decode each entry as one of the remaining candidates, for models too small to keep to
    the format; None: for nano only. Samples follow the suite's decoding instead."""
    answer_tokens: PositiveInt = 400
    """Most tokens of list and reason; if constrained, a fifth of them are for the reason."""

    templates: ClassVar[tuple[str, str]] = ("ranked-list", "compact")

    @property
    def retrieves(self) -> bool:
        """Whether the recommender system is needed."""
        return self.retrieve > 0 or self.order == "cf" or self.fill

    @property
    def shows_profile(self) -> bool:
        """Whether the prompt has the user's profile."""
        return not self.is_nano if self.profile is None else self.profile

    @property
    def retrieval_caveats(self) -> tuple[str, ...]:
        """What a reader must know of the recommender system's part in a row."""
        caveats: list[str] = []
        name = self.expert.name
        if self.retrieve:
            caveats.append(f"{name} selects the {self.retrieve} candidates that may be listed")
        if self.order == "cf":
            caveats.append(f"the prompt lists the candidates as {name} ranks them")
        if self.fill:
            caveats.append(f"candidates that the model does not list follow as {name} ranks them")
        return tuple(caveats)

    def check_template(self, template: Template) -> None:
        """Raise ConfigError if the template asks for no list.

        One that asks for a bare title is continued title by title, if answers are constrained.
        """
        kind = template.response.item
        constrained = self.is_nano if self.constrained is None else self.constrained
        plain = kind == "title" and constrained
        if kind != "numbered-list" and not plain:
            raise ConfigError(
                f"template {self.template_name!r} asks for {kind!r}, not for a list",
                "use ranked-list or compact-list, or a template with item = 'numbered-list'",
            )


@dataclass(frozen=True)
class ChatPredictor(LMPredictor):
    """Asks about the items of one catalogue, with the user's profile before the history."""

    facts: CatalogFacts | None = None
    """Of the catalogue, for the profile; None: there is none."""

    @classmethod
    def from_predictor(cls, predictor: LMPredictor, catalog: Catalog, profile: bool) -> Self:
        """Return a predictor that asks the same model in the same way."""
        fields = {field.name: getattr(predictor, field.name) for field in fields_of(LMPredictor)}
        return cls(**fields, facts=CatalogFacts(catalog) if profile else None)

    def _prompt(self, request: Request, catalog: Catalog) -> Prompt:
        # A profile that would take more than a quarter of the prompt is left out.
        profile, budget = self.profile(request, catalog), self.prompt_tokens
        if profile and budget is not None:
            tokens = self.engine.count_tokens(profile)
            fits = tokens <= budget * _PROFILE_SHARE
            profile, budget = (profile, budget - tokens) if fits else ("", budget)
        prompt = render_prompt(
            self.template,
            request,
            catalog,
            rationale=False,
            count_tokens=self.engine.count_tokens,
            budget=budget,
        ).prompt
        *before, last = prompt.messages
        return replace(prompt, messages=(*before, Message(last.role, profile + last.content)))

    def profile(self, request: Request, catalog: Catalog) -> str:
        """Return the user's profile with its heading; '' for an empty history or without one."""
        if self.facts is None:
            return ""
        text = describe_user(request.history, self.facts, catalog, self.template)
        return f"{_PROFILE}{text}\n" if text else ""
