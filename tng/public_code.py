"""The authors' public code and this library: one network, two sets of names.

The public classes (https://github.com/brsylmz23/TimesNet-Gen, models/TimesNet_PointCloud.py) and the published
configuration of `TimesNetGen` compute the same function from the same parameters, so weights pass from one to the other
by name.  Built from the same seed, both also start with equal parameters.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from tng.timesnet import TimesNetGen

NAMES = {                                                # how a name begins: there, here
    "enc_embedding.value_embedding.": "embedding.",
    "enc_embedding.position_embedding": "position",
    "model.": "blocks.",
    "layer_norm.": "norm.",
    "projection.": "head.",
}
HEADS = ("feature_fusion.", "p_regression_head.", "s_regression_head.", "p_classification_head.", "s_classification_head.")
TOP_K, DROPOUT = 2, 0.1                                  # of the public code; weights do not tell them


class PublicCodeError(ValueError):
    """A file of the public code cannot be taken over; the message says what was found and what to do."""


def read_checkpoint(path: Path | str, top_k: int | None = None) -> TimesNetGen:
    """The network of a checkpoint of the public code, in evaluation mode on the CPU.

    Parameters
    ----------
    path : path
        A ``.pth`` file with the state dict itself or with ``{"model_state_dict": ...}``, as the public scripts write it;
        or the same tensors as ``.safetensors``.  Nothing but numbers is loaded from it.
    top_k : int, optional
        Periods a block looks for.  By default what the file says of itself, or 2.

    Raises
    ------
    PublicCodeError
        If there is no such file, it is damaged, could run code when loaded, or holds another network.
    """
    found = _load(Path(path))
    try:
        if not isinstance(found, Mapping):
            raise PublicCodeError(f"holds a {type(found).__name__}, not the parameters of a network")
        said = found.get("args") if isinstance(found.get("args"), Mapping) else {}
        arguments, state = to_tng(found.get("model_state_dict", found), said.get("top_k", TOP_K) if top_k is None else top_k)
        return _built(arguments, state)
    except PublicCodeError as problem:
        raise PublicCodeError(f"{path}: {problem}") from None


def to_tng(state: Mapping[str, Tensor], top_k: int = TOP_K) -> tuple[dict, dict[str, Tensor]]:
    """Arguments of `TimesNetGen` and its state dict, from a state dict of the public code.

    Everything but `top_k` and the dropout (0.1, as there) is seen in the shapes.  The prefix ``module.`` that training
    on several GPUs leaves is taken off.  Weights in half precision become single.

    Raises
    ------
    PublicCodeError
        If it is not the state of such a network: names are missing or unknown, or shapes contradict each other.
    """
    state = _plain(state)
    arguments = _arguments(state, top_k)
    _require_same(state, from_tng(_network(arguments)))
    dtype = torch.float64 if all(v.dtype == torch.float64 for v in state.values()) else torch.float32
    ours = {_renamed(name, NAMES): value.to(dtype) for name, value in state.items()}
    return arguments, {**ours, "position": ours["position"][0]}


def from_tng(network: TimesNetGen) -> dict[str, Tensor]:
    """State dict of the public code's classes for a network as published.

    ``torch.save({"model_state_dict": from_tng(network)}, path)`` is a file that the public scripts read.

    Raises
    ------
    PublicCodeError
        If the public code has no such network: stations, a bottleneck, decoder blocks, or another choice of periods.
    """
    for name, published in (("stations", 0), ("latent", 0), ("decoder_blocks", 0), ("period_choice", "batch")):
        if (value := network.arguments[name]) != published:
            raise PublicCodeError(f"this network has {name} {value!r}, which the public code does not know; "
                                  f"only networks with {published!r} can be handed over")
    back = {ours: theirs for theirs, ours in NAMES.items()}
    state = {_renamed(name, back): value.detach() for name, value in network.state_dict().items()}
    return {name: value[None] if name.endswith("position_embedding") else value for name, value in state.items()}


def read_noise_std(path: Path | str, d_model: int | None = None) -> Tensor:
    """The public code's latent noise level (``encoder_feature_std.npy``), shape (d_model,).

    Raises
    ------
    PublicCodeError
        If there is no such file, or it is not one finite positive number for each channel.
    """
    try:
        values = np.load(path, mmap_mode="r", allow_pickle=False)            # a mapped file can be no larger than it is
    except FileNotFoundError:
        raise PublicCodeError(f"{path}: no such file") from None
    except (ValueError, OSError, EOFError) as problem:
        raise PublicCodeError(f"{path}: not a NumPy array of numbers ({_first_line(problem)})") from None
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind != "f":
        what = f"shape {values.shape}, {values.dtype}" if isinstance(values, np.ndarray) else "an archive of arrays"
        raise PublicCodeError(f"{path}: {what}; a latent noise level is one floating-point number for each channel")
    if d_model is not None and len(values) != d_model:
        raise PublicCodeError(f"{path}: {len(values)} numbers, but the network has {d_model} channels")
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise PublicCodeError(f"{path}: holds numbers that are negative or not finite; compute the noise level anew")
    return torch.from_numpy(np.array(values, dtype=values.dtype.newbyteorder("=")))


# --- reading ----------------------------------------------------------------------------------------

def _load(path: Path):
    if not path.is_file():
        raise PublicCodeError(f"{path}: no such file")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        with warnings.catch_warnings():                                      # about details of the pickle format
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise PublicCodeError(f"{path}: refused: it holds more than tensors or is damaged, and loading it could run code; where its origin "
                              "is trusted, load it there and save the tensors alone: torch.save(model.state_dict(), ...)") from None
    except Exception as problem:                                             # a damaged file fails in many ways
        raise PublicCodeError(f"{path}: damaged, or not a file of weights ({_first_line(problem)}); fetch it anew") from None


def _first_line(problem: Exception) -> str:
    return (str(problem).splitlines() or [type(problem).__name__])[0].split(". ")[0]


def _built(arguments: dict, state: dict[str, Tensor]) -> TimesNetGen:
    network = _network(arguments)
    network.load_state_dict(state, assign=True)
    for parameter in network.parameters():
        parameter.requires_grad_()
    return network.eval()


def _network(arguments: dict) -> TimesNetGen:
    """A network without numbers; that takes no memory and touches no random state."""
    try:
        with torch.device("meta"):
            return TimesNetGen(**arguments)
    except (ValueError, RuntimeError) as problem:
        raise PublicCodeError(f"no network can have these shapes ({_first_line(problem)})") from None


# --- checks -----------------------------------------------------------------------------------------

def _plain(state) -> dict[str, Tensor]:
    """The state dict without the prefix of DataParallel; refused unless it is names and floating-point numbers."""
    if not isinstance(state, Mapping) or not state:
        raise PublicCodeError("holds no parameters of a network")
    odd = [str(name) for name, value in state.items() if not (isinstance(name, str) and isinstance(value, Tensor))]
    if odd:
        raise PublicCodeError(f"holds no state dict of a network: {_some(odd)} is not a tensor")
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    for name, value in state.items():
        if value.layout != torch.strided or not value.is_floating_point():
            raise PublicCodeError(f"{name} holds {value.dtype} ({value.layout}), not plain floating-point numbers")
        if value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise PublicCodeError(f"{name} claims {tuple(value.shape)} numbers, but fewer are stored; fetch the file anew")
        if not torch.isfinite(value).all():
            raise PublicCodeError(f"{name} holds numbers that are not finite; the training it comes from had failed")
    return dict(state)


def _arguments(state: dict[str, Tensor], top_k) -> dict:
    """What the shapes say; whether all of them agree is checked afterwards."""
    if heads := [name for name in state if name.startswith(HEADS)]:
        raise PublicCodeError(f"has heads for P and S times ({_some(heads)}): that is the authors' picker (use_ps_heads), "
                              "which reconstructs no records")
    position, first = "enc_embedding.position_embedding", "model.0.conv.0.kernels.0.weight"
    if missing := [name for name in (position, first) if name not in state]:
        raise PublicCodeError(f"not the TimesNet-Gen of the public code: {_some(missing)} missing, {_some(list(state))} found")
    if state[position].ndim != 3 or state[first].ndim != 4 or min(*state[position].shape, *state[first].shape) == 0:
        raise PublicCodeError(f"{position} has the shape {tuple(state[position].shape)} and {first} {tuple(state[first].shape)}; "
                              "(1, samples, d_model) and (d_ff, d_model, 1, 1) were expected")
    if not isinstance(top_k, int) or isinstance(top_k, bool) or top_k < 1:
        raise PublicCodeError(f"top_k is {top_k!r}; a whole number from 1 is needed")
    return dict(samples=state[position].shape[1], d_model=state[position].shape[2], d_ff=state[first].shape[0], top_k=top_k,
                num_kernels=_count(state, r"model\.0\.conv\.0\.kernels\.(\d+)\."), blocks=_count(state, r"model\.(\d+)\."),
                dropout=DROPOUT)


def _count(state: dict[str, Tensor], pattern: str) -> int:
    return len({match[1] for name in state if (match := re.match(pattern, name))})


def _require_same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Refuse a state dict that has other names or shapes than it should."""
    missing, unknown = [n for n in wanted if n not in found], [n for n in found if n not in wanted]
    if missing or unknown:
        raise PublicCodeError("not the TimesNet-Gen of the public code: " + "; ".join(
            f"{_some(names)} {what}" for what, names in (("missing", missing), ("unknown", unknown)) if names))
    wrong = [f"{name} is {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}"
             for name in wanted if found[name].shape != wanted[name].shape]
    if wrong:
        raise PublicCodeError(f"shapes contradict each other: {_some(wrong)}")


def _some(names: Sequence[str], at_most: int = 3) -> str:
    return ", ".join(names[:at_most]) + (f" and {len(names) - at_most} more" if len(names) > at_most else "")


def _renamed(name: str, names: Mapping[str, str]) -> str:
    old = next(old for old in names if name.startswith(old))
    return names[old] + name[len(old):]
