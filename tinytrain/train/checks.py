"""Checks before the first step: is every weight found, do net, data, batch size and loss agree?"""

from collections.abc import Iterable

from torch import Tensor

from tinytrain.data.datasets import Dataset
from tinytrain.errors import UsageError
from tinytrain.nn import Module, functional
from tinytrain.nn.functional import Loss
from tinytrain.nn.inspect import output_of


def require_found(net: Module) -> None:
    """Raise UsageError where some weights of `net` are not found, or it has none to learn.

    Weights in a list or dict, or in layers of another library, would silently stay as they are.
    """
    for prefix, module in net.named_modules():
        for name, held in vars(module).items():
            foreign = hasattr(held, "named_parameters") and not isinstance(held, Module)
            if foreign or any(map(has_weights, within(held))):
                place, kind = f"{prefix}.{name}".strip("."), type(held).__name__
                raise UsageError(
                    f"{place}: weights in a {kind} are not found; hold layers of tinytrain.nn, "
                    "or from_torch.Net of one, each in an attribute or an nn.Sequential"
                )
    if not any(parameter.requires_grad for parameter in net.parameters()):
        raise UsageError("net: expected one with weights to learn, found none")


def within(held: object) -> Iterable[object]:
    """The values of a list, tuple or dict; none of anything else."""
    if isinstance(held, dict):
        return held.values()
    return held if isinstance(held, (list, tuple)) else ()


def has_weights(held: object) -> bool:
    """Whether it is a layer or a tensor that is learned, or has one in it."""
    if isinstance(held, Tensor):
        return held.requires_grad and held.is_leaf  # no result of a computation
    return hasattr(held, "named_parameters") or any(map(has_weights, within(held)))


def require_suited(
    net: Module, dataset: Dataset, batch_size: int, loss: Loss = functional.nll_loss
) -> None:
    """Raise UsageError where the net cannot be trained on this data with this batch size and loss.

    A copy of the net is run on a blank image, so the net itself stays as it is.
    """
    if not isinstance(dataset, Dataset):
        kind = type(dataset).__name__
        raise UsageError(
            f"the data set: expected a tinytrain.data.Dataset, found {kind}; data.from_arrays "
            "makes one of images and labels, data.load of files, from_torch.dataset of torch's"
        )
    shape = tuple(dataset.train.images.shape[1:])
    place = f"--dataset {dataset.name}: does not suit the net (late7500 takes all from 4×4)"
    try:
        output = output_of(net, shape)
        if 1 in (batch_size, len(dataset.train) % batch_size):
            # On one image batch norm cannot train where its map is 1 × 1.
            place = f"--batch-size {batch_size}, take another: a batch of one does not fit the net"
            output_of(net, shape, training=True)
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from error
    found = tuple(output.shape)
    if len(found) != 2 or found[1] != dataset.classes:
        raise UsageError(
            f"the net: expected outputs (N, {dataset.classes}), a number a class of "
            f"{dataset.name}, found {found}; let it take `classes`, or choose another --net"
        )
    if getattr(loss, "func", loss) in (functional.nll_loss, functional.smoothed_nll_loss):
        total = float(output.exp().sum())
        if not abs(total - 1) < 0.01:
            raise UsageError(
                "the net: expected log-probabilities, of probabilities that add up to 1, found "
                f"{total:g}; end it with nn.LogSoftmax(), or give Training another loss"
            )
    elif getattr(value := loss(output, output.argmax(1)), "shape", None) != ():
        raise UsageError(f"the loss: expected a scalar of (outputs, labels), found {value}")
