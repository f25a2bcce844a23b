"""Base class of methods: a frozen dataclass whose fields are its options, with one way to be run.

A method implements `search` alone. `Method.solve` owns what all share: the clock, the incumbent, the
trace, interruption, and the result that the independent evaluator signs.
"""

from __future__ import annotations

import dataclasses
import typing
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from formulations import InputError, Scenario
from formulations.arrays import shown
from formulations.constraints import require_support
from formulations.reach import unreachable
from formulations.registry import Registry

from ..backends import BackendError, ExactBackend
from ..result import Result
from ..result_data import RESTRICTION
from .run import Limits, Observer, Run

__all__ = ["Method", "OptionError", "configure", "describe_options", "methods", "option", "run_method"]


class OptionError(InputError):
    """A method option that is unknown or has a value that it cannot have."""


def option(
    default: Any,
    help: str,
    *,
    choices: Iterable[str] | Callable[[], Iterable[str]] | None = None,
    at_least: float | None = None,
    above: float | None = None,
) -> Any:
    """Declare an option of a method: a dataclass field with its help and its range.

    Parameters
    ----------
    default
        Its default; its type is the annotation's.
    help
        One line for listings.
    choices
        Allowed texts, or a function that returns them (called when a value is checked).
    at_least, above
        Bounds of a number.
    """
    return dataclasses.field(
        default=default, metadata={"help": help, "choices": choices, "at_least": at_least, "above": above}
    )


@dataclass(frozen=True)
class Method(ABC):
    """Base of all methods.

    Subclasses are frozen dataclasses; they set `name` and `summary` and implement `search`.

    Raises
    ------
    OptionError
        On construction, if an option has a value that it cannot have.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    #: Whether the method proves upper bounds on the SCR; only then may its results carry one.
    proves_bounds: ClassVar[bool] = False
    #: What its results name as the source of a bound, where that is always the same.
    bound_source: ClassVar[str] = ""
    #: Its place among the methods that prove bounds where one is advised; the least comes first.
    advised: ClassVar[int] = 100
    #: Options with which it takes a scenario that it would refuse, by bounding the scenario without some limits.
    relaxing: ClassVar[Mapping[str, Any]] = {}
    #: Options that swap a part for a better one, by what a study calls that; none where that says nothing.
    swaps: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    #: Whether a changed model can be handed to the method as it is.
    solves_models: ClassVar[bool] = False
    #: Whether the method can write a certificate of its bound.
    writes_certificates: ClassVar[bool] = False
    #: Extra constraints of a scenario that the method honours, as kinds or as the parts of which it states any row
    #: (see `formulations.constraints`); it refuses scenarios with others.
    supports: ClassVar[frozenset[str]] = frozenset()
    #: What the method demands of an allocation beyond the scenario, in a few words ("at most 2 users per server"). Its
    #: problem is stricter than the scenario's: gaps say so, and whatever it proves is no bound of the scenario.
    restricts: ClassVar[str] = ""

    def __post_init__(self) -> None:
        for item in dataclasses.fields(self):
            _check_option(self.name, item, getattr(self, item.name))

    @classmethod  # noqa: B027
    def prepare(cls) -> None:
        """Load what every run needs, however long that takes; studies do it before a clock starts."""

    @abstractmethod
    def search(self, run: Run) -> str:
        """Look for allocations, tell `run` of each, and return a line on how it ended."""

    def readings(self) -> dict[str, str]:
        """Return the readings of the paper that this method makes."""
        return {}

    def honours(self) -> frozenset[str]:
        """Return the extra constraints that the method honours with these options, as `supports` does."""
        return self.supports

    def proves_nothing(self) -> str:
        """Return the options with which a method that proves bounds proves none, or an empty text."""
        return ""

    def restriction(self) -> str:
        """Return what `restricts` says, with these options."""
        return self.restricts

    def bounded(self, scenario: Scenario) -> Scenario:
        """Return the problem that the method's bounds are of: the scenario, or a relaxation of it."""
        return scenario

    def refusal(self, scenario: Scenario) -> str:
        """Return why the method cannot take a scenario with these options, or an empty text."""
        try:
            require_support(f"method {self.name}", self.honours(), scenario.demands)
        except InputError as error:
            return str(error)
        return ""

    def global_solvers(self) -> list[ExactBackend]:
        """Return the solvers that a method with `solves_models` hands a model to, the preferred one first.

        Raises
        ------
        BackendError
            If none works here.
        """
        return []

    def solver_memory(self) -> int | None:
        """Return how many bytes a solver of a model may take, None for no limit."""
        return None

    def missing(self) -> str:
        """Return what the method needs with these options and is not there, or an empty text."""
        return ""

    def all_readings(self, scenario: Scenario) -> dict[str, str]:
        """Return every reading in force: the scenario's, those of the problem, and the method's."""
        ratio = "one a user" if scenario.objective.kind.by_user else "single"
        fixed = {"ratio": ratio, "energy count": "once per user"}
        restriction = {RESTRICTION: self.restriction()} if self.restriction() else {}
        return {**(scenario.readings or {}), **fixed, **self.readings(), **restriction}

    def solve(self, scenario: Scenario, limits: Limits | None = None, observer: Observer | None = None) -> Result:
        """Run the method.

        Parameters
        ----------
        scenario
            The problem.
        limits
            Time limit, gap, threads.
        observer
            Called with every trace entry as it is made.

        Raises
        ------
        InputError
            If a certificate is asked for that the method cannot write, or the scenario has extra constraints that it
            does not honour.
        BackendError
            If a backend is missing or fails before any allocation was found.
        """
        limits = limits or Limits()
        if limits.certificate is not None and not self.writes_certificates:
            able = ", ".join(name for name, method in methods.items() if method.writes_certificates)
            raise InputError(f"method {self.name} writes no certificate; expected {able}")
        refusal = self.refusal(scenario)
        if refusal:
            raise InputError(refusal)
        run = Run(scenario, limits, observer, self._no_bounds())
        impossible = unreachable(scenario)
        return run.conclude(
            lambda: run.conclude_infeasible(impossible) if impossible else self.search(run),
            method=self.name,
            options=dataclasses.asdict(self),
            readings=self.all_readings(scenario),
        )

    def _no_bounds(self) -> str:
        """Return why what the method calls a bound is none of the scenario, or an empty text."""
        if self.restriction():
            return f"method {self.name} solves a stricter problem, {self.restriction()}"
        if self.proves_nothing():
            return f"method {self.name} with {self.proves_nothing()} proves nothing"
        return "" if self.proves_bounds else f"method {self.name} does not say that it proves bounds"


