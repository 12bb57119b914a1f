"""Cells of tables as JSON, and back."""

from collections.abc import Mapping
from dataclasses import astuple
from typing import Any

from benchkit.report.core.cell import Cell


def encode_cells(cells: Mapping[str, Cell]) -> list[list[Any]]:
    """Return cells by metric as JSON, in their order.

    >>> decode_cells(encode_cells({"hr@1": Cell(0.5, 0.4, 0.6, 20)}))
    {'hr@1': Cell(mean=0.5, low=0.4, high=0.6, n=20, p=None, n_users=None)}
    """
    return [[metric, *astuple(cell)] for metric, cell in cells.items()]


def decode_cells(lines: list[list[Any]]) -> dict[str, Cell]:
    """Return the cells of `encode_cells`."""
    return {metric: Cell(*values) for metric, *values in lines}
