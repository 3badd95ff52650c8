"""Rehearse the first step of a training that uses functions from a user's files.

Whatever fails in them, or would be wrong without a word, ends the run before it has a folder.
"""

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import torch
from torch import Tensor

from tinytrain import streams
from tinytrain.data.datasets import Dataset
from tinytrain.errors import TinytrainError, UsageError
from tinytrain.nn import Module
from tinytrain.runs.checkpoints import tensors_in
from tinytrain.runs.user_file import explained, text_of
from tinytrain.train.checks import require_suited
from tinytrain.train.compute import InProcess, make_batch
from tinytrain.train.state import Epoch, Training


def rehearse(start: Callable[[], Training], dataset: Dataset, place: str) -> None:
    """Take the first step twice, each time with all made anew by `start`, and then a second one.

    That is taken by the first of the two, and by a third training which has the state that the
    other would have saved. Raises UsageError, which names `place`, where a step fails or gives
    other numbers than its twin, where the net and the loss do not suit each other or the data, or
    where other weights would be trained than those of the net.
    """
    try:
        with redirect_stdout(io.StringIO()):  # what the files print has been seen
            one, other, resumed = (start() for _ in range(3))
            dataset = dataset.to(one.device)
            with streams.seeded(one.stream("rehearsal"), one.device):
                first_step(one, dataset)
            with streams.seeded(other.stream("rehearsal"), other.device):
                first_step(other, dataset)
            require_same(one, other, "the first step of one seed is another each time")
            resumed.load_state_dict(saved(other.state_dict()))
            for training in (one, resumed):
                step(training, dataset)
            require_same(one, resumed, "after --resume a run would take other steps")
            require_same_schedules(other, resumed)
    except UsageError as error:
        raise explained(error) or UsageError(f"{place}: {error}") from error
    except TinytrainError:
        raise
    except Exception as error:  # of all types
        reason = f"the first step fails: {type(error).__name__}: {text_of(error)}"
        raise explained(error) or UsageError(f"{place}: {reason}") from error


def require_same(one: Training, other: Training, found: str) -> None:
    """Raise UsageError, which says what was found, where the states of the two differ."""
    pairs = zip(tensors_in(one.state_dict()), tensors_in(other.state_dict()), strict=True)
    if not all(torch.allclose(*pair, equal_nan=True) for pair in pairs):
        raise UsageError(
            f"{found}; let only net and loss draw, with torch, and augmentations with their "
            "generator; hold what is remembered in tensors of a module, or an optimizer's state"
        )


def require_same_schedules(one: Training, other: Training) -> None:
    """Raise UsageError where a schedule decides otherwise when it is given epochs one by one.

    After --resume it gets all at once. These are epochs in which nothing becomes better.
    """
    count = min(one.epochs, 20)
    history = [Epoch(n, 1.0, 1.0, 50.0, 1.0, 1, 2, 50.0, 50.0, 1.0) for n in range(1, count + 1)]
    see, see_all = (getattr(each.schedule, "see", list) for each in (one, other))
    for number in range(1, count + 1):
        see(history[:number])
    see_all(history)
    if one.schedule(count - 0.5) != other.schedule(count - 0.5):
        raise UsageError(
            "--schedule: decides otherwise where its `see` is given all epochs at once, as after "
            "--resume, than where they come one by one; decide by the whole history"
        )


def saved(state: dict[str, Any]) -> Any:
    """The state as it comes out of a checkpoint. Raises UsageError where it would not."""
    file = io.BytesIO()
    try:
        torch.save(state, file)
        file.seek(0)
        return torch.load(file, weights_only=True)
    except Exception as error:  # of many types
        raise UsageError(
            "a checkpoint cannot hold its state: expected tensors, numbers, texts, lists, dicts"
        ) from error


def step(training: Training, dataset: Dataset) -> None:
    """Take a step on the first images."""
    training.net.train()
    rows = torch.arange(min(training.batch_size, len(dataset.train)))
    InProcess().step(training, dataset, rows, 2)


def first_step(training: Training, dataset: Dataset) -> None:
    """Take a step, and look at outputs and loss before it. Raises UsageError."""
    net, rows = training.net, torch.arange(min(training.batch_size, len(dataset.train)))
    require_suited(net, dataset, training.batch_size, training.loss)
    before = shapes(net)
    images, labels = make_batch(training, dataset, rows)
    brightest = float(255 * (images * dataset.std + dataset.mean).max())
    if brightest < 1.5 < float(dataset.train.images[rows].max()):
        raise UsageError(f"--augmentation: expected pixels 0 to 255, found 0 to {brightest:.4g}")
    require_outputs(net, images[:3], dataset.classes)
    net.train().set_generator(training.stream("dropout", training.device))
    output = checked_output(net, images, dataset.classes)
    require_weights(net, training.loss(output, labels.clone()))
    require_loss(training, output.detach(), labels)
    step(training, dataset)
    if changed := dict(shapes(net).items() ^ before.items()):
        raise UsageError(
            f"{min(changed)} is new after a step, or has another shape, so that no run could go "
            "on from its checkpoint; let a module hold tensors from the start"
        )
    if training.ema and not training.ema.follows(net):
        raise UsageError(
            "a module puts another tensor in the place of a buffer, which the average of the "
            "weights cannot follow; change it in place, as with copy_, or take --ema 0"
        )


def require_loss(training: Training, output: Tensor, labels: Tensor) -> None:
    """Raise UsageError for a loss that is no mean, or has no end, or changes what it is given."""

    def loss(output: Tensor, labels: Tensor) -> Tensor:
        given = output.clone(), labels.clone()
        with streams.seeded(training.stream("torch"), training.device):
            value = training.loss(*given)
        same = torch.allclose(given[0], output, 0, 0, equal_nan=True)
        if not (same and torch.equal(given[1], labels)):
            raise UsageError("--loss: changes the outputs or the labels that it is given")
        return value

    value, total = loss(output, labels), float(output.exp().sum(1).sub(1).abs().max())
    if value.dtype not in (torch.float32, torch.float64):
        raise UsageError(f"--loss: expected float32, found {value.dtype}")
    if value and torch.isclose(loss(output.repeat(2, 1), labels.repeat(2)), 2 * value):
        raise UsageError("--loss: adds up over the images; expected their mean")
    if total < 0.01:  # log-probabilities
        return
    if torch.isclose(loss(output + 1, labels), value - 1):
        raise UsageError(
            "--loss: takes log-probabilities, and the net gives others; end it with log_softmax"
        )
    if bool((output >= 0).all()) and float(output.sum(1).sub(1).abs().max()) < 0.01:
        raise UsageError(
            "the net gives probabilities; let it end in log_softmax, or in scores, as "
            "`evaluate` and `predict` take them"
        )
    if training.tta > 1 and not torch.isclose(loss(output.log_softmax(1), labels), value):
        raise UsageError(f"--tta {training.tta}: needs a net that gives log-probabilities")


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
