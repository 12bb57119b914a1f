"""Refuse options that stand twice on the command line where only the last would count."""

from collections import Counter
from typing import Any

import typer
from typer.core import TyperCommand


class StrictCommand(TyperCommand):
    """A command that says so where an option that takes one value is given several times."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        _, _, order = self.make_parser(ctx).parse_args(list(args))
        occurrences: Counter[Any] = Counter(order)
        for parameter, count in occurrences.items():
            is_flag = getattr(parameter, "is_flag", False) or getattr(parameter, "count", False)
            if count > 1 and not (is_flag or parameter.multiple or parameter.nargs != 1):
                lists = "comma-separated" in (getattr(parameter, "help", None) or "")
                advice = "; separate its values by commas" if lists else ""
                raise typer.BadParameter(
                    f"stands {count} times, and takes one value{advice}", ctx, parameter
                )
        return super().parse_args(ctx, args)
