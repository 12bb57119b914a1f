"""Tokens and money that may be spent, reserved before each request."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from benchkit.errors import EngineError
from benchkit.lm.engines.budget import Budget, TokenUsage


def test_reservations_are_replaced_by_what_was_spent():
    budget = Budget(max_tokens=100)
    number = budget.reserve(TokenUsage(60, 40))
    budget.settle(number, TokenUsage(10, 5))
    assert budget.spent == TokenUsage(10, 5)
    budget.settle(budget.reserve(TokenUsage(50, 35)))  # not known: all of it counts
    assert budget.spent == TokenUsage(60, 40)
    with pytest.raises(EngineError, match="60 prompt and 40 completion tokens"):
        budget.reserve(TokenUsage(1, 0))


def test_money():
    budget = Budget(max_cost=1.0, price_prompt=2.0, price_completion=10.0)
    budget.settle(budget.reserve(TokenUsage(100_000, 50_000)))
    assert budget.price(budget.spent) == pytest.approx(0.7)
    budget.settle(budget.reserve(TokenUsage(0, 30_000)), TokenUsage())
    with pytest.raises(EngineError, match=r"a cost of 1 is spent.*a cost of 0\.7"):
        budget.reserve(TokenUsage(0, 30_001))


def test_concurrent_requests_never_overshoot():
    budget = Budget(max_tokens=1000)
    done, refused = [], []

    def work(_):
        try:
            number = budget.reserve(TokenUsage(10, 90))
        except EngineError:
            refused.append(1)
        else:
            budget.settle(number, TokenUsage(10, 20))
            done.append(1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))
    # Waiting for others' reservations makes use of all but what one request might take.
    assert len(done) == 31
    assert budget.spent == TokenUsage(310, 620)
    assert len(refused) == 29
