"""What a run is expected to cost, from hand-written records of earlier ones."""

from dataclasses import replace

import pytest

from benchkit.cards import Card
from benchkit.growth import GrowthOrders
from benchkit.runs.estimates.history import PastRun, RunFeatures, RunHistory, find_parameters
from benchkit.runs.estimates.run_estimator import RunEstimator
from benchkit.runs.estimates.shared_stages import SharedStages

CARD = Card(name="m", target="a:M", family="cf")  # the alias of `class`
SIZE = {"users": 100.0, "items": 50.0, "interactions": 1000.0, "cases": 100.0,
        "candidates": 30.0, "catalog": 50.0, "samples": 1.0}  # fmt: skip


def features(method="M", **changes):
    values = RunFeatures(
        method=method, settings="s", code="c", family="cf", packages=("numpy",), seed=0, train="d",
        test="d", device="cpu", threads=1, processor="p", protocols=("scored",), limit_users=None,
        size=SIZE,
    )  # fmt: skip
    return replace(values, **changes)


def past_run(method="M", stages=None, cost=None, **changes):
    cost = {"fit_seconds": 10.0, "scored_seconds": 2.0, "peak_memory_mb": 500.0, **(cost or {})}
    return PastRun(features(method, **changes), cost, stages=stages or {})


def expect(past, card=CARD, settings=(), stages=None, **changes):
    planned = features(**{"seed": 1, **changes})
    stages = SharedStages(past) if stages is None else stages
    return RunEstimator(card, planned, RunHistory(past)).estimate(stages, dict(settings))


def test_another_seed_costs_what_the_first_did():
    cost = expect([past_run()])
    assert cost.seconds.value == pytest.approx(12)
    assert (cost.seconds.low, cost.seconds.high) == pytest.approx((8, 18))
    assert cost.memory_mb.value == pytest.approx(500)
    assert cost.memory_mb.high == pytest.approx(600)
    assert 450 < cost.memory_mb.low < 500  # nine tenths of the smallest run do not vary
    assert cost.basis == "1 run" and cost.money is None and cost.tokens is None


def test_nothing_is_made_up():
    assert not expect([]).is_known
    assert not expect([past_run(family="sft", method="Other")]).is_known
    assert not expect([past_run(packages=("torch",), method="Other")]).is_known
    assert not expect([past_run(device="cuda")]).is_known
    other = past_run(train="other", size={"cases": 5.0})  # an old record, without its size
    assert not expect([other]).is_known


def test_other_data_are_scaled_by_the_orders_of_the_card():
    size = {**SIZE, "items": 100.0, "interactions": 2000.0, "cases": 300.0}
    card = CARD.model_copy(update={"growth": GrowthOrders(fit="items^2", memory="items")})
    floor = past_run("Small", cost={"peak_memory_mb": 100.0})
    cost = expect([floor, past_run()], card, train="e", test="e", size=size)
    assert cost.seconds.value == pytest.approx(10 * 4 + 2 * 3)
    assert cost.memory_mb.value == pytest.approx(90 + 410 * 2)
    assert cost.basis == "1 run on other data"
    by_default = expect([floor, past_run()], train="e", test="e", size=size)
    assert by_default.seconds.value == pytest.approx(10 * 2 + 2 * 3)


def test_options_of_the_protocol_count():
    half = {**SIZE, "catalog": 25.0, "samples": 5.0}
    past = [past_run(protocols=("full", "sampled"), size=half, test="other",
                     cost={"full_seconds": 1.0, "sampled_seconds": 10.0})]  # fmt: skip
    assert expect(past, protocols=("full",)).seconds.value == pytest.approx(10 + 2)
    assert expect(past, protocols=("sampled",)).seconds.value == pytest.approx(10 + 2)
    assert expect(past, protocols=("scored", "other")).seconds is None
    assert expect(past, protocols=("other",)).memory_mb is not None


