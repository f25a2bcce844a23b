"""The file of a certificate: a zip of plain arrays (``.npz``), read without trust and without pickling.

The tree is stored in preorder, so there are no references that could be wrong: after a split comes its first child
with all that is below it, then the second. Claims and masks of servers are taken in the order in which they are met.
"""

from __future__ import annotations

import hashlib
import math
import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from formulations.objective import ObjectiveKind, Sense

from ..objectives import SCR, sense_of
from .archive import read_arrays, write_arrays
from .nodes import LEAF, ByDeadline, ByOffload, ByServers, CertificateError, Empty, Late, LeafClaim, Node
from .tangent_points import tangent_of_r

__all__ = ["OBJECTIVES", "Certificate"]

FORMAT, VERSION = "dashf-certificate", 3

#: The first version of arrays that were not there from the start, and the last one of those that are no longer.
SINCE = {
    "leaf_touch": 2,
    **dict.fromkeys(("objective", "sense", "bound", "infeasible", "claim_row_price", "leaf_early"), 3),
}
UNTIL = {"upper_bound": 2}

#: Kinds of objectives that certificates are of.
OBJECTIVES = (SCR, str(ObjectiveKind.UTILITY), str(ObjectiveKind.COST))

#: Most nodes of a tree.
MOST_NODES = 2**20

#: Numbers of `node_kind`.
BY_DEADLINE, BY_SERVERS, BY_OFFLOAD, CLAIM, LATE, EMPTY = range(6)

#: Every array: dtype and shape. K nodes, R splits by servers, C claims, Q rows of the scenario, L leaves, N users, M
#: servers.
ARRAYS: dict[str, tuple[str, str]] = {
    "format": ("<U17", ""),
    "version": ("<i8", ""),
    "scenario_sha256": ("<U64", ""),
    "objective": ("<U7", ""),
    "sense": ("<U3", ""),
    "bound": ("<f8", ""),
    "infeasible": ("|b1", ""),
    "upper_bound": ("<f8", ""),
    "time_unit": ("<f8", ""),
    "cost_unit": ("<f8", ""),
    "node_kind": ("|i1", "K"),
    "node_user": ("<i4", "K"),
    "node_value": ("<f8", "K"),
    "split_servers": ("|b1", "RM"),
    "claim_ratio": ("<f8", "C"),
    "claim_prices": ("<f8", "CM3"),
    "claim_delay_price": ("<f8", "CN"),
    "claim_leaf_count": ("<i4", "CNM"),
    "claim_row_price": ("<f8", "CQ"),
    "leaves": ("<f8", "L9"),
    "leaf_touch": ("<f8", "L"),
    "leaf_early": ("|b1", "L"),
    "digest": ("<U64", ""),
}


