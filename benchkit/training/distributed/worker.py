"""One of several processes that share a training: `python -m benchkit.training.distributed.worker FOLDER PID`.

It is started by a launcher, which says by environment variables which one of how many it is.
"""

import json
import os
import sys
import threading
import time
import warnings
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import record

from benchkit.errors import BenchkitError, ConfigError
from benchkit.process_state import silence_hugging_face
from benchkit.training.core import weights
from benchkit.training.core.training_run import run_training_job
from benchkit.training.distributed import launcher as launching
from benchkit.training.distributed import serialization

_PATIENCE = timedelta(hours=12)  # while one of them validates, the others wait
_WATCH = 1.0  # seconds


@record
def run_worker() -> None:
    """Train what is in the folder; the first one leaves the weights.

    Arguments: the folder, and the id of the process that waits for them.
    """
    place, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    (place / f"{rank}.pid").write_text(str(os.getpid()), encoding="utf-8")
    _end_with(os.getppid(), int(sys.argv[2]))
    try:
        with warnings.catch_warnings(), silence_hugging_face():
            warnings.simplefilter("ignore")
            _train(
                serialization.read_training_job(place / launching.TRAINING_FILE, silent=rank > 0),
                rank,
            )
    except BenchkitError as error:
        told = {"kind": type(error).__name__, "cause": error.cause, "hint": error.hint}
        part = place / f"{launching.ERROR_FILE}.{rank}"
        part.write_text(json.dumps(told), encoding="utf-8")
        part.rename(place / launching.ERROR_FILE)
        raise


def _train(training: serialization.TrainingJob, rank: int) -> None:
    from benchkit.training.distributed.trainer import DistributedTrainer

    run, config = training.run, training.config
    if (there := int(os.environ["WORLD_SIZE"])) != config.processes:
        raise ConfigError(
            f"{there} processes were started, but the training is for {config.processes}",
            "see num_processes and num_machines in train.accelerate",
        )
    torch.set_num_threads(run.threads)
    if run.device == "cpu":  # else Accelerate does it, as its configuration says
        dist.init_process_group("gloo", timeout=_PATIENCE)
    run_training_job(training, DistributedTrainer)
    if rank == 0:
        weights.write_weights(
            training.folder / weights.WEIGHTS_FILE, weights.trainable_parameters(training.model)
        )
    dist.barrier()
    dist.destroy_process_group()


def _end_with(launcher: int, run: int) -> None:
    """End this process when the launcher or the run has gone: nobody waits for it any more.

    It would go on to write checkpoints beside those of the next attempt.
    """

    def watch() -> None:
        while os.getppid() == launcher and _lives(run):
            time.sleep(_WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


if __name__ == "__main__":
    run_worker()
