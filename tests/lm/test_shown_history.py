"""Which events of a history prompts show, and that ratings can be left out of them."""

import pytest
from pydantic import ValidationError

from baselines.preference.dpo import DPO
from baselines.prompted.zero_shot import ZeroShot
from baselines.sft.sft import SFT
from benchkit.lm.config import LMConfig
from benchkit.lm.injection.soft_prompts import render_soft_prompt, with_placeholders
from benchkit.lm.prompts import builtin_templates, load_template, render_prompt
from benchkit.rating_scale import FIVE_STARS, RatingScale
from benchkit.types import Catalog, Event, Request
from tests.support.tiny_models import tiny_tokenizer

IDS = ("a", "b", "c", "d", "e")
TITLES = {"title": ["Amber", "Black", "Coral", "Dun", "Ecru"]}
# Four stars are liked, three are not, and of one nothing is known.
RATINGS = {"a": 5.0, "b": 3.0, "c": None, "d": 4.0}


def asked(scale=FIVE_STARS, rating=lambda stars: stars):
    events = [Event(item, None if r is None else rating(r)) for item, r in RATINGS.items()]
    return Request("test:u", "u", tuple(events), ("b", "e")), Catalog(IDS, TITLES, scale)


def shown_titles(template, scale=FIVE_STARS, rating=lambda stars: stars, **options):
    request, catalog = asked(scale, rating)
    options = {"rationale": False, "count_tokens": lambda text: len(text.split()), **options}
    out = render_prompt(template, request, catalog, **options)
    assert out.n_shown + out.n_dropped == 4
    return [event.item for event in out.shown], out.prompt.messages[-1].content


@pytest.mark.parametrize("name", builtin_templates())
def test_what_was_rated_low_can_be_left_out(name):
    template = load_template(name)
    assert shown_titles(template)[0] == ["a", "b", "c", "d"]
    items, text = shown_titles(template.show_events("liked"))
    assert items == ["a", "c", "d"]
    assert "Amber" in text and "Coral" in text and "Dun" in text
    # It is still a candidate where these stand in the prompt.
    assert text.count("Black") == template.show_candidates


def test_liked_is_four_stars_on_any_scale():
    liked = load_template("compact").show_events("liked")
    ten = RatingScale(1, 10)
    assert shown_titles(liked, ten, ten.from_stars)[0] == ["a", "c", "d"]
    assert shown_titles(liked, None)[0] == ["a", "b", "c", "d"]  # nothing is rated


def test_a_limit_counts_the_events_that_are_shown():
    layout = load_template("titles")
    newest = layout.history.model_copy(update={"max_events": 2, "events": "liked"})
    limited = layout.model_copy(update={"history": newest})
    assert shown_titles(limited)[0] == ["c", "d"]
    tight = shown_titles(load_template("compact").show_events("liked"), budget=2)
    assert tight == (["c", "d"], "Coral\nDun\n")


def test_vectors_stand_behind_the_items_that_are_shown():
    template = with_placeholders(load_template("compact").show_events("liked"))
    request, catalog = asked()
    index = {item: code for code, item in enumerate(IDS)}
    prompt = render_soft_prompt(template, request, catalog, index, lambda text: len(text.split()))
    assert prompt.codes == (0, 2, 3)


def test_the_settings_of_methods_choose_the_events():
    for recommender in (ZeroShot, SFT, DPO):
        liked = recommender.Config(history="liked")
        assert liked.prompt_template.history.events == "liked"
        assert liked.template_hash != recommender.Config().template_hash
        # What there was before keeps its identity.
        plain = recommender.Config().model_dump()
        assert "history" not in plain
        assert plain["template_hash"] == load_template("compact").hash
    with pytest.raises(ValidationError, match="history"):
        SFT.Config(history="disliked")
    with pytest.raises(ValidationError, match="history"):
        LMConfig(history="liked")  # a method may write prompts in a way of its own


@pytest.mark.parametrize("recommender", [ZeroShot, SFT, DPO])
def test_a_method_learns_and_is_asked_alike(recommender):
    method = recommender(recommender.Config(history="liked"))
    request, catalog = asked()
    predictor = method.make_predictor(CountsWords())
    prompt = predictor.write_prompt(request, catalog).messages[-1].content
    assert prompt == "Amber\nCoral\nDun\n"
    if recommender is not ZeroShot:
        backbone = type("Backbone", (), {"tokenizer": tiny_tokenizer(), "context": 500})()
        view = type("View", (), {"catalog": catalog})()
        learnt = method.builder(backbone, view).prompt(request)
        assert tiny_tokenizer().decode(learnt) == prompt


class CountsWords:
    def count_tokens(self, text):
        return len(text.split())


def test_the_four_inputs_of_recpo_differ_in_what_they_should():
    rated, plain = load_template("recpo"), load_template("recpo-unrated")
    _, full = shown_titles(rated)
    assert "Black | Rating: 3\n" in full and "Rating: 5" in full and "Coral\n" in full
    _, filtered = shown_titles(rated.show_events("liked"))
    assert "Black |" not in filtered and "Dun | Rating: 4\n" in filtered
    for shown in ("all", "liked"):
        items, text = shown_titles(plain.show_events(shown))
        assert "Rating" not in text and "rating" not in text
        assert len(items) == (4 if shown == "all" else 3)
        # What is asked for is the same.
        assert text[text.index("Which") :] == full[full.index("Which") :]
