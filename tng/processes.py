"""Where a training runs: its device, its precision, and the processes that share it.

Lightning Fabric starts the processes, or finds those that torchrun or Slurm started.  In one process nothing is started.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import distributed

from tng.config import Settings


class TrainingError(RuntimeError):
    """Training or a checkpoint cannot go on; the message says why and what to do."""


class Stopped(TrainingError):
    """A training was asked to stop by the signal of that number, and has written the state from which it goes on."""

    def __init__(self, message: str, signal: int):
        super().__init__(message)
        self.signal = signal


def dtype_of(settings: Settings) -> torch.dtype:
    """Of weights and records; autocast does the rest."""
    return torch.float64 if settings.precision == "64-true" else torch.float32


def fabric(settings: Settings):
    """The device, the precision and the processes that the settings ask for, ready to be used.

    With several processes the first call connects them (and starts them, unless torchrun or Slurm did); the next ones find
    them connected.

    Raises
    ------
    TrainingError
        If there is no such device, or the settings and what torchrun or Slurm started do not agree.
    """
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy
    from lightning_fabric.utilities.exceptions import MisconfigurationException

    kind = settings.device
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if settings.precision == "16-mixed" and kind == "cpu":
        raise TrainingError("precision 16-mixed needs a GPU; on the CPU, 32-true is faster than half precision, and bf16-mixed works")
    if settings.precision == "64-true" and kind == "mps":
        raise TrainingError("device mps has no double precision; set precision = 32-true, or device = cpu")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The `srun` command is available")        # not every command on a cluster is a job
        devices, nodes = _places(settings)
        several = devices * nodes > 1
        strategy = DDPStrategy(gradient_as_bucket_view=True) if several else "auto"
        try:
            made = Fabric(accelerator=kind, devices=devices, num_nodes=nodes, strategy=strategy, **_precision(settings.precision, kind))
            if several:
                made.launch()
        except (ValueError, RuntimeError, MisconfigurationException) as problem:
            what = f" by {devices} x {nodes} processes" if several else ""
            raise TrainingError(f"device {settings.device!r} cannot be used{what} ({problem}); one process with device cpu or auto "
                                "always can") from None
    return made


def _places(settings: Settings) -> tuple[int, int]:
    """Processes on each machine, and machines: what torchrun or Slurm started, else the settings."""
    from lightning_fabric.plugins.environments import SLURMEnvironment

    env = os.environ
    if distributed.is_available() and distributed.is_torchelastic_launched():
        starter, devices = "torchrun", int(env.get("LOCAL_WORLD_SIZE", 1))
        nodes = int(env["WORLD_SIZE"]) // devices
    elif SLURMEnvironment.detect() and int(env["SLURM_NTASKS"]) > 1:
        starter, nodes = "Slurm", int(env.get("SLURM_NNODES", 1))
        devices = int(env["SLURM_NTASKS"]) // nodes
        if "SLURM_STEP_ID" not in env:
            raise TrainingError(f"Slurm has {env['SLURM_NTASKS']} tasks for this job, but only one process was started; put srun before "
                                "the command")
        if int(env.get("SLURM_NTASKS_PER_NODE", 0)) != devices or devices * nodes != int(env["SLURM_NTASKS"]):
            raise TrainingError(f"Slurm has {env['SLURM_NTASKS']} tasks on {nodes} machines; ask for the same number on each with "
                                f"--nodes={nodes} --ntasks-per-node={max(devices, 1)}, one a GPU")
    elif settings.nodes > 1:
        raise TrainingError(f"nodes is {settings.nodes}, but nothing has started the other machines' processes: start this with torchrun or srun on each")
    else:
        return settings.devices, 1
    for name, wanted, found in (("devices", settings.devices, devices), ("nodes", settings.nodes, nodes)):
        if wanted not in (1, found):
            raise TrainingError(f"{starter} started {devices} processes on each of {nodes} machines, but the setting {name} is {wanted}; "
                                "leave it out")
    return devices, nodes


def _precision(name: str, kind: str) -> dict:
    """Fabric's argument for a precision.

    Fabric itself rounds a network's input to half precision under autocast, and its output to single precision in double.
    Here both stay as they are.
    """
    from lightning_fabric.plugins.precision import DoublePrecision, MixedPrecision

    class Double(DoublePrecision):
        def convert_output(self, data):
            return data

    class Mixed(MixedPrecision):
        def convert_input(self, data):
            return data

    if name == "64-true":
        return {"plugins": [Double()]}
    return {"plugins": [Mixed(name, kind)]} if name.endswith("mixed") else {"precision": "32-true"}


@contextmanager
def arithmetic(settings: Settings) -> Iterator[None]:
    """Inside, a GPU multiplies as the precision says, and convolves by algorithms that repeat to the last bit.

    Under autocast, products outside it (of embedding and head) are in full single precision.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    before = matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic
    matmul.allow_tf32 = settings.precision == "tf32"
    cudnn.allow_tf32 = settings.precision not in ("32-true", "64-true")
    cudnn.deterministic = True
    try:
        yield
    finally:
        matmul.allow_tf32, cudnn.allow_tf32, cudnn.deterministic = before


@contextmanager
def random_state(device: torch.device, seed: int) -> Iterator[None]:
    """Inside, PyTorch's random numbers start from a seed; afterwards they go on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


# --- what all processes do together ------------------------------------------------------------------

def processes() -> tuple[int, int]:
    """This process' number, from 0, and how many there are."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def together(work: Callable):
    """What `work` returns in this process; if it raises a TrainingError in any, all raise the first."""
    result = problem = None
    try:
        result = work()
    except TrainingError as error:
        problem = str(error)
    problems = [problem]
    if processes()[1] > 1:
        problems = [None] * processes()[1]
        distributed.all_gather_object(problems, problem)
    if any(problems):
        raise TrainingError(next(filter(None, problems)))
    return result


def from_first(work: Callable):
    """What `work` returns in the first process, in all of them; if it raises a TrainingError, all do."""
    rank, count = processes()
    shared = [together(work if rank == 0 else lambda: None)]
    if count > 1:
        distributed.broadcast_object_list(shared, src=0)
    return shared[0]


def on_first(work: Callable[[], None]) -> None:
    """Let the first process do something, such as writing a file; the others wait, and fail with it."""
    together(work if processes()[0] == 0 else lambda: None)


def gathered(numbers: list[float], device: torch.device) -> list[list[float]]:
    """Some numbers of each process."""
    if processes()[1] == 1:
        return [numbers]
    own = torch.tensor(numbers, dtype=torch.float64, device=device)
    every = [torch.empty_like(own) for _ in range(processes()[1])]
    distributed.all_gather(every, own)
    return torch.stack(every).tolist()


def peak_memory_gib(device: torch.device) -> float:
    """Most memory that this process had on a GPU since its statistics were reset, or ever on the CPU [GiB]."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    import resource

    unit = 1 if sys.platform == "darwin" else 1024                                   # of ru_maxrss [bytes]
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
