"""An option that takes one value and is given several is refused: the last would win in silence."""

import pytest
import typer

from benchkit.cli.main import app

COMMANDS = typer.main.get_command(app)


def parse(*arguments):
    with COMMANDS.make_context("benchkit", list(arguments)) as context:
        name, command, rest = COMMANDS.resolve_command(
            context, [*context._protected_args, *context.args]
        )
        with command.make_context(name, rest, parent=context) as inner:
            return inner.params


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (("run", "--suite", "a", "--method", "ease", "--method", "markov"), "by commas"),
        (("run", "--suite", "a", "--suite=b"), "'--suite': stands 2 times, and takes one value"),
        (("report", "--suite", "a", "--paper", "x", "--paper", "y", "--paper", "z"), "3 times"),
        (("compare", "--suite", "a", "--task", "t", "--task", "u"), "by commas"),
    ],
)
def test_a_value_that_would_be_lost_is_refused(arguments, advice):
    with pytest.raises(typer.BadParameter) as caught:
        parse(*arguments)
    assert advice in caught.value.format_message()


def test_options_that_take_several_values_and_flags_may_stand_twice():
    values = parse("run", "--suite", "a", "--set", "k=1", "--set", "k.l=2", "--demo", "--demo")
    assert values["change"] == ["k=1", "k.l=2"]
    assert values["demo"] is True


@pytest.mark.parametrize("name", sorted(COMMANDS.commands))
def test_every_command_refuses(name):
    command = COMMANDS.commands[name]
    for each in getattr(command, "commands", {name: command}).values():
        assert type(each).__name__ == "StrictCommand"
