"""Numbers from outside as read-only arrays; what is not a finite number of the right shape is an error."""

from __future__ import annotations

import reprlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .documents import InputError, ScenarioError

__all__ = ["indexed", "read_numbers", "require_finite", "shaped", "shown"]

Array = NDArray[np.float64]


def shown(value: object) -> str:
    """Return a value as error messages show it: short, on one line, whatever its depth."""
    return " ".join(reprlib.repr(value).split())


def indexed(index: tuple[int, ...]) -> str:
    """Return an index as error messages show it, ``[3][1]``."""
    return "".join(f"[{int(i)}]" for i in index)


def read_numbers(field: str, value: Any, error: type[InputError]) -> Array:
    """Return numbers as a new float array of whatever shape.

    Parameters
    ----------
    field
        What the numbers are, for messages.
    value
        A number, nested lists of numbers or an array of numbers.
    error
        What to raise.

    Raises
    ------
    InputError
        Of the type given: for text, booleans, complex numbers, null, ragged lists and numbers beyond floats.
    """
    if isinstance(value, np.ndarray):
        if not (np.issubdtype(value.dtype, np.floating) or np.issubdtype(value.dtype, np.integer)):
            raise error(f"{field} holds {value.dtype} values; expected numbers")
        with np.errstate(over="ignore"):
            return np.array(value, dtype=np.float64)
    _check_leaves(field, value, (), error)
    try:
        return np.array(value, dtype=np.float64)
    except OverflowError:
        raise error(f"{field} holds a number beyond 1.8e308; expected finite numbers") from None
    except ValueError:
        raise error(f"{field} is a ragged list; expected rows of equal length") from None


def require_finite(field: str, array: Array, error: type[InputError]) -> None:
    """Raise an error that names the first number that is not finite."""
    if not np.all(np.isfinite(array)):
        index = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise error(f"{field}{indexed(index)} = {float(array[index])}; expected a finite number")


def shaped(field: str, value: Any, shape: tuple[int, ...], scalar_for_all: bool = True) -> Array:
    """Return finite numbers of a scenario as a read-only array of a shape; a scalar may stand for all.

    Raises
    ------
    ScenarioError
        If they are none.
    """
    array = read_numbers(field, value, ScenarioError)
    if array.shape == () and scalar_for_all:
        array = np.full(shape, float(array))
    if array.shape != shape:
        expected = shape if shape else "a single number"
        raise ScenarioError(f"{field} has shape {array.shape}; expected {expected}")
    require_finite(field, array, ScenarioError)
    array = np.asarray(array + 0.0)  # minus zero becomes zero: equal scenarios have equal hashes
    array.flags.writeable = False
    return array


def _check_leaves(field: str, value: Any, index: tuple[int, ...], error: type[InputError]) -> None:
    if isinstance(value, (list, tuple)) and len(index) < 3:
        for position, item in enumerate(value):
            _check_leaves(field, item, (*index, position), error)
    elif isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise error(f"{field}{indexed(index)} = {shown(value)}; expected a number")
