"""Restore torch's global state after a user's file has changed it, or refuse the change."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from operator import attrgetter
from typing import Any

import torch

from tinytrain.errors import UsageError

BACKENDS = [
    *("cudnn.enabled", "cudnn.benchmark", "cudnn.deterministic", "mkldnn.enabled"),
    *("cudnn.allow_tf32", "cuda.matmul.allow_tf32", "opt_einsum.enabled"),
    *("fp32_precision", "cuda.matmul.fp32_precision", "cudnn.conv.fp32_precision"),
    *("mkldnn.matmul.fp32_precision", "mkldnn.conv.fp32_precision"),
]


def kernels(device: str) -> dict[str, bool]:
    """How CUDA computes on `device`: whether kernels repeat bit for bit; where TF32 is used."""
    cudnn, products = torch.backends.cudnn, torch.backends.cuda.matmul
    settings = {"deterministic": cudnn.deterministic, "tf32 in convolutions": cudnn.allow_tf32}
    settings["tf32 in matrix products"] = products.allow_tf32
    return settings if device.startswith("cuda") else {}


def set_default_device(device: torch.device) -> None:
    """Set torch's default device; the CPU as at the start, which costs no look at every call."""
    torch.set_default_device(None if device.type == "cpu" else device)


def backend(name: str) -> tuple[Callable[[], Any], Callable[[Any], Any]]:
    """How to get and to set a name below torch.backends, such as "cudnn.enabled"."""
    place, _, attribute = f"backends.{name}".rpartition(".")
    get = partial(attrgetter(f"{place}.{attribute}"), torch)
    return get, lambda value: setattr(attrgetter(place)(torch), attribute, value)


def value_of(get: Callable[[], object]) -> object:
    """The value of a setting; None where this torch lacks it, or says that others contradict."""
    try:
        return get()
    except (AttributeError, RuntimeError):
        return None


# What of torch's global state a file can change: by name, how to get it and to set it.
SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "the working folder": (os.getcwd, os.chdir),
    "default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "default device": (lambda: torch.empty(0).device, set_default_device),
    "threads": (torch.get_num_threads, torch.set_num_threads),
    "inference mode": (torch.is_inference_mode_enabled, lambda _: None),
    "denormal numbers": (
        lambda: bool(torch.tensor(1e-310, dtype=torch.float64) * 1 == 0),
        torch.set_flush_denormal,
    ),
    "gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
    "anomaly detection": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "deterministic algorithms": (
        torch.get_deterministic_debug_mode,
        torch.set_deterministic_debug_mode,
    ),
    "float32 matmul precision": (
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
}
SETTINGS |= {
    f"autocast of {device}": (
        partial(torch.is_autocast_enabled, device),
        partial(torch.set_autocast_enabled, device),
    )
    for device in ("cpu", "cuda")
}
SETTINGS |= {f"backends.{name}": backend(name) for name in BACKENDS}


@contextmanager
def preserve_torch_state(place: str, refuse: bool = False) -> Iterator[None]:
    """Restore torch's global state at the end: its generators, defaults, threads and flags.

    Raises UsageError, which names `place`, for a change that cannot be undone; with `refuse` for
    any.
    """
    values = {name: value_of(get) for name, (get, _) in SETTINGS.items()}
    changed = []
    try:
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            yield
    finally:
        for name, (get, put) in SETTINGS.items():
            if value_of(get) != values[name]:
                put(values[name])
                changed += [name] if refuse or value_of(get) != values[name] else []
    if changed:
        raise UsageError(f"{place}: changes torch's {changed[0]} for all; leave it as it was")
