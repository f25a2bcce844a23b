"""The data of Problem (3): one immutable, checked object, and its JSON form.

Units are SI everywhere (Hz, W, s, J, bit, FLOP, FLOP/s); channel gains are linear.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import combinations
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .arrays import indexed, read_numbers, shaped, shown
from .attributes import ATTRIBUTES, Attribute
from .attributes import declare as declare_attribute
from .constraints import LIMITS, OUR_LIMITS, Constraints, Extra, Limit
from .constraints import declare as declare_limit
from .documents import ScenarioError, canonical, check_keys, read_document, write_document
from .objective import SCR, Aspect, Objective, service_cost
from .paper import PRESETS, READINGS, draw_fields
from .score import Score

__all__ = ["GENERATOR_ARGUMENTS", "NUMERIC_FIELDS", "PRESETS", "READINGS", "Scenario"]

Array = NDArray[np.float64]


#: Shape of every numeric field: letters are N users and M servers; "" is a single number.
_SHAPES = {
    "channel_gain": "NM",
    "noise_psd": "",
    "bandwidth_max": "M",
    "user_power_max": "N",
    "server_power_max": "M",
    "user_speed_max": "N",
    "server_speed_max": "M",
    "user_gpus": "N",
    "server_gpus": "M",
    "user_capacitance": "N",
    "server_capacitance": "M",
    "adapter_params": "N",
    "flops_per_param": "N",
    "bits_per_param": "",
    "user_epochs": "N",
    "server_epochs": "M",
    "weight_time": "",
    "weight_energy": "",
    "score_scale": "",
    "score_norm": "",
}
_MAY_BE_ZERO = {"weight_energy", "weight_time"}

#: Keys of `constraints` that version 1 does not know.
_SINCE_2 = frozenset({"user_energy", "total_energy", "users_per_server", "mean_delay"}) | {
    *("offload", "binary_offload", "rows"),
}
_POSITIONS = {"user_position": "N2", "server_position": "M2"}

#: Fields that hold numbers, and arguments of `Scenario.random` that do, for readers of text.
NUMERIC_FIELDS = (*_SHAPES, *_POSITIONS)
GENERATOR_ARGUMENTS = (
    "area",
    "min_distance",
    "path_loss_at_km",
    "path_loss_slope",
    "adapter_range",
    "token_bits_range",
)


@dataclass(frozen=True, eq=False)
class Scenario:
    """Instance of Problem (3): N mobile users, M edge servers, and all that is given.

    A scalar is accepted wherever a vector is expected and means the same value for all. Arrays are
    copied and read-only. Every number is finite and positive (one of the two weights may be zero).

    Parameters
    ----------
    channel_gain
        g_nm, shape (N, M), linear power gain between user n and server m, both directions.
    noise_psd
        sigma^2, W/Hz, spectral density of the noise.
    bandwidth_max, server_power_max, server_speed_max
        Budgets of the servers b_max (Hz), p_max^(m) (W), F_max^(m) (FLOP/s), shape (M,); (3d), (3f), (3h).
    user_power_max, user_speed_max
        Caps of the users p_max^(n) (W), F_max^(n) (FLOP/s), shape (N,); (3e), (3g).
    user_gpus, server_gpus
        g_n, g_m: GPU counts that multiply the speeds in the training times, shapes (N,), (M,).
    user_capacitance, server_capacitance
        kappa_n, kappa_m: effective switched capacitance, J s^2/FLOP^3, shapes (N,), (M,).
    adapter_params
        d_n: adapter parameters of user n, shape (N,).
    flops_per_param
        t_n: FLOP per adapter parameter and epoch, shape (N,).
    bits_per_param
        omega_b: bits that represent one parameter.
    user_epochs, server_epochs
        e_n, e_m: training epochs, shapes (N,), (M,).
    weight_time, weight_energy
        omega_t (1/s) and omega_e (1/J): weights of delay and energy in the cost.
    score_scale, score_norm
        varpi_1 and varpi_2 of the service score (1).
    user_position, server_position
        Metres, shapes (N, 2), (M, 2), or None. For pictures only: the gains are what counts.
    name, seed
        How to call the scenario, and the seed it was drawn with (None if it was not).
    readings
        How the generator read the paper, or None.
    constraints
        Extra constraints as declared data, see `Constraints.read` for what an object may hold; None for none.
    objective
        What is maximised, or its declaration, see `Objective.read`; the service-cost ratio by default.

    Raises
    ------
    ScenarioError
        If anything has the wrong type, shape or range.
    """

    channel_gain: Array
    noise_psd: float
    bandwidth_max: Array
    user_power_max: Array
    server_power_max: Array
    user_speed_max: Array
    server_speed_max: Array
    user_gpus: Array
    server_gpus: Array
    user_capacitance: Array
    server_capacitance: Array
    adapter_params: Array
    flops_per_param: Array
    bits_per_param: float
    user_epochs: Array
    server_epochs: Array
    weight_time: float
    weight_energy: float
    score_scale: float
    score_norm: float
    user_position: Array | None = None
    server_position: Array | None = None
    name: str = ""
    seed: int | None = None
    readings: Mapping[str, str] | None = None
    constraints: Constraints | None = None
    objective: Objective = SCR

    def __post_init__(self) -> None:
        gain = read_numbers("channel_gain", self.channel_gain, ScenarioError)
        if gain.ndim != 2 or 0 in gain.shape:
            raise ScenarioError(
                f"channel_gain has shape {gain.shape}; expected (N, M) with at least one user and one server"
            )
        sizes = {"N": gain.shape[0], "M": gain.shape[1], "2": 2}
        for field, letters in _SHAPES.items():
            array = shaped(field, getattr(self, field), tuple(sizes[letter] for letter in letters))
            _check_range(field, array)
            object.__setattr__(self, field, array if letters else float(array))
        for field, letters in _POSITIONS.items():
            if getattr(self, field) is not None:
                shape = tuple(sizes[letter] for letter in letters)
                array = shaped(field, getattr(self, field), shape, scalar_for_all=False)
                object.__setattr__(self, field, array)
        _check_text("name", self.name)
        seed = self.seed
        if seed is not None and (isinstance(seed, bool) or not isinstance(seed, int) or abs(seed) >= 10**300):
            raise ScenarioError(f"seed = {shown(seed)}; expected a whole number below 1e300 or null")
        if self.readings is not None:
            if not isinstance(self.readings, Mapping):
                raise ScenarioError(f"readings = {shown(self.readings)}; expected an object of texts or null")
            for key, value in self.readings.items():
                _check_text("a key of readings", key)
                _check_text(f"readings[{key!r}]", value)
            object.__setattr__(self, "readings", MappingProxyType(dict(self.readings)))
        constraints = Constraints.read(self.constraints, gain.shape[0], gain.shape[1])
        object.__setattr__(self, "constraints", constraints)
        object.__setattr__(self, "objective", Objective.read(self.objective, gain.shape[0]))
        if self.weight_time == 0.0 and self.weight_energy == 0.0:
            raise ScenarioError("weight_time = weight_energy = 0: nothing costs anything; expected one above 0")

    # -- sizes and derived data ---------------------------------------------------------------

    @property
    def n_users(self) -> int:
        """N, the number of users."""
        return int(self.channel_gain.shape[0])

    @property
    def n_servers(self) -> int:
        """M, the number of servers."""
        return int(self.channel_gain.shape[1])

    @property
    def flops(self) -> Array:
        """Work of one epoch over the whole adapter, t_n d_n, FLOP, shape (N,)."""
        with np.errstate(over="ignore"):
            return self.flops_per_param * self.adapter_params

    @property
    def bits(self) -> Array:
        """Size of the whole adapter, d_n omega_b, bit, shape (N,)."""
        with np.errstate(over="ignore"):
            return self.adapter_params * self.bits_per_param

    @property
    def score(self) -> Score:
        """The score of a user as a function of its shares."""
        return Score(self.score_scale, self.score_norm, self.objective.function)

    def cost(self, user_delay: Array, user_energy: Array) -> float:
        """Return omega_t T + omega_e E, (1), of the users' delays (s) and energies (J), counted by the objective."""
        objective = self.objective
        energy = float(np.sum(objective.cost_weights(self.n_users) * user_energy))
        return float(service_cost(objective.total_delay(user_delay), energy, self.weight_time, self.weight_energy))

    def user_costs(self, user_delay: Array, user_energy: Array) -> Array:
        """Return omega_t D_n + omega_e E_n, (1), of every user, shape (N,)."""
        return service_cost(user_delay, user_energy, self.weight_time, self.weight_energy)

    @property
    def allowed(self) -> NDArray[np.bool_]:
        """The pairs that may be used, shape (N, M)."""
        if self.constraints is None:
            return np.ones((self.n_users, self.n_servers), dtype=np.bool_)
        return self.constraints.allowed

    @property
    def offload_range(self) -> tuple[Array, Array]:
        """The least and the largest phi of every user, shape (N,) each."""
        if self.constraints is None:
            return np.zeros(self.n_users), np.ones(self.n_users)
        return self.constraints.offload[:, 0], self.constraints.offload[:, 1]

    @property
    def binary_offload(self) -> bool:
        """Whether every phi is 0 or 1."""
        return self.constraints is not None and self.constraints.binary_offload

    def nearest_offload(self, offload: Array) -> Array:
        """Return the nearest phi that may be, shape (N,); where offloading is binary, a half becomes one."""
        phi = np.clip(offload, *self.offload_range)
        return np.floor(phi + 0.5) if self.binary_offload else phi

    # -- generation ---------------------------------------------------------------------------

    @classmethod
    def random(
        cls,
        users: int = 10,
        servers: int = 2,
        seed: int = 0,
        *,
        preset: str = "default",
        readings: Mapping[str, str] | None = None,
        area: float = 1000.0,
        min_distance: float = 1.0,
        path_loss_at_km: float = 128.1,
        path_loss_slope: float = 37.6,
        adapter_range: tuple[float, float] = (1.2e6, 14e6),
        token_bits_range: tuple[float, float] = (10e6, 50e6),
        name: str | None = None,
        constraints: Mapping[str, Any] | None = None,
        objective: Mapping[str, Any] | None = None,
        **overrides: ArrayLike,
    ) -> Scenario:
        """Draw a scenario as Section V-A of the paper describes it.

        Users and servers are uniform in a square; the path loss is 128.1 + 37.6 log10(distance in km) dB
        with Rayleigh fading (exponential power) on top. Draws come from ``numpy.random.default_rng(seed)``
        in the order user positions, server positions, fading, adapter sizes, token sizes, so that an
        override never shifts another draw.

        Parameters
        ----------
        users, servers
            N and M.
        seed
            Seed of every draw.
        preset
            A named choice of readings, one of `PRESETS`.
        readings
            Single readings on top of the preset, keys and values from `READINGS`.
        area
            Side of the square, m.
        min_distance
            Distances below it count as it, m.
        path_loss_at_km, path_loss_slope
            dB at 1 km, and dB per decade of distance.
        adapter_range
            Range of d_n, uniform.
        token_bits_range
            Range of the token data, bit, uniform; the reading `tokens` turns bits into FLOP.
        name
            Name of the scenario; made from the arguments by default.
        constraints
            Extra constraints, as in a scenario file.
        objective
            What is maximised, likewise.
        **overrides
            Any numeric field of `Scenario`, replacing the default or the drawn value; positions too,
            from which the gains then follow.

        Raises
        ------
        ScenarioError
            If an argument is out of range, or a name is not known.
        """
        for field in overrides:
            if field not in NUMERIC_FIELDS:
                raise ScenarioError(f"unknown field {field!r}; expected one of {', '.join(NUMERIC_FIELDS)}")
        drawn = draw_fields(
            users,
            servers,
            seed,
            preset=preset,
            readings=readings or {},
            area=area,
            min_distance=min_distance,
            path_loss_at_km=path_loss_at_km,
            path_loss_slope=path_loss_slope,
            adapter_range=adapter_range,
            token_bits_range=token_bits_range,
            overrides=overrides,
        )
        if name is not None:
            drawn["name"] = name
        extra = Constraints.read(constraints, users, servers)
        return cls(**drawn, seed=int(seed), constraints=extra, objective=Objective.read(objective, users))

    # -- extra constraints --------------------------------------------------------------------

    @property
    def extra_kinds(self) -> frozenset[Extra]:
        """The kinds of extra constraints that it declares."""
        return frozenset() if self.constraints is None else self.constraints.kinds

    @property
    def demands(self) -> frozenset[Extra]:
        """What it demands beyond the printed problem: kinds of extra constraints, and aspects of the objective."""
        aspects = self.objective.aspects | ({str(Aspect.NO_TIME)} if self.weight_time == 0.0 else set())
        return self.extra_kinds | {Extra(aspect) for aspect in aspects}

    def without(self, kinds: Iterable[Extra]) -> Scenario:
        """Return the scenario without some kinds of extra constraints, of which any bound is one of this one too."""
        kinds = self.extra_kinds & frozenset(kinds)
        return self if self.constraints is None or not kinds else self.limited_by(self.constraints.without(kinds))

    def relaxations(self) -> Iterator[tuple[frozenset[Extra], Scenario]]:
        """Yield every relaxation that leaves kinds of extra constraints out, with these; itself first, without any."""
        kinds = sorted(self.extra_kinds)
        for size in range(len(kinds) + 1):
            for left_out in combinations(kinds, size):
                yield frozenset(left_out), self.without(left_out)

    def with_constraints(self, declared: Mapping[str, Any]) -> Scenario:
        """Return the scenario with more extra constraints, as in a scenario file.

        Raises
        ------
        ScenarioError
            If it declares one of these itself, or they cannot be.
        """
        own = {} if self.constraints is None else self.constraints.to_dict()
        for key in declared:
            if key in own:
                raise ScenarioError(f"constraints.{key} is declared by the scenario itself; expected it once")
        return self.limited_by({**own, **declared}) if declared else self

    def limited_by(self, declared: Mapping[str, Any] | None) -> Scenario:
        """Return the scenario with these extra constraints, as in a scenario file, and no others."""
        return replace(self, constraints=Constraints.read(declared, self.n_users, self.n_servers))

    def replace(self, **changes: Any) -> Scenario:
        """Return the scenario with fields changed, for instance ``replace(constraints={"delay_limit": 60})``.

        Raises
        ------
        ScenarioError
            If a field does not exist or cannot have its value.
        """
        known = [field.name for field in fields(self)]
        for name in changes:
            if name not in known:
                raise ScenarioError(f"unknown field {name!r}; expected one of {', '.join(known)}")
        return replace(self, **changes)

    # -- JSON ---------------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return the scenario as a JSON document of format ``dashf-scenario``: version 1 if that says all of it."""
        constraints = None if self.constraints is None else self.constraints.to_dict()
        objective = self.objective.to_dict()
        document: dict[str, Any] = {
            "format": "dashf-scenario",
            "version": 1 if objective is None and _SINCE_2.isdisjoint(constraints or ()) else 2,
            "name": self.name,
            "seed": self.seed,
        }
        for field in NUMERIC_FIELDS:
            value = getattr(self, field)
            document[field] = value.tolist() if isinstance(value, np.ndarray) else value
        document["readings"] = None if self.readings is None else dict(self.readings)
        document["constraints"] = constraints
        if objective is not None:
            document["objective"] = objective
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], where: str = "scenario") -> Scenario:
        """Build a scenario from a JSON document; `where` starts every error message."""
        if not isinstance(document, Mapping):
            raise ScenarioError(f"{where}: {shown(document)}; expected an object")
        values = dict(document)
        optional = {f.name for f in fields(cls)} - _SHAPES.keys() | {"format", "version"}
        check_keys(values, set(_SHAPES), optional, where)
        values.pop("format", None)
        if values.pop("version", 2) == 1 and "objective" in values:
            raise ScenarioError(f"{where}: unknown key 'objective' in version 1; expected version 2")
        try:
            return cls(**values)
        except ScenarioError as error:
            raise ScenarioError(f"{where}: {error}") from None

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Scenario:
        """Read a scenario file.

        Raises
        ------
        InputError
            If the file cannot be read or does not hold a scenario.
        """
        return cls.from_dict(read_document(path, "dashf-scenario", (1, 2)), str(path))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the scenario as JSON; reading it back gives an equal scenario, to the last bit."""
        write_document(path, self.to_dict())

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical JSON document, hexadecimal; ties results to their scenario."""
        return hashlib.sha256(canonical(self.to_dict()).encode("utf-8")).hexdigest()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restored, (self.to_dict(), self._declarations()))

    def _declarations(self) -> tuple[tuple[Attribute, Limit], ...]:
        """Return the limits of its constraints that are not ours, for a process where nobody has declared them."""
        used = {} if self.constraints is None else self.constraints.to_dict()
        limits = (LIMITS[key] for key in used if key in LIMITS and key not in OUR_LIMITS)
        return tuple((ATTRIBUTES[limit.attribute], limit) for limit in limits)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scenario) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __repr__(self) -> str:
        return f"Scenario({self.name!r}, users={self.n_users}, servers={self.n_servers})"

    def _repr_html_(self) -> str:
        from .notebook import scenario_html

        return scenario_html(self)


def _restored(document: dict[str, Any], declarations: tuple[tuple[Attribute, Limit], ...]) -> Scenario:
    for attribute, limit in declarations:
        declare_attribute(attribute)
        declare_limit(limit)
    return Scenario.from_dict(document)


def _check_text(field: str, value: Any) -> None:
    if not isinstance(value, str):
        raise ScenarioError(f"{field} = {shown(value)}; expected text")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise ScenarioError(f"{field} = {value!a}; expected text that UTF-8 can write") from None


def _check_range(field: str, array: Array) -> None:
    bad = array < 0 if field in _MAY_BE_ZERO else array <= 0
    if np.any(bad):
        index = tuple(int(i) for i in np.argwhere(bad)[0])
        bound = ">= 0" if field in _MAY_BE_ZERO else "> 0"
        raise ScenarioError(f"{field}{indexed(index)} = {float(array[index])!r}; expected a number {bound}")
