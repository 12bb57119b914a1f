"""What a reader must know of a split that somebody else made, and of its cases."""

from collections.abc import Iterator, Mapping


def describe_split(report: Mapping[str, int]) -> Iterator[str]:
    """Yield texts about cases without a history or a choice, and targets older than the history.

    Args:
        report: What preparation counted.

    >>> list(describe_split({"test_cases_without_history": 3, "test_cases": 5, "users": 5}))
    ['3 of 5 test cases have no history: the split asks for users without earlier rows']
    """
    if cold := report.get("test_cases_without_history", 0):
        yield (
            f"{cold} of {report['test_cases']} test cases have no history: the split asks for users"
            " without earlier rows"
        )
    if decided := report.get("test_cases_with_one_candidate", 0):
        yield (
            f"{decided} of {report['test_cases']} test cases have one candidate, the answer: their"
            " chance level is 1, as is every method's figure"
        )
    if early := report.get("users_with_test_before_training", 0):
        yield (
            f"{early} of {report['users']} users have test or validation rows before training rows"
            " in time: their histories hold what came later"
        )
