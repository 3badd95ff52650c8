"""The target: what a run has to show, and why some runs cannot be held against it."""

from __future__ import annotations

from collections.abc import Sequence

from tinytrain.train.runs import Settings

TARGET_ACCURACY = 99.40  # percent
TARGET_EPOCHS = 15
TARGET_PARAMETERS = 8000
LAST_EPOCHS = 5


def verdict(
    accuracies: Sequence[float], parameters: int, reason_not_judged: str | None = None
) -> tuple[bool, str]:
    """Whether a run holds the target, and the lines that say so, condition by condition.

    `accuracies` are the test accuracies, in percent, of all epochs. The target: every one of the
    last five at 99.40 or more, at most 15 epochs, fewer than 8,000 parameters. `reason_not_judged`
    says why the run cannot be held against it; so does a run of fewer than five epochs.
    """
    epochs = len(accuracies)
    if reason_not_judged is None and epochs < LAST_EPOCHS:
        plural = "" if epochs == 1 else "s"
        reason_not_judged = f"{epochs} epoch{plural}; the target needs at least {LAST_EPOCHS}"
    if reason_not_judged is not None:
        return False, f"Verdict: not judged ({reason_not_judged})."
    last = accuracies[-LAST_EPOCHS:]
    shown = " ".join(f"{accuracy:.2f}" for accuracy in last)
    conditions = [
        (
            min(last) >= TARGET_ACCURACY,
            f"last {LAST_EPOCHS} epochs: {shown} (each at least {TARGET_ACCURACY:.2f}; "
            f"the lowest is {min(last) - TARGET_ACCURACY:+.2f} from it)",
        ),
        (epochs <= TARGET_EPOCHS, f"{epochs} epochs (at most {TARGET_EPOCHS})"),
        (
            parameters < TARGET_PARAMETERS,
            f"{parameters:,} parameters (fewer than {TARGET_PARAMETERS:,})",
        ),
    ]
    met = all(condition for condition, _ in conditions)
    lines = [f"{'met    ' if condition else 'NOT met'}  {text}" for condition, text in conditions]
    return met, "\n".join([f"Verdict: the target is {'met' if met else 'NOT met'}.", *lines])


def reason_not_judged(settings: Settings) -> str | None:
    """Why the target cannot be judged by this run, or None where it can."""
    if settings.dataset == "synthetic":
        return "the digits were drawn by tinytrain, this is not MNIST"
    if settings.dataset != "mnist":
        return f"the target is for MNIST, this is {settings.dataset}"
    if settings.holdout:
        return f"tested on {settings.holdout:,} held-out training images, not on the test set"
    return None
