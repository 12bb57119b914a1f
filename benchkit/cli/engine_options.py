"""Options of commands that ask language models, and of what runs are copied to."""

from pathlib import Path
from typing import Annotated

import typer

BatchOption = Annotated[
    bool,
    typer.Option(
        "--batch",
        help="Ask servers by the Batch endpoint: half the price, answers within a day. After an"
        " interruption run the same command again.",
    ),
]
EngineExecutorOption = Annotated[
    str,
    typer.Option(
        "--executor",
        help="Where language models are asked: inline, in this process, or ray, in several at once"
        " on a cluster; the answers are the same.",
    ),
]
EngineExecutorOptionsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--executor-option",
        metavar="NAME=VALUE",
        help="An option of ray: address=auto, actors=8, gpus=1, cpus=4, ...; repeatable.",
    ),
]
AnswersFolderOption = Annotated[
    Path, typer.Option(help="Where item vectors and answers are kept; by default as `run` does.")
]
RepliesOption = Annotated[
    Path | None,
    typer.Option(
        help="Instead of a judge, its replies: JSON lines with case, method and text, or a log of"
        " Inspect as JSON."
    ),
]
TrackerOption = Annotated[
    str,
    typer.Option(
        help="Copy runs to trackers, comma-separated: tensorboard, mlflow, wandb, trackio, an entry"
        " point, FILE.py:Class."
    ),
]
