"""What all commands do with their options and their help."""

import inspect
from collections import Counter
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from benchkit.cli.completion import add_completion


class StrictCommand(TyperCommand):
    """A command that says so where an option that takes one value is given several times.

    Its help fills the lines of a paragraph whatever the width, and names no opposite of a flag
    that is off by default. The shell completes the names that its parameters take.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if self.help:
            paragraphs = inspect.cleandoc(self.help).split("\n\n")
            self.help = "\n\n".join(" ".join(text.split()) for text in paragraphs)
        for parameter in self.params:
            if isinstance(parameter, TyperOption) and parameter.is_flag:
                parameter.metavar = ""  # which is printed instead of <bool>
                if not parameter.default:
                    parameter.secondary_opts = []
        add_completion(self)

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
