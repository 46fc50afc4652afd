"""What the runner of the parts says at the end: how each part closed, the slowest tests, and the totals of all."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

SLOWEST = 25
DURATION = re.compile(r"(\d+\.\d\d)s (?:call|setup|teardown) +\S")
COUNT = re.compile(r"(\d+) (passed|failed|skipped|errors?|xfailed|xpassed)\b")


@dataclass
class Done:
    """How a part closed."""

    name: str
    code: int
    seconds: float
    log: str

    @property
    def closing(self) -> str:
        """The last line of its log."""
        lines = [line for line in self.log.splitlines() if line.strip()]
        return lines[-1] if lines else "no output"


def without_durations(log: str) -> str:
    """The log of a part without its own table of slow tests: there is one table of all parts."""
    return "\n".join(line for line in log.rstrip().splitlines() if not DURATION.match(line))


def slowest(done: Sequence[Done]) -> list[str]:
    """The lines of the slowest tests of all parts, the slowest first."""
    lines = [line for part in done for line in part.log.splitlines() if DURATION.match(line)]
    return sorted(lines, key=lambda line: -float(line.partition("s ")[0]))[:SLOWEST]


def summary(done: Sequence[Done]) -> str:
    """One line per part."""
    width = max(len(part.name) for part in done)
    words = ("ok    ", "FAILED")
    return "\n".join(f"{words[part.code != 0]}  {part.name.ljust(width)}  {part.closing}" for part in done)


def total(done: Sequence[Done], seconds: float) -> str:
    """What pytest would have said, had all parts been one run; a part that failed without saying why is an error."""
    counts: Counter[str] = Counter()
    for part in done:
        found = Counter({word.removesuffix("s"): int(number) for number, word in COUNT.findall(part.closing)})
        if part.code and not found["failed"] and not found["error"]:
            found["error"] += 1
        counts += found
    words = ("failed", "passed", "skipped", "xfailed", "xpassed", "error")
    said = ", ".join(f"{counts[word]} {word}" for word in words if counts[word]) or "no tests ran"
    said += "s" * (counts["error"] > 1)
    return f"===== {said} in {seconds:.2f}s ====="
