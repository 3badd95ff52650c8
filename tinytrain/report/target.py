"""The target and the verdict: 99.4 % of MNIST's test images in each of the last five epochs."""

from collections.abc import Sequence
from dataclasses import dataclass

TARGET_ACCURACY = 99.40  # percent
TARGET_EPOCHS = 15
TARGET_PARAMETERS = 8000
LAST_EPOCHS = 5


@dataclass(frozen=True)
class Verdict:
    """Whether a run meets the target, and the lines that say so, condition by condition."""

    met: bool
    text: str


def holds(accuracies: Sequence[float]) -> bool:
    """Whether each of the last five epochs, and there are five, is at the target or above."""
    last = accuracies[-LAST_EPOCHS:]
    return len(last) == LAST_EPOCHS and min(last) >= TARGET_ACCURACY


def reason_not_judged(dataset: str, holdout: int, epochs: int) -> str | None:
    """The reason why such runs cannot be judged by the target, or None where they can.

    `holdout`: how many training images played the test set, 0 for none.
    """
    if dataset == "synthetic":
        return "the digits were drawn by tinytrain, this is not MNIST"
    if dataset != "mnist":
        return f"the target is for MNIST, this is {dataset}"
    if holdout:
        return f"tested on {holdout:,} held-out training images, not on the test set"
    if epochs < LAST_EPOCHS:
        plural = "" if epochs == 1 else "s"
        return f"{epochs} epoch{plural}; the target needs at least {LAST_EPOCHS}"
    return None


def verdict(accuracies: Sequence[float], parameters: int, reason: str | None = None) -> Verdict:
    """The verdict on a run with these test accuracies, in percent, of all its epochs.

    `reason`: why it cannot be judged (`reason_not_judged`), which counts as missed.
    """
    epochs = len(accuracies)
    reason = reason or reason_not_judged("mnist", 0, epochs)
    if reason is not None:
        return Verdict(False, f"Verdict: not judged ({reason}).")
    last = accuracies[-LAST_EPOCHS:]
    shown = " ".join(f"{accuracy:.2f}" for accuracy in last)
    least = f"each at least {TARGET_ACCURACY:.2f}"
    least += f"; the lowest is {min(last) - TARGET_ACCURACY:+.2f} from it"
    size = f"{parameters:,} parameters (fewer than {TARGET_PARAMETERS:,})"
    conditions = {
        f"last {LAST_EPOCHS} epochs: {shown} ({least})": holds(accuracies),
        f"{epochs} epochs (at most {TARGET_EPOCHS})": epochs <= TARGET_EPOCHS,
        size: parameters < TARGET_PARAMETERS,
    }
    met = all(conditions.values())
    lines = [f"Verdict: the target is {'' if met else 'NOT '}met."]
    lines += [f"{'met    ' if there else 'NOT met'}  {text}" for text, there in conditions.items()]
    return Verdict(met, "\n".join(lines))
