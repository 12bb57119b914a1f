"""Options that several exports share."""

from pathlib import Path
from typing import Annotated

import typer

FolderOption = Annotated[
    Path, typer.Option("--to", metavar="FOLDER", help="The folder that is written.")
]
