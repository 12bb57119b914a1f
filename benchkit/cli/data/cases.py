"""benchkit data cases"""

from pathlib import Path
from typing import Annotated

import typer

from benchkit.cli.options import TrustOption
from benchkit.console import echo
from benchkit.count_text import count_text


def data_cases_command(
    suite: Annotated[str, typer.Option(help="A suite by name, or the path of a TOML file.")],
    out: Annotated[Path, typer.Option(help="The file to write, .jsonl.")],
    dataset: Annotated[
        str, typer.Option(help="The dataset; optional when the suite has one.")
    ] = "",
    limit_users: Annotated[
        int | None, typer.Option(min=1, help="Only the cases of SUITE@Nusers.")
    ] = None,
    trust: TrustOption = False,
    data: Annotated[Path, typer.Option(help="Where prepared datasets are kept.")] = Path("data"),
) -> None:
    """Write the test cases for a recommender that runs elsewhere, without their answers.

    `benchkit import` takes its answers in. OUT.meta.json says which cases they are.
    """
    from benchkit.config.suite import load_suite
    from benchkit.interop.cases_file import header_path, write_cases
    from benchkit.interop.evaluation_task import load_task

    if out.suffix != ".jsonl":
        raise typer.BadParameter("is one JSON object a line: name it .jsonl", param_hint="--out")
    header = write_cases(load_task(load_suite(suite, trust=trust), dataset, data, limit_users), out)
    echo(f"wrote {out}: {count_text(header.cases or 0, 'case')}, hash {header.cases_hash}")
    echo(f"wrote {header_path(out)}")
