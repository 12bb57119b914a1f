"""One process of a training: `python -m benchkit.training.distributed.worker FOLDER PID`.

A launcher starts it and tells it by environment variables which one of how many it is.
"""

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

from benchkit import io
from benchkit.errors import BenchkitError, ConfigError
from benchkit.files.checksums import seal_file
from benchkit.process_state import silence_hugging_face
from benchkit.training.core import weights
from benchkit.training.core.training_job import TrainingJob, run_training_job
from benchkit.training.distributed import serialization

_TIMEOUT = timedelta(hours=12)  # while one of them validates, the others wait
_WATCH = 1.0  # seconds


@record
def run_worker() -> None:
    """Train the job in the folder; rank 0 writes the weights.

    Command line: the folder, and the id of the process that waits for the training.
    """
    folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
    (folder / f"{rank}.pid").write_text(str(os.getpid()), encoding="utf-8")
    _exit_with_parents(os.getppid(), int(sys.argv[2]))
    try:
        with warnings.catch_warnings(), silence_hugging_face():
            warnings.simplefilter("ignore")
            path = folder / serialization.TRAINING_FILE
            _train(serialization.read_training_job(path, silent=rank > 0), rank)
    except BenchkitError as error:
        serialization.write_report(folder, rank, error)
        raise
    except Exception as error:
        if (fault := io.disk_error(error)) is not None:
            serialization.write_report(folder, rank, fault)
        raise


def _train(job: TrainingJob, rank: int) -> None:
    from benchkit.training.distributed.trainer import DistributedTrainer

    run, config = job.run, job.config
    if (started := int(os.environ["WORLD_SIZE"])) != config.processes:
        raise ConfigError(
            f"{started} processes were started, but the training is for {config.processes}",
            "check num_processes and num_machines in train.accelerate",
        )
    torch.set_num_threads(run.threads)
    if run.device == "cpu":  # otherwise Accelerate does it, according to its configuration
        dist.init_process_group("gloo", timeout=_TIMEOUT)
    trainer = getattr(job.objective, "distributed_trainer", DistributedTrainer)
    run_training_job(job, trainer)
    if rank == 0:
        result = job.folder / weights.WEIGHTS_FILE
        weights.write_weights(result, weights.trainable_parameters(job.model))
        seal_file(result)
    dist.barrier()
    dist.destroy_process_group()


def _exit_with_parents(launcher: int, run: int) -> None:
    """End this process once the launcher or the run has ended: nobody waits for it any more.

    It would otherwise write checkpoints beside those of the next attempt.
    """

    def watch() -> None:
        while os.getppid() == launcher and _is_alive(run):
            time.sleep(_WATCH)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


if __name__ == "__main__":
    run_worker()
