"""Pages of all methods and judges with their settings, and of the settings that they share."""

from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from pydantic import BaseModel

from benchkit.cards import Card, ComponentKind, list_cards
from benchkit.config.setting_texts import list_settings, nested_models, unlabelled_text, write_toml
from benchkit.registry import import_object
from docs.generator.markdown import anchor, heading, page, prose, settings_table, table
from docs.generator.parts import engine_models, part_links

FAMILIES = {
    "control": "Controls",
    "cf": "Collaborative filtering",
    "prompted": "Prompted",
    "sft": "Fine-tuned",
    "preference": "Preference methods",
    "rl": "Trained on rewards",
    "hybrid": "Hybrids",
}
SHARED = "reference/settings.md"


def config_of(card: Card) -> type[BaseModel]:
    """Return the model of a component's settings."""
    component: Any = import_object(card.target)
    config: type[BaseModel] = component.Config
    return config


def shared_models() -> list[type[BaseModel]]:
    """Return the models that settings of methods and judges hold, each once, by name."""
    kinds: tuple[ComponentKind, ...] = ("method", "judge")
    models = {
        model
        for kind in kinds
        for card in list_cards(kind).values()
        for model in nested_models(config_of(card))
    }
    return sorted(models - engine_models(), key=lambda model: model.__qualname__)


def model_links(folder: str) -> dict[type, str]:
    """Return nested model -> its description, from a page in `folder` below the reference."""
    up = "../" if folder else ""
    shared = {model: f"{up}settings.md#{anchor(model.__qualname__)}" for model in shared_models()}
    return shared | part_links(up)


def write_methods() -> dict[str, str]:
    """Return path -> text of the page of all methods, and of one for each family."""
    cards = list(list_cards("method").values())
    families = list(dict.fromkeys(card.family for card in cards))
    pages = {"reference/methods/index.md": _write_index(cards, families)}
    links = model_links("methods")
    for family in families:
        members = [card for card in cards if card.family == family]
        pages[f"reference/methods/{anchor(family)}.md"] = page(
            f"# {FAMILIES.get(family, family)}",
            "Generated from the cards and the settings of the methods. In a suite, settings stand"
            " in `config = { ... }` of a row; `benchkit run --set"
            " methods.ROW.config.NAME=VALUE` changes one for a run.",
            *_write_components(members, links),
        )
    return pages


def _write_index(cards: list[Card], families: list[str]) -> str:
    names = [card.name for card in cards if "*" not in card.name]
    blocks = []
    for family in families:
        rows = [
            (
                f"[{card.name}]({anchor(family)}.md#{anchor(card.name)})",
                card.fidelity,
                prose(card.summary),
            )
            for card in cards
            if card.family == family
        ]
        blocks += [
            heading(2, FAMILIES.get(family, family), f"family-{family}"),
            table(("method", "fidelity", "what it is"), rows),
        ]
    return page(
        "# Methods",
        f"benchkit comes with {len(names)} methods by name. *Reproduced* is the paper's method with"
        " the paper's objective; *adapted* is everything else, and its entry says in what it"
        " deviates. `benchkit ls methods --json` prints the same cards.",
        *blocks,
    )


def _write_components(cards: list[Card], links: dict[type, str]) -> Iterator[str]:
    """Yield a section for each; neighbours that share class and settings share one table."""
    for target, group in groupby(cards, key=lambda card: card.target):
        members = list(group)
        for card in members:
            yield from _write_card(card)
        names = [f"`{card.name}`" for card in members]
        config = config_of(members[0])
        if len(names) > 1:
            yield f"Settings of {', '.join(names[:-1])} and {names[-1]}:"
        settings = list_settings(config, links)
        yield settings_table(settings) if settings else "It has no settings."
        yield f"Class: `{target}`."


def _write_card(card: Card) -> Iterator[str]:
    yield heading(2, card.name)
    yield prose(card.summary[:1].upper() + card.summary[1:]) + "."
    facts = {
        "Paper": prose(card.paper),
        "Fidelity": "" if card.fidelity == "unknown" else card.fidelity,
        "Needs": ", ".join(f"`{name}`" for name in card.packages),
        "This name sets": f"`{write_toml(card.config)}`" if card.config else "",
        "Capabilities": _capabilities(card),
    }
    yield "\n".join(f"- {name}: {text}" for name, text in facts.items() if text)
    if card.deviations:
        yield "Known deviations from the paper:"
        yield "\n".join(f"- {prose(text)}" for text in card.deviations)


def _capabilities(card: Card) -> str:
    declared = getattr(import_object(card.target), "capabilities", ())
    if not isinstance(declared, Iterable):  # it depends on the settings
        return ""
    return ", ".join(f"`{name}`" for name in sorted(declared))


def write_judges() -> dict[str, str]:
    """Return path -> text of the page of all judges."""
    cards = list(list_cards("judge").values())
    return {
        "reference/judges.md": page(
            "# Judges",
            "Generated from the cards and the settings of the judges. Settings stand in `config`"
            " of a judge in `[judging]` of a suite, or in the file of `benchkit judge --config`.",
            *_write_components(cards, model_links("")),
        )
    }


def write_shared_settings() -> dict[str, str]:
    """Return path -> text of the page of settings that several methods have."""
    links = model_links("")
    sections = []
    for model in shared_models():
        summary = unlabelled_text(model.__doc__ or "", model.model_fields)
        sections += [
            heading(2, model.__qualname__),
            prose(summary),
            settings_table(list_settings(model, links)),
        ]
    return {
        SHARED: page(
            "# Settings within settings",
            "Tables that settings of methods and judges hold, such as `train` or `nano`. A default"
            " of a method may set some of them otherwise; its page shows that.",
            *sections,
        )
    }