def _wrong_with(method: Any) -> str:
    if not (isinstance(method, type) and issubclass(method, Method)):
        return "expected a subclass of Method"
    for name in ("name", "summary"):
        if not isinstance(getattr(method, name, None), str):
            return f"it has no {name}"
    missing = ", ".join(sorted(getattr(method, "__abstractmethods__", ())))
    if missing:
        return f"it does not implement {missing}"
    if method.restricts and method.proves_bounds:
        return "it restricts the problem, so it proves no bound of a scenario; expected proves_bounds = False"
    return ""


def run_method(
    method: Method, scenario: Scenario, limits: Limits | None = None, observer: Observer | None = None
) -> Result:
    """Run a method, and see that what it returns is about the scenario it was given.

    Raises
    ------
    InputError, BackendError
        As `Method.solve`; also if the result is about another scenario.
    """
    result = method.solve(scenario, limits, observer)
    if not result.matches(scenario):
        raise BackendError(
            f"method {method.name} returned a result on scenario {result.scenario_sha256[:16]}...; expected one on "
            f"{scenario.sha256[:16]}..., which it was given"
        )
    return result


#: Every method by name.
methods: Registry[type[Method]] = Registry(
    "method",
    packages=("dashf_pyomo.algorithms",),
    group="dashf_pyomo.methods",
    name_of=lambda method: method.name,
    wrong_with=_wrong_with,
)


def configure(name: str, options: Mapping[str, Any]) -> Method:
    """Return a method by name with options set; texts are read as the option's type.

    Raises
    ------
    UnknownNameError
        If there is no such method.
    OptionError
        If an option is unknown or has a value that it cannot have.
    """
    method = methods[name]
    known = {item.name: item for item in dataclasses.fields(method)}
    hints = typing.get_type_hints(method)
    values: dict[str, Any] = {}
    for key, value in options.items():
        if key not in known:
            expected = f"one of {', '.join(known)}" if known else "none, it has no options"
            raise OptionError(f"method {name}: unknown option {key!r}; expected {expected}")
        values[key] = _read_text(name, key, value, hints[key]) if isinstance(value, str) else value
    return method(**values)


def describe_options(method: type[Method]) -> list[dict[str, Any]]:
    """Return option, default, choices and help of every option of a method, for listings."""
    return [
        {
            "option": item.name,
            "default": item.default,
            "choices": None if item.metadata.get("choices") is None else list(_choices(item)),
            "help": item.metadata.get("help", ""),
        }
        for item in dataclasses.fields(method)
    ]


def _read_text(method: str, key: str, text: str, kind: Any) -> Any:
    if kind is str:
        return text
    if kind is bool:
        if text.lower() in ("true", "yes", "1", "false", "no", "0"):
            return text.lower() in ("true", "yes", "1")
        raise OptionError(f"method {method}: {key} = {shown(text)}; expected true or false")
    try:
        return kind(text)
    except ValueError:
        expected = "a whole number" if kind is int else "a number"
        raise OptionError(f"method {method}: {key} = {shown(text)}; expected {expected}") from None


def _choices(item: dataclasses.Field[Any]) -> Iterable[str]:
    choices = item.metadata["choices"]
    return choices() if callable(choices) else choices


def _check_option(method: str, item: dataclasses.Field[Any], value: Any) -> None:
    where = f"method {method}: {item.name} = {shown(value)}"
    if item.metadata.get("choices") is not None:
        allowed = tuple(_choices(item))
        if not isinstance(value, str) or value not in allowed:
            raise OptionError(f"{where}; expected one of {', '.join(allowed)}")
        return
    if isinstance(item.default, bool):
        if not isinstance(value, bool):
            raise OptionError(f"{where}; expected true or false")
        return
    if isinstance(item.default, str) and not isinstance(value, str):
        raise OptionError(f"{where}; expected text")
    if isinstance(item.default, (int, float)):
        whole = isinstance(item.default, int)
        number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
        if not number or not abs(value) < 1e300:
            raise OptionError(f"{where}; expected a {'whole' if whole else 'finite'} number")
        at_least, above = item.metadata.get("at_least"), item.metadata.get("above")
        if at_least is not None and value < at_least:
            raise OptionError(f"{where}; expected at least {at_least}")
        if above is not None and value <= above:
            raise OptionError(f"{where}; expected more than {above}")
