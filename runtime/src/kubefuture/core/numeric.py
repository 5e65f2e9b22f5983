"""Numbers as people give them, of NumPy's types, too."""

from __future__ import annotations

import math
import numbers
import operator
from typing import Any


def whole(value: Any, least: int) -> int | None:
    """An integer of at least so much; None for what is none, as True and 2.0 are none."""
    if isinstance(value, bool):
        return None
    try:
        number = operator.index(value)
    except TypeError:
        return None
    return number if number >= least else None


def seconds(value: Any) -> float | None:
    """A number of seconds; None for what is none."""
    if isinstance(value, bool):
        return None
    number: float
    if type(value) in (int, float):
        number = value
    elif isinstance(value, numbers.Real):
        number = float(value)
    else:
        return None
    return None if math.isnan(number) else number
