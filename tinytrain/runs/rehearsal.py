"""Rehearse the first step of a training that uses functions from a user's files.

Whatever fails in them, or would be wrong without a word, ends the run before it has a folder.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data.datasets import Dataset
from tinytrain.errors import TinytrainError, UsageError
from tinytrain.nn import Module
from tinytrain.runs.net_file import explained, text_of
from tinytrain.train.compute import InProcess, make_batch
from tinytrain.train.state import Training, tensors_in


def rehearse(start: Callable[[], Training], dataset: Dataset, place: str) -> None:
    """Take the first step twice, each time with all made anew by `start`, and compare.

    Raises UsageError, which names `place`, where it fails, gives other numbers the second time,
    or trains other weights than those of the net.
    """
    states = []
    for _ in range(2):
        try:
            with redirect_stdout(io.StringIO()):  # what the files print has been seen
                training = start()
                with streams.seeded(training.stream("rehearsal"), training.device):
                    first_step(training, dataset.to(training.device))
        except UsageError as error:
            raise explained(error) or UsageError(f"{place}: {error}") from error
        except TinytrainError:
            raise
        except Exception as error:  # of all types
            reason = f"the first step fails: {type(error).__name__}: {text_of(error)}"
            raise explained(error) or UsageError(f"{place}: {reason}") from error
        states.append(list(tensors_in(training.state_dict())))
    for one, other in zip(*states, strict=True):
        if not torch.allclose(one, other, equal_nan=True):
            raise UsageError(
                f"{place}: the first step of one seed is another each time; draw with torch, and "
                "hold what is remembered in tensors of a module"
            )


def first_step(training: Training, dataset: Dataset) -> None:
    """Take a step, and look at the outputs before it. Raises UsageError."""
    net, rows = training.net, torch.arange(min(training.batch_size, len(dataset.train)))
    before = shapes(net)
    images, labels = make_batch(training, dataset, rows)
    require_outputs(net, images[:3], dataset.classes)
    net.train().set_generator(training.stream("dropout", training.device))
    output = checked_output(net, images, dataset.classes)
    require_weights(net, training.loss(output, labels))
    InProcess().step(training, dataset, rows, 1)
    if changed := dict(shapes(net).items() ^ before.items()):
        raise UsageError(
            f"{min(changed)} is new after a step, or has another shape, so that no run could go "
            "on from its checkpoint; let a module hold tensors from the start"
        )


def shapes(net: Module) -> dict[str, torch.Size]:
    """The shape of every tensor in the net's state, by name."""
    return {name: tensor.shape for name, tensor in net.state_dict().items()}


def checked_output(net: Module, images: Tensor, classes: int) -> Tensor:
    """The net's output for a copy of the images. Raises UsageError for another shape."""
    output = net(images.clone())
    if output.shape != (len(images), classes):
        raise UsageError(f"expected outputs {(len(images), classes)}, found {tuple(output.shape)}")
    return output


@torch.no_grad()
def require_outputs(net: Module, images: Tensor, classes: int) -> None:
    """Raise UsageError for outputs in evaluation that depend on the number of images, or are half.

    Where the net draws, each output is another, and they cannot be compared.
    """
    net.eval()
    output, again = (checked_output(net, images, classes) for _ in range(2))
    if output.dtype not in (torch.float32, torch.float64):
        kind = str(output.dtype).removeprefix("torch.")
        raise UsageError(f"expected outputs in float32, found {kind}; end with .float()")
    alone = torch.cat([checked_output(net, image[None], classes) for image in images])
    if torch.equal(output, again) and not torch.allclose(output, alone, 0.01, 0.01):
        raise UsageError(
            "in evaluation the output for an image depends on the others beside it, so that no "
            "accuracy is its own; let layers do so only where their `training` is True"
        )


def require_weights(net: Module, loss: Tensor) -> None:
    """Raise UsageError where `loss` depends on no weight, or on one that is not of the net."""
    own = {*map(id, net.parameters())}
    reached, found, waiting = set(), [], [loss.grad_fn]
    while waiting:
        function = waiting.pop()
        if function is not None and function not in reached:
            reached.add(function)
            waiting += [before for before, _ in function.next_functions]
            found += [function.variable] if hasattr(function, "variable") else []
    for tensor in found:
        if id(tensor) not in own:
            raise UsageError(
                f"its output depends on a tensor of shape {tuple(tensor.shape)} that requires a "
                "gradient and is no weight of the net; hold it as an attribute of a module, or "
                "let it require none"
            )
    if not found:
        raise UsageError("its output depends on no weight that is learned: is it detached?")
