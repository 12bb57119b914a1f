"""What columns are called in a user's tables, and what benchkit calls them."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchkit.data.disk_table import Table
from benchkit.errors import DataError, suggest_names

HOUSE_NAMES = ("user", "item", "rating", "timestamp", "review", "title")
SINGLE_VALUES = frozenset({"user", "item", "rating", "timestamp"})
"""Columns of which a cell is one value."""
_INTERACTIONS, _ITEMS = "interactions", "items"
_OF_INTERACTIONS = frozenset({"user", "rating", "timestamp", "review"})
# Names whose spelling is checked; a time by another name is looked for where times are read, since
# a suite may want none.
_EXPECTED = {
    _INTERACTIONS: frozenset({"user", "item", "rating", "review"}),
    _ITEMS: frozenset({"item", "title"}),
}


class ColumnMap:
    """Which column of which table has which house name.

    `{user = "uid", item = "id"}` is for both tables: `user`, `rating`, `timestamp` and `review` are
    looked for in the interactions, `item` in both, everything else in the items. A table for each,
    `{interactions = {...}, items = {...}}`, says it exactly.
    """

    def __init__(self, columns: Any, tables: Mapping[str, Sequence[str]]) -> None:
        """Check `columns` against the columns of the tables (`interactions` and maybe `items`).

        Raises:
            DataError: It is no such map, or names a column that is not there.
        """
        self.names = tables
        self.maps: dict[str, dict[str, str]] = {table: {} for table in tables}
        hint = 'columns = { user = "its name in the file" }'
        if not isinstance(columns or {}, Mapping):
            raise DataError(f"columns is a {type(columns).__name__}", hint)
        for name, value in (columns or {}).items():
            if isinstance(value, Mapping):
                self._add_table(name, value)
            elif isinstance(value, str):
                self._add_everywhere(name, value)
            else:
                raise DataError(f"columns: {name!r} is {value!r}, and no name", hint)

    def rename(self, kind: str, file: str, table: Table) -> Table:
        """Return a table with the house's names.

        Args:
            kind: "interactions" or "items".
            file: What messages call the table.
            table: A table with the columns that the map was checked against.

        Raises:
            DataError: Two columns would have one name, or a column differs from a house name by
                capitals alone.
        """
        renames = {source: name for name, source in self.maps[kind].items()}
        for name, source in self.maps[kind].items():
            if name in table.columns and source != name and name not in renames:
                raise DataError(
                    f"{file}: two columns would be called {name!r}: the one that is, and"
                    f" {source!r}, which `columns` gives this name",
                    f"give each file its own map: if {source!r} is meant here, columns ="
                    f' {{ {kind} = {{ {name} = "{source}", other_{name} = "{name}" }}, ... }}; if'
                    f" {name!r} is, say so of the other file alone: columns ="
                    f" {{ {_ITEMS if kind == _INTERACTIONS else _INTERACTIONS} ="
                    f' {{ {name} = "{source}" }} }}',
                )
        named = table.rename(renames)
        for column in named.columns:
            house = column.strip().lower()
            if house in _EXPECTED[kind] and house not in named.columns:
                raise DataError(
                    f"{file}: no column {house!r}, but {column!r}; it has"
                    f" {', '.join(map(repr, table.columns))}",
                    f'map it: columns = {{ {house} = "{column}" }}; if it is something else, give'
                    f' it another name: columns = {{ {kind} = {{ other = "{column}" }} }}',
                )
        return named

    def _add_table(self, kind: str, columns: Mapping[str, Any]) -> None:
        if kind not in self.names:
            tables = " and ".join(self.names)
            raise DataError(f"columns: there is no table {kind!r}", f"the tables are {tables}")
        for name, source in columns.items():
            if not isinstance(source, str) or source not in self.names[kind]:
                raise DataError(
                    f"columns: the {kind} have no column {source!r} (for {name!r}); they have"
                    f" {', '.join(map(repr, self.names[kind]))}",
                    "correct the name, or leave it out",
                )
            if kind == _INTERACTIONS:
                _refuse_useless(name)
            self._add(kind, name, source)

    def _add_everywhere(self, name: str, source: str) -> None:
        if name in _OF_INTERACTIONS:
            kinds: tuple[str, ...] = (_INTERACTIONS,)
        elif name == "item" or name not in HOUSE_NAMES:
            kinds = (_INTERACTIONS, _ITEMS) if name == "item" else (_ITEMS, _INTERACTIONS)
        else:
            kinds = (_ITEMS,)
        present = [kind for kind in kinds if source in self.names.get(kind, ())]
        if not present:
            listed = "; ".join(
                f"the {kind} have {', '.join(map(repr, self.names[kind]))}"
                for kind in kinds
                if kind in self.names
            )
            raise DataError(
                f"columns: no column {source!r} (for {name!r}); {listed}",
                suggest_names(source, [n for kind in kinds for n in self.names.get(kind, ())]),
            )
        if present == [_INTERACTIONS]:
            _refuse_useless(name)
        for kind in present if name == "item" else present[:1]:
            self._add(kind, name, source)

    def _add(self, kind: str, name: str, source: str) -> None:
        earlier = [house for house, column in self.maps[kind].items() if column == source]
        if earlier:
            raise DataError(
                f"columns: {source!r} of the {kind} is both {earlier[0]!r} and {name!r}",
                "a column has one name; map one of them to another column",
            )
        self.maps[kind][name] = source


def _refuse_useless(name: str) -> None:
    """Refuse a name under which nobody looks for a column, unless it says so itself."""
    if name not in HOUSE_NAMES and not name.startswith("other"):
        raise DataError(
            f"columns: {name!r} is none of {', '.join(HOUSE_NAMES)}",
            'columns = { user = "its name in the file" }; a column that is not to be read may be'
            " called `other`",
        )
