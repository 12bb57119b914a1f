"""Whose cases a run has: the users are what intervals and tests are over."""

from collections.abc import Mapping, Sequence

import polars as pl

from benchkit.count_text import count_text
from benchkit.errors import DamageError
from benchkit.runs.record_values import guess_users
from benchkit.runs.records import Manifest
from benchkit.runs.store import Run
from benchkit.stats.clusters import Clusters, find_clusters


def read_case_users(run: Run) -> dict[str, str]:
    """Return {case id: user} of a run.

    Records before schema 4 do not name users, who are then read from the ids (`guess_users`).

    Raises:
        DamageError: The record cannot be read.
    """
    cases = run.predictions(["case_id", "user"])
    ids = cases["case_id"].to_list()
    guesses = pl.Series("user", guess_users(ids), dtype=pl.String)
    users = cases["user"].fill_null(guesses) if "user" in cases.columns else guesses
    return dict(zip(ids, users.to_list(), strict=True))


def case_clusters(case_ids: Sequence[str], users: Mapping[str, str]) -> Clusters | None:
    """Return the cases of each user; None where each of these cases is of another user.

    Raises:
        DamageError: The record of answers lacks one of the cases.
    """
    missing = [case for case in case_ids if case not in users]
    if missing:
        raise DamageError(
            f"values without an answer: of {count_text(len(missing), 'case')}, e.g. {missing[0]!r}",
            "run it again",
        )
    return find_clusters([users[case] for case in case_ids])


def counts_cases_as_users(run: Run, manifest: Manifest) -> bool:
    """Return whether the figures of a run take several cases of a user as independent.

    Those recorded before schema 4 do.
    """
    if all(line.users is not None for line in manifest.summary):
        return False
    users = read_case_users(run)
    return len(set(users.values())) < len(users)
