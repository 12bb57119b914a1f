"""RecPO: utilities and margins, preferences from later choices, end to end."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from baselines.preference.rec_po import RecPO, pair_margins
from baselines.preference.recpo_preferences import (
    LaterChoice,
    UtilityDefaults,
    best_liked_choice,
    choice_utility,
    earlier_history,
    later_choice_questions,
    later_choices,
    median_rating,
)
from benchkit.errors import ConfigError, DataError
from benchkit.rating_scale import RatingScale
from benchkit.testing.fixtures import run_context, toy_dataset
from benchkit.training.preference.examples import Choice, Preference
from benchkit.training.preference.loss import preference_loss
from benchkit.training.preference.loss_spec import PairTerms
from benchkit.training.preference.preference_io import read_preferences
from benchkit.types import Catalog, Event, Interactions
from tests.support.tiny_models import tiny_backbone

D = torch.tensor([[1.0, -0.5, -2.0]], dtype=torch.float64)
HERE = torch.ones(1, 3, dtype=torch.bool)
KNOWN = UtilityDefaults()
PAST = (Event("a"),)


def loss(phi: list[float], lam: float = 2.0, form: str = "ratio") -> float:
    recommender = RecPO(RecPO.Config(margin=lam, form=form))
    fields = {"phi": torch.tensor([phi], dtype=torch.float64)}
    pairs = recommender.make_loss(None, None).pairs(fields, D, True)
    return preference_loss(D, HERE, "softmax", pairs).item()


def test_utilities_and_margins_by_hand():
    assert KNOWN.unchosen_utility == pytest.approx(0.9045340)
    phi = torch.tensor([[5.0, KNOWN.unchosen_utility, choice_utility(2, 3)]], dtype=torch.float64)
    assert pair_margins(phi)[0].tolist() == pytest.approx([5.5277080, 5.0])
    phi[0, 0] = choice_utility(4, 0)
    assert pair_margins(phi)[0, 0].item() == pytest.approx(4.4221664)
    difference = pair_margins(torch.tensor([[2.0, 1.0, 3.0]]), "difference")
    assert difference[0].tolist() == pytest.approx([np.log(2), 0.0])
    log_ratio = pair_margins(torch.tensor([[2.0, 1.0, 3.0]]), "log-ratio")
    assert log_ratio[0].tolist() == pytest.approx([np.log(2), np.log(2 / 3)])


def test_the_loss_by_hand():
    phi = [5.0, KNOWN.unchosen_utility, 1.0]
    assert loss(phi) == pytest.approx(9.6302736, abs=1e-6)
    sdpo = preference_loss(D, HERE, "softmax", PairTerms()).item()
    assert loss(phi, lam=0) == pytest.approx(sdpo, abs=1e-12)
    assert sdpo == pytest.approx(0.2413113, abs=1e-6)
    one = {"phi": torch.tensor([[5.0, 1.0, 0.0]])}  # a response that is not there
    pairs = RecPO().make_loss(None, None).pairs(one, D, True)
    there = torch.tensor([[True, True, False]])
    d = D.clone().requires_grad_()
    value = preference_loss(d, there, "softmax", pairs)
    value.backward()
    assert torch.isfinite(d.grad).all()
    assert value.item() == pytest.approx(np.logaddexp(0, -1.5 + 10.0))


@given(st.floats(0, 5), st.floats(0.1, 3), st.sampled_from(["ratio", "log-ratio", "difference"]))
def test_the_loss_grows_with_lambda_and_with_the_rating(lam, more, form):
    phi = [4.0, KNOWN.unchosen_utility, 1.0]
    assert loss(phi, lam + more, form) > loss(phi, lam, form)
    assert loss([4.0 + more, *phi[1:]], lam + 0.1, form) > loss(phi, lam + 0.1, form)


def test_the_best_liked_later_choice():
    later = [
        LaterChoice("a", 3.0, 0),
        LaterChoice("b", 4.0, 1),
        LaterChoice("c", 5.0, 4),
        LaterChoice("d", None, 2),
    ]
    assert best_liked_choice(later[:3], 4.0, KNOWN).item == "b"  # 4 / sqrt 2 > 5 / sqrt 5
    assert best_liked_choice(later, 4.0, KNOWN).item == "d"  # without a rating it counts as 5
    assert best_liked_choice(later[:1], 4.0, KNOWN) is None
    assert (
        best_liked_choice([LaterChoice("x", 4.0, 3), LaterChoice("y", 4.0, 3)], 4.0, KNOWN).item
        == "x"
    )


class View:
    """Two users. The first has item `a` twice; the second liked nothing that came later."""

    users = ("ann", "bo")
    catalog = Catalog(tuple("abcdefghijkl"), {"title": list("ABCDEFGHIJKL")})
    validation = ()

    def __init__(self, rated: bool = True) -> None:
        item = np.array([0, 1, 0, 2, 3, 4, 5, 6, 7], dtype=np.int32)
        ratings = np.array([5, 4, 5, 2, 4, 5, 5, 1, 2], dtype=np.float32)
        self.interactions = Interactions(
            user=np.array([0] * 5 + [1] * 4, dtype=np.int32),
            item=item,
            offsets=np.array([0, 5, 9]),
            rating=ratings if rated else None,
            timestamp=np.arange(9),
        )


def questions(view: View, steps: int = 3, limit: int | None = None, candidates: int = 6):
    return later_choice_questions(
        view, steps=steps, liked=4.0, defaults=KNOWN, negatives=2, candidates=candidates, seed=0,
        limit=limit,
    )  # fmt: skip


def test_later_choices_and_history():
    view = View()
    assert later_choices(view, 0, 3) == [
        LaterChoice("c", 2.0, 1),
        LaterChoice("d", 4.0, 2),
    ]  # not a again
    assert [event.item for event in earlier_history(view, 0, 3)] == ["a", "b"]
    assert [event.rating for event in earlier_history(view, 0, 3)] == [5.0, 4.0]
    assert [event.item for event in earlier_history(view, 0, 99)] == ["a"]
    assert len(later_choices(view, 1, 99)) == 3
    assert [own.item for own in later_choices(view, 0, 3, repeated=True)] == ["a", "c", "d"]
    assert later_choices(View(rated=False), 1, 1) == [LaterChoice("h", None, 0)]
    view.interactions.rating[-1] = 0
    with pytest.raises(DataError, match="positive"):
        later_choices(view, 1, 1)


def test_questions_from_later_choices():
    found = questions(View(), steps=2)
    assert [own.key for own in found] == ["ann"] * 3  # bo liked neither of the last two
    first, *others = found
    assert first.item == "d"
    assert {own.candidates for own in found} == {first.candidates}
    assert len(set(first.candidates)) == 6
    assert {"c", "d"} <= set(first.candidates)
    assert not {"a", "b"} & set(first.candidates)
    assert {own.item for own in others} < set(first.candidates) - {"d"}
    assert len({own.item for own in others}) == 2
    assert [event.item for event in first.history] == ["a", "b", "a"]
    assert found == questions(View(), steps=2)
    unrated = questions(View(rated=False), steps=2)
    assert next(own.item for own in unrated if own.key == "bo") == "g"  # the next one
    assert {own.key for own in questions(View(rated=False), 2, limit=1)} < {"ann", "bo"}


def test_more_later_choices_than_places_keep_the_chosen_one():
    for own in questions(View(rated=False), steps=3, candidates=3):
        assert len(set(own.candidates)) == 3
        assert own.item in own.candidates


def test_a_catalogue_that_is_too_small_is_an_error():
    assert len(questions(View(), steps=2, candidates=10)[0].candidates) == 10
    with pytest.raises(DataError, match="only 8 items left"):
        questions(View(), steps=2, candidates=11)
    with pytest.raises(ConfigError, match="2 negatives"):
        questions(View(), steps=2, candidates=2)


def test_each_choice_has_its_own_utility(tmp_path):
    recommender = RecPO(RecPO.Config(future_steps=2))
    found = [
        Preference("ann", PAST, ("c", "d", "l"), Choice("d"), (Choice("c"), Choice("l"))),
        Preference("new", PAST, ("c", "d", "l"), Choice("d"), (Choice("c"), Choice("l"))),
    ]
    rows = recommender.fields(found, View(), run_context(View.catalog, tmp_path))
    assert rows[0]["phi"] == pytest.approx((4 / np.sqrt(2), 2.0, 0.9045340))
    # A stranger's rating is not known: the median of 1 2 2 4 4 5 5 5 5 stands for it.
    assert rows[1]["phi"] == pytest.approx((4.0, 0.9045340, 0.9045340))
    counts = json.loads((tmp_path / "ratings.json").read_text())
    assert counts == {
        "preferences": 2, "chosen_without_rating": 1, "rejected_later_choices": 1,
    }  # fmt: skip


def test_a_missing_rating_is_the_usual_one():
    view = View()
    assert median_rating(view) == 4.0
    view.interactions.rating[4:] = np.nan  # 5 4 5 2 are left
    assert median_rating(view) == 4.5
    assert RecPO().defaults(view).missing == 4.5
    view.interactions.rating[:] = np.nan
    assert median_rating(view) == median_rating(View(rated=False)) == 5.0
    assert RecPO(RecPO.Config(missing_rating=2.0)).defaults(View()).missing == 2.0


def test_without_later_choices_only_the_rating_of_the_chosen_item_matters(tmp_path):
    found = [Preference("bo", PAST, ("h", "l", "a"), Choice("h"), (Choice("l"), Choice("a")))]
    (row,) = RecPO().fields(found, View(), run_context(View.catalog, tmp_path))
    assert row["phi"] == pytest.approx((2.0, 0.9045340, 0.9045340))


SMALL = {
    "epochs": 1, "batch_size": 8, "micro_batch": 4, "learning_rate": 1e-3, "max_length": 4000,
    "lora": None, "gradient_checkpointing": False,
}  # fmt: skip


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"future_steps": 3, "form": "difference"},
        {"future_steps": 3, "rationale": True, "template": "compact", "rationale_tokens": 8},
    ],
    ids=["next", "later", "rationale"],
)
def test_it_trains_and_answers(tmp_path, more):
    dataset = toy_dataset(users=60, items=60, length=8)
    view = dataset.train_view()
    run = run_context(dataset.catalog, tmp_path, cache=tmp_path / "cache")
    settings = {
        "backbone": tiny_backbone(), "limit_users": 16, "candidates": 8, "validation_cases": 4,
        "train": SMALL, "sft": SMALL, **more,
    }  # fmt: skip
    recommender = RecPO(RecPO.Config.model_validate(settings))
    recommender.fit(view, run)
    answers = list(recommender.predict(list(dataset.requests(dataset.test, 0, 3)), run))
    assert all(np.isfinite(answer.scores).all() for answer in answers)
    found = read_preferences(tmp_path / "preferences.jsonl")
    counts = json.loads((tmp_path / "ratings.json").read_text())
    assert counts["preferences"] == len(found)
    assert counts["chosen_without_rating"] == 0
    assert bool(counts["rejected_later_choices"]) == ("future_steps" in more)
    codes = {name: code for code, name in enumerate(view.users)}
    for own in found:
        sequence = [view.catalog.ids[c] for c in view.interactions.sequence(codes[own.key])]
        first = max(1, len(sequence) - more.get("future_steps", 1))
        assert [event.item for event in own.history] == sequence[:first]
        assert own.chosen.item in sequence[first:]


def test_the_template_of_the_paper_has_no_rationale():
    assert RecPO().config.template_name == "compact"  # nano reads no list of candidates
    assert RecPO.Config(backbone="org/model").template_name == "recpo"
    with pytest.raises(ConfigError, match="asks for no rationale"):
        RecPO(RecPO.Config(backbone="org/model", rationale=True))


def test_nobody_who_liked_anything_is_an_error(tmp_path):
    dataset = toy_dataset(users=60, items=60, length=8)
    recommender = RecPO(RecPO.Config(future_steps=2, liked=9.0))
    with pytest.raises(DataError, match="9 or higher"):
        recommender.questions(dataset.train_view(), run_context(dataset.catalog, tmp_path))


@pytest.mark.parametrize("scale", [RatingScale(1, 10), RatingScale(0, 100), RatingScale(-2, 2)])
def test_utilities_are_of_stars_on_every_scale(scale):
    stars = View()
    scaled = View()
    ratings = [scale.from_stars(rating) for rating in stars.interactions.rating.tolist()]
    scaled.interactions = replace(
        scaled.interactions, rating=np.array(ratings, dtype=np.float32), rating_scale=scale
    )
    for user in (0, 1):
        pairs = zip(later_choices(scaled, user, 3), later_choices(stars, user, 3), strict=True)
        for choice, expected in pairs:
            assert choice._replace(rating=expected.rating) == expected
            assert choice.rating == pytest.approx(expected.rating)
    assert median_rating(scaled) == pytest.approx(median_rating(stars))
    assert [q.item for q in questions(scaled)] == [q.item for q in questions(stars)]
    asked = RecPO(RecPO.Config(liked=scale.from_stars(5), default_rating=scale.from_stars(2)))
    defaults = asked.defaults(scaled)
    assert (defaults.rating, defaults.missing) == pytest.approx((2.0, 4.0))
    assert RecPO(RecPO.Config()).defaults(scaled).rating == 3.0


def test_settings_that_are_no_positive_stars_are_refused():
    with pytest.raises(ConfigError, match="default_rating is 0 stars"):
        RecPO(RecPO.Config(default_rating=0)).defaults(View())
