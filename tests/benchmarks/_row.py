"""One row of the benchmark table: what was measured, as it is printed, and whether its bound holds."""

from typing import NamedTuple


class Row(NamedTuple):
    """A figure without a bound is only reported and always holds."""

    what: str
    measured: str
    bound: str = "reported"
    holds: bool = True


def below(what: str, value: float, bound: float, unit: str, *, digits: int = 0, note: str = "") -> Row:
    """Return the row of a figure that has to stay below ``bound``; both are in ``unit``."""
    shown = f"{value:.{digits}f} {unit}"
    return Row(what, f"{shown} ({note})" if note else shown, f"< {bound:g} {unit}", value < bound)
