"""What values in records mean: labels of statements, and users where records name none."""

import re
from collections.abc import Iterable
from typing import Final, Literal

StatementLabel = Literal[
    "supported", "not_supported", "contradicted", "not_checkable", "unread", "no_answer"
]
SUPPORTED: Final = "supported"
NOT_SUPPORTED: Final = "not_supported"
CONTRADICTED: Final = "contradicted"
NOT_CHECKABLE: Final = "not_checkable"
UNREAD: Final = "unread"  # the judge's reply gives no label; it is in no share
NO_ANSWER: Final = "no_answer"  # the judge's engine failed; in no share either
CHECKED: Final = (SUPPORTED, NOT_SUPPORTED, CONTRADICTED)  # labels of what could be checked
LABELS: Final = (*CHECKED, NOT_CHECKABLE)

_CASE_ID = re.compile(r"(?:test:)?(.+?)(?:#(?:[2-9]|[1-9][0-9]+))?", re.DOTALL)


def guess_users(case_ids: Iterable[str]) -> list[str]:
    """Return the user of each case from its id, for records that do not name users.

    A user's first case was `test:id`, and further ones `test:id#2`, `test:id#3` and so on; so a
    case `test:x#2` is taken as one of user `x`.

    >>> guess_users(["test:a", "test:a#2", "test:a#13", "test:a#1", "#2"])
    ['a', 'a', 'a', 'a#1', '#2']
    """
    matches = ((case, _CASE_ID.fullmatch(case)) for case in case_ids)
    return [match[1] if match else case for case, match in matches]