@dataclass(frozen=True, eq=False)
class Certificate:
    """What proves a bound on the objective of one scenario, or that it has no allocation.

    Parameters
    ----------
    scenario_sha256
        Hash of the scenario, `Scenario.sha256`.
    bound
        The stated bound on the objective, SI units: an upper one, or a lower one on a cost. Zero where it is stated
        that there is no allocation.
    time_unit, cost_unit
        s, and cost, that count as one in the tree; any positive numbers.
    root
        The tree, over all allocations.
    objective
        Kind of the objective.
    infeasible
        Whether it is stated that there is no allocation.

    Raises
    ------
    CertificateError
        If a number is out of range.
    """

    scenario_sha256: str
    bound: float
    time_unit: float
    cost_unit: float
    root: Node
    objective: str = SCR
    infeasible: bool = False

    def __post_init__(self) -> None:
        if self.objective not in OBJECTIVES:
            raise CertificateError(f"objective = {self.objective!r}; expected one of {', '.join(OBJECTIVES)}")
        object.__setattr__(self, "infeasible", bool(self.infeasible))
        signed = self.objective != SCR or self.infeasible
        for name in ("bound", "time_unit", "cost_unit"):
            value, free = float(getattr(self, name)), signed and name == "bound"
            if not (math.isfinite(value) and (free or value > 0.0)):
                raise CertificateError(f"{name} = {value!r}; expected a number{'' if free else ' > 0'}")
            object.__setattr__(self, name, value)
        if self.infeasible and self.bound != 0.0:
            raise CertificateError(f"bound = {self.bound!r}; expected 0, as no allocation is stated")

    @property
    def sense(self) -> Sense:
        """Whether the objective is to be large, so that the bound is an upper one, or small."""
        return sense_of(self.objective)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the certificate.

        Raises
        ------
        InputError
            If the place cannot be written.
        """
        write_arrays(path, sealed(self.to_arrays()))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Certificate:
        """Read a certificate.

        Raises
        ------
        InputError
            If the file cannot be read or is not a certificate, or its digest is wrong. The message names the file.
        """
        arrays = read_arrays(path, ARRAYS, optional={*SINCE, *UNTIL})
        try:
            _require_all(arrays)
            computed = digest(arrays)
            if str(arrays["digest"]) != computed:
                raise CertificateError(f"digest = {str(arrays['digest'])!r}; expected {computed!r}, of what it holds")
            return cls.from_arrays(arrays)
        except CertificateError as error:
            raise CertificateError(f"{path}: {error}") from None

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return the arrays of the file, without the digest."""
        kinds: list[tuple[int, int, float]] = []
        masks, claims = [], []
        pending = [self.root]
        while pending:
            node = pending.pop()
            if isinstance(node, ByDeadline):
                kinds.append((BY_DEADLINE, -1, node.at))
                pending += [node.above, node.below]
            elif isinstance(node, ByOffload):
                kinds.append((BY_OFFLOAD, node.user, node.at))
                pending += [node.above, node.below]
            elif isinstance(node, ByServers):
                kinds.append((BY_SERVERS, node.user, 0.0))
                masks.append(node.servers)
                pending += [node.outside, node.inside]
            elif isinstance(node, LeafClaim):
                kinds.append((CLAIM, -1, 0.0))
                claims.append(node)
            else:
                kinds.append((LATE if isinstance(node, Late) else EMPTY, -1, 0.0))
        leaves = np.concatenate([np.zeros((0, len(LEAF))), *(claim.leaves for claim in claims)])
        early = np.concatenate([np.zeros(0, np.bool_), *(claim.early for claim in claims)])
        n, m = claims[0].leaf_count.shape if claims else (0, len(masks[0]) if masks else 0)
        rows = len(claims[0].rows) if claims else 0
        return {
            "format": np.array(FORMAT, "<U17"),
            "version": np.array(VERSION, "<i8"),
            "scenario_sha256": np.array(self.scenario_sha256, "<U64"),
            "objective": np.array(self.objective, "<U7"),
            "sense": np.array(str(self.sense), "<U3"),
            "bound": np.array(self.bound),
            "infeasible": np.array(self.infeasible, "|b1"),
            "time_unit": np.array(self.time_unit),
            "cost_unit": np.array(self.cost_unit),
            "node_kind": np.array([kind for kind, _, _ in kinds], "|i1"),
            "node_user": np.array([user for _, user, _ in kinds], "<i4"),
            "node_value": np.array([value for _, _, value in kinds], "<f8"),
            "split_servers": np.array(masks, "|b1").reshape(len(masks), m),
            "claim_ratio": np.array([claim.ratio for claim in claims], "<f8"),
            "claim_prices": np.array([claim.prices for claim in claims], "<f8").reshape(len(claims), m, 3),
            "claim_delay_price": np.array([claim.delay_price for claim in claims], "<f8").reshape(len(claims), n),
            "claim_leaf_count": np.array([claim.leaf_count for claim in claims], "<i4").reshape(len(claims), n, m),
            "claim_row_price": np.array([claim.rows for claim in claims], "<f8").reshape(len(claims), rows),
            "leaves": leaves[:, :-1],
            "leaf_touch": leaves[:, -1],
            "leaf_early": early,
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> Certificate:
        """Return the certificate that arrays of the right types and shapes hold; the digest is not looked at.

        Raises
        ------
        CertificateError
            If they hold none. The message starts with the name of the array.
        """
        if arrays["format"].item() != FORMAT:
            raise CertificateError(f"format = {arrays['format'].item()!r}; expected {FORMAT!r}")
        if not 1 <= arrays["version"].item() <= VERSION:
            raise CertificateError(f"version = {arrays['version'].item()!r}; expected 1 to {VERSION}")
        _require_all(arrays)
        kinds = arrays["node_kind"]
        if len(kinds) > MOST_NODES:
            raise CertificateError(f"node_kind has {len(kinds)} entries; expected at most {MOST_NODES}")
        for key, kind in (("claim_ratio", CLAIM), ("split_servers", BY_SERVERS)):
            wanted = int(np.sum(kinds == kind))
            if len(arrays[key]) != wanted:
                raise CertificateError(
                    f"{key} has {len(arrays[key])} entries; expected {wanted}, as node_kind asks for"
                )
        found = cls(
            str(arrays["scenario_sha256"]),
            float(arrays["bound"] if "bound" in arrays else arrays["upper_bound"]),
            float(arrays["time_unit"]),
            float(arrays["cost_unit"]),
            _tree(arrays, _claims(arrays)),
            str(arrays.get("objective", SCR)),
            bool(arrays.get("infeasible", False)),
        )
        if str(arrays.get("sense", found.sense)) != found.sense:
            raise CertificateError(
                f"sense = {str(arrays['sense'])!r}; expected {str(found.sense)!r} for objective {found.objective}"
            )
        return found


def _require_all(arrays: dict[str, NDArray[Any]]) -> None:
    version = arrays["version"].item()
    if not 1 <= version <= VERSION:
        return  # which is said elsewhere
    for key in sorted({*SINCE, *UNTIL}):
        asked = SINCE.get(key, 1) <= version <= UNTIL.get(key, VERSION)
        if key not in arrays and asked:
            raise CertificateError(f"key {key!r} is missing")
        if key in arrays and not asked:
            raise CertificateError(f"key {key!r} is there; expected none in version {version}")


def sealed(arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return arrays with their digest."""
    return {**arrays, "digest": np.array(digest(arrays), "<U64")}


def digest(arrays: dict[str, NDArray[Any]]) -> str:
    """Return the SHA-256 over names, types, shapes and bytes of all arrays but ``digest``, in hexadecimal."""
    total = hashlib.sha256()
    for name in sorted(arrays.keys() - {"digest"}):
        array = arrays[name].astype(ARRAYS[name][0], order="C", copy=False)
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def _claims(arrays: dict[str, NDArray[Any]]) -> list[LeafClaim]:
    counts = arrays["claim_leaf_count"]
    if np.any(counts < 0):
        raise CertificateError("claim_leaf_count: expected numbers >= 0")
    ends = np.cumsum(counts.sum(axis=(1, 2), dtype=np.int64))
    total = int(ends[-1]) if len(ends) else 0
    if total != len(arrays["leaves"]):
        raise CertificateError(f"claim_leaf_count sums to {total}; expected {len(arrays['leaves'])}, as leaves has")
    leaves = np.column_stack([arrays["leaves"], arrays.get("leaf_touch", _touch(arrays["leaves"]))])
    early = arrays.get("leaf_early", np.zeros(total, np.bool_))
    rows = arrays.get("claim_row_price", np.zeros((len(ends), 0)))
    claims = []
    for index, end in enumerate(ends):
        ratio, prices = float(arrays["claim_ratio"][index]), arrays["claim_prices"][index]
        first = end - counts[index].sum(dtype=np.int64)
        try:
            part, rho = slice(first, end), arrays["claim_delay_price"][index]
            claims.append(LeafClaim(ratio, prices, rho, counts[index], leaves[part], rows[index], early[part]))
        except CertificateError as error:
            raise CertificateError(f"claim {index}: {error}") from None
    return claims


def _touch(leaves: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points of touch that version 1 left to the verifier, shape (L,); what is no cell is refused later."""
    ends = leaves[:, :2]
    good = np.isfinite(ends).all(axis=1) & (ends[:, 0] >= 0.0) & (ends[:, 1] > 0.0) & (ends[:, 0] <= ends[:, 1])
    return np.array([tangent_of_r(*pair) if fine else 1.0 for pair, fine in zip(ends.tolist(), good, strict=True)])


def _tree(arrays: dict[str, NDArray[Any]], claims: list[LeafClaim]) -> Node:
    """Build the tree from its end: in preorder, both children of a split are done when the split is met."""
    kinds, users, values = (arrays[name].tolist() for name in ("node_kind", "node_user", "node_value"))
    masks = arrays["split_servers"]
    left_claims, left_masks = len(claims), len(masks)
    done: list[Node] = []
    for index in range(len(kinds) - 1, -1, -1):
        kind, user, value = kinds[index], users[index], values[index]
        if not BY_DEADLINE <= kind <= EMPTY:
            raise CertificateError(f"node_kind[{index}] = {kind}; expected 0 to {EMPTY}")
        if not math.isfinite(value) or (kind not in (BY_DEADLINE, BY_OFFLOAD) and value != 0.0):
            raise CertificateError(f"node_value[{index}] = {value!r}; expected a number, 0 where there is none")
        if kind not in (BY_SERVERS, BY_OFFLOAD) and user != -1:
            raise CertificateError(f"node_user[{index}] = {user}; expected -1 for this kind of node")
        if kind <= BY_OFFLOAD and len(done) < 2:
            raise CertificateError(f"node_kind[{index}] = {kind} lacks children; expected two below a split")
        if kind == BY_DEADLINE:
            done.append(ByDeadline(value, done.pop(), done.pop()))
        elif kind == BY_OFFLOAD:
            done.append(ByOffload(user, value, done.pop(), done.pop()))
        elif kind == BY_SERVERS:
            left_masks -= 1
            done.append(ByServers(user, masks[left_masks], done.pop(), done.pop()))
        elif kind == CLAIM:
            left_claims -= 1
            done.append(claims[left_claims])
        else:
            done.append(Late() if kind == LATE else Empty())
    if len(done) != 1:
        raise CertificateError(f"node_kind makes {len(done)} trees; expected one")
    return done[0]
