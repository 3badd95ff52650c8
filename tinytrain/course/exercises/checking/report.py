"""The report of a check, as text for the learner and as plain values for tools."""

from __future__ import annotations

from dataclasses import dataclass, field

OTHER_NUMBERS = """\
No case differs, but the engine's numbers do. A function that draws in another order than the
shipped one is right, and makes another run, as another seed does; if yours draws nothing, the
engine meets a case that was not drawn."""

Rows = dict[str, list[float]]  # name → the numbers that the engine shows under it


@dataclass(frozen=True)
class Comparison:
    """Number of drawn cases, how many differ, and the smallest that does.

    `error` is what the learner's function raised there instead of an answer.
    """

    cases: int
    differing: int = 0
    arguments: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    error: str = ""

    def as_text(self) -> str:
        """The smallest case that differs, in lines."""
        if not self.differing:
            return f"All {self.cases} drawn cases agree with the shipped function."
        lines = [f"{self.differing} of {self.cases} cases differ. The smallest:"]
        lines += [f"  {line}" for line in self.arguments]
        lines += [f"raises {self.error}" if self.error else "gives"]
        return "\n".join([*lines, *(f"  {line}" for line in self.differences)])


@dataclass(frozen=True)
class Report:
    """Whether an exercise is passed: no case differs, and the engine runs with the function.

    `reason` says why not, where numbers alone do not. `right` and `yours` are the engine's numbers
    with the shipped function and with the learner's.
    """

    name: str
    passed: bool = False
    reason: str = ""
    comparison: Comparison | None = None
    right: Rows = field(default_factory=dict)
    yours: Rows = field(default_factory=dict)

    def as_text(self) -> str:
        """The report in lines."""
        reason = f"; {self.reason}" if self.reason else ""
        lines = [f"{self.name}: {'passed' if self.passed else 'not yet'}{reason}"]
        if self.comparison:
            lines.append(self.comparison.as_text())
        if self.yours:
            lines.append("In the engine:")
        for name, numbers in self.right.items():
            lines.append(f"  {name:<24} right  {digits(numbers)}")
            lines.append(f"  {'':<24} yours  {digits(self.yours.get(name, []))}")
        if self.passed and not look_alike(self.right, self.yours):
            lines.append(OTHER_NUMBERS)
        return "\n".join(lines)


def digits(numbers: list[float]) -> str:
    """Numbers as they are shown, four digits each."""
    return " ".join(f"{number:7.4g}" for number in numbers)


def look_alike(right: Rows, yours: Rows) -> bool:
    """Whether two rows show the same digits, apart from the seconds that they took."""
    return all(
        digits(numbers) == digits(yours.get(name, []))
        for name, numbers in right.items()
        if name != "seconds"
    )
