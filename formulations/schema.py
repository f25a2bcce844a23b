"""Shape and type of documents, by pydantic: an error is one line with the place, the value and what was expected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, Self, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError, WrapValidator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from .arrays import shown
from .documents import InputError

__all__ = ["Place", "Table", "conform", "expected", "refused"]

#: What was expected, by pydantic's type of error.
_EXPECTED = {
    "dict_type": "a table of keys and values",
    "finite_number": "a finite number",
    "float_type": "a finite number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "int_type": "a whole number",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number of at most {le:g}",
    "list_type": "a list",
    "model_type": "a table of keys and values",
    "json_invalid": "JSON",
    "json_type": "JSON",
    "enum": "one of {expected}",
    "string_pattern_mismatch": "a text that is not blank",
    "string_type": "a text",
    "tuple_type": "a list",
}
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Place:
    """A place in a document.

    Parameters
    ----------
    source
        Name of the file, or what stands for it.
    path
        Keys and positions from the top.
    error
        What is raised.
    """

    source: str
    path: tuple[str | int, ...] = ()
    error: type[InputError] = InputError

    def at(self, *path: str | int) -> Place:
        """Return a place inside."""
        return replace(self, path=self.path + path)

    def __str__(self) -> str:
        names = [position for position, part in enumerate(self.path) if isinstance(part, str)]
        section, key = (
            (_dotted(part) for part in (self.path[: names[-1]], self.path[names[-1] :])) if names else ("", "")
        )
        return self.source + (f": [{section}] {key}" if section else f": {key}" if key else "")

    def fail(self, said: str) -> NoReturn:
        """Raise the error with the place before what is said."""
        raise self.error(f"{self}: {said}")

    def refuse(self, value: Any, wanted: str) -> NoReturn:
        """Raise the error saying what stands there and what was expected."""
        raise self.error(f"{self} = {shown(value)}; expected {wanted}")

    def only(self, keys: Iterable[str], known: Iterable[str]) -> None:
        """Raise the error if there is any other key."""
        for key in keys:
            if key not in known:
                self.at(key).fail(f"unknown key; expected one of {', '.join(known)}")

    def once(self, values: Sequence[Any]) -> None:
        """Raise the error if a list has an entry twice."""
        for position, value in enumerate(values):
            if any(np.array_equal(value, other) for other in values[:position]):
                self.fail(f"{shown(value)} is given twice; expected each once")


class Table(BaseModel):
    """A table of a document, whose fields are its keys; others are an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @model_validator(mode="before")
    @classmethod
    def _known(cls, values: Any) -> Any:
        strict = isinstance(values, dict) and cls.model_config["extra"] == "forbid"
        for key in values if strict else ():
            if key not in cls.model_fields:
                said = f"unknown key; expected one of {', '.join(cls.model_fields)}"
                raise PydanticCustomError("unknown_key", "{said}", {"key": str(key), "said": said})
        return values

    def over(self, other: Self) -> Self:
        """Return another table with what is set here in place of its values."""
        return other.model_copy(update={key: getattr(self, key) for key in self.model_fields_set})


def refused(wanted: str) -> PydanticCustomError:
    """Return what a validator raises to say what was expected."""
    return PydanticCustomError("refused", "{wanted}", {"wanted": wanted})


def expected(wanted: str) -> WrapValidator:
    """Return a validator that says what was expected of a value as a whole, whatever is wrong inside."""

    def check(value: Any, inner: Any) -> Any:
        try:
            return inner(value)
        except ValidationError:
            raise refused(wanted) from None

    return WrapValidator(check)


def conform(model: type[_Model], values: Any, place: Place) -> _Model:
    """Return a table made of values.

    Parameters
    ----------
    model
        What it is to be.
    values
        Dictionaries, lists, texts and numbers.
    place
        Where they stand.

    Raises
    ------
    InputError
        If they are of another shape or type.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        _complain(error.errors(include_url=False)[0], place)


def _complain(error: ErrorDetails, place: Place) -> NoReturn:
    at, kind, context = place.at(*error["loc"]), error["type"], error.get("ctx", {})
    if kind == "missing":
        place.at(*error["loc"][:-1]).fail(f"key {error['loc'][-1]!r} is missing")
    if kind == "unknown_key":
        at.at(context["key"]).fail(context["said"])
    if kind == "value_error":
        at.fail(str(context["error"]))
    wanted = _EXPECTED[kind].format(**context) if kind in _EXPECTED else error["msg"].removeprefix("Input should be ")
    at.refuse(error["input"], wanted)


def _dotted(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
