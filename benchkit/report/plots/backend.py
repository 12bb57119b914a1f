"""Load matplotlib wherever benchkit runs: files are drawn without a backend."""

import os
import sys
from contextlib import suppress
from typing import Any

from benchkit.errors import ConfigError


def load_matplotlib() -> Any:
    """Return matplotlib, which does not load at all where MPLBACKEND names what is not installed.

    A notebook hands its own backend on to the programs that it starts, whatever they have
    installed. Where matplotlib knows the backend, it stays that of the process.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    is_loaded = "matplotlib" in sys.modules
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise ConfigError("plots need matplotlib", "pip install 'benchkit[plots]'") from error
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend and not is_loaded:
        with suppress(ValueError):  # as matplotlib does itself, but without a traceback
            mpl.rcParams["backend"] = backend
    return mpl