def test_the_most_alike_records_are_used():
    mine, other = past_run(), past_run(settings="t", cost={"fit_seconds": 90.0})
    relative = past_run("N", cost={"fit_seconds": 40.0})
    assert expect([mine, other, relative]).seconds.value == pytest.approx(12)
    with_other = expect([other, relative])
    assert with_other.basis == "1 run with other settings"
    assert with_other.seconds.value == pytest.approx(92)
    assert with_other.seconds.high == pytest.approx(3 * 92)
    assert expect([relative]).basis == "1 run of the family"
    older = past_run(code="old", cost={"fit_seconds": 50.0})
    assert expect([older, mine]).seconds.value == pytest.approx(12)
    elsewhere = past_run(processor="slow")
    assert expect([elsewhere]).seconds.high == pytest.approx(12 * 1.5 * 1.5)


def shared(method, seconds, seed=0):
    own = {"DPO": 7.1, "SDPO": 7.2, "CAPO": 7.3, "PL": 7.4}[method] + seed / 8
    stages = {"nano": 100.0, "sft": seconds, "preference": own}
    return past_run(method, stages, seed=seed, cost={"fit_seconds": 1.0 + sum(stages.values())})


def test_a_shared_stage_counts_in_the_first_run_that_needs_it():
    past = [shared("DPO", 20.0), shared("SDPO", 20.0), shared("CAPO", 40.0), shared("PL", 40.0)]
    stages = SharedStages(past)

    def seconds(method):
        return expect(past, stages=stages, method=method).seconds.value

    # Its own second, the answers' two, its preference training; nano is there, for all seeds.
    assert seconds("DPO") == pytest.approx(1 + 2 + 7.1 + 20)
    assert seconds("SDPO") == pytest.approx(1 + 2 + 7.2)
    assert seconds("CAPO") == pytest.approx(1 + 2 + 7.3 + 40)
    assert seconds("PL") == pytest.approx(1 + 2 + 7.4)
    lost = SharedStages(past, has_cache=False)
    assert expect(past, stages=lost, method="DPO").seconds.value == pytest.approx(130.1)


def test_what_another_run_of_the_seed_computed_is_there():
    past = [shared("DPO", 20.0), shared("SDPO", 20.0), shared("DPO", 21.0, seed=1)]
    assert expect(past, method="SDPO").seconds.value == pytest.approx(1 + 2 + 7.2)
    assert expect(past, method="SDPO", seed=2).seconds.value == pytest.approx(1 + 2 + 7.2 + 20)


def test_money_needs_prices_and_the_split_of_tokens():
    tokens = {"scored_tokens": 1100.0, "scored_prompt_tokens": 1000.0}
    tokens["scored_completion_tokens"] = 100.0
    engine = {"engine": {"kind": "openai", "price_prompt": 2.0, "price_completion": 10.0}}
    cost = expect([past_run(cost=tokens)], settings=engine)
    assert cost.tokens.value == pytest.approx(1100)
    assert cost.money.value == pytest.approx((1000 * 2 + 100 * 10) / 1e6)
    assert cost.money.low < cost.money.value < cost.money.high
    assert expect([past_run(cost=tokens)]).money is None
    assert expect([past_run()], settings=engine).money is None


def test_memory_of_a_gpu_and_parameters_of_a_model():
    model = CARD.model_copy(update={"packages": ("transformers",)})
    four = {**SIZE, "parameters": 4e9}
    past = [past_run(device="cuda", size={**SIZE, "parameters": 1e9},
                     cost={"peak_gpu_memory_mb": 3000.0})]  # fmt: skip
    cost = expect(past, model, device="cuda", size=four)
    assert cost.gpu_memory_mb.value == pytest.approx(12_000)
    assert cost.seconds.value == pytest.approx(48)
    assert find_parameters({"backbone": "Qwen/Qwen3-0.6B"}) == 6e8
    assert find_parameters({"engine": {"model": "opt-125m"}}) == 1.25e8
    assert find_parameters({"backbone": "nano", "rank": 8}) is None
