"""Branch and bound of one pair over cells of downlink SNR and offloading.

Each cell carries the bound of `cells` at multipliers from `multipliers`; the worst cell is split until it is below the
best column found plus the tolerance, or below what the caller needs. At any time the largest bound of a leaf is
proven. Columns come from `local` and from the relaxed maximisers of open cells.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from .cells import least_bandwidth, least_delay, make_cell
from .compiling import compiled, compiled_parallel
from .energy import fulfil
from .link import make_pair
from .local import FREE, LEAST_SHARE, OWN, SERVED, UPPER, climb, search
from .local import value as value_of
from .multipliers import exchange, tighten

__all__ = ["TREE_WIDTH", "price", "prove"]

#: Entries of a row of the tree: those of `pricing.LEAF`, then phi where it may be split, and what the lines below q and
#: r and the two faces of phi can lose.
TREE_WIDTH = 13

#: Ranges of SNR that end below this are not split: nobody who offloads anything gets it through.
LEAST_CUT = 1e-30


@compiled
def _bound(pair, floor, x0, x1, phi0, phi1, m, tau0, tau1, target, accuracy, near, row, best):
    """Bound a cell into a row of the tree, try its maximiser as a column, and return whether it is worth a climb."""
    cell = make_cell(pair, floor, x0, x1, phi0, phi1)
    row[0], row[1], row[2], row[3] = x0, x1, phi0, phi1
    if least_delay(pair, cell) > pair.t1 * (1.0 + 1e-9):
        row[4], row[5], row[6], row[7], row[8], row[9] = m, tau0, tau1, -math.inf, 0.0, 0.0
        return False
    tight = tighten(pair, cell, m, tau0, tau1, target, accuracy, 12)
    first, second, m = tight.first, tight.second, tight.m
    row[4], row[5], row[6], row[7], row[8], row[9] = m, first.tau, second.tau, tight.bound, first.nu, second.nu
    if tight.bound <= target:
        return False
    # The mixture of both faces that meets the deadline, if both count.
    mix = 0.0 if first.value >= second.value else 1.0
    deadline = pair.t1 if m > pair.rho else max(pair.t0, 1e-9 * pair.t1)
    if abs(m - pair.rho) <= 1e-9 * m:
        deadline = min(pair.t1, max(deadline, (second.delay if mix > 0.0 else first.delay) * (1.0 + 1e-12)))
    if (first.delay - deadline) * (second.delay - deadline) < 0.0:
        part = (first.delay - deadline) / (first.delay - second.delay)
        if abs(first.value - second.value) < 0.2 * abs(second.delay - first.delay) * m + accuracy:
            mix = part
    b = first.b + mix * (second.b - first.b)
    x = first.x + mix * (second.x - first.x)
    psi = first.psi + mix * (second.psi - first.psi)
    phi = phi0 + mix * (phi1 - phi0)
    # What the lines below q and r can lose, and what the faces can gain by choosing apart.
    centre = math.sqrt(max(x0, 1e-3 * x1)) * math.sqrt(x1)
    share = (centre - x0) / (x1 - x0) if x1 > x0 else 0.0
    level = math.log1p(centre)
    lost = m * pair.a2 / b * (1.0 / level - (cell.r0 + share * (cell.r1 - cell.r0)))
    lost += pair.E4 / pair.cd * (centre / level - (cell.q0 + share * (cell.q1 - cell.q0)))
    end = cell.r0 if x < centre else cell.r1
    lost = max(lost, m * pair.a2 / b * (1.0 / math.log1p(max(x, 1e-6 * x1)) - end))
    row[10] = phi
    row[11] = (1.0 - phi) * lost
    near_ = abs(first.value - second.value) < tight.bound - target
    row[12] = (0.25 if near_ else 0.05) * (phi1 - phi0) * abs(exchange(pair, m, first) - exchange(pair, m, second))
    power = min(1.0, x * b / pair.cd)
    if power <= 0.0:
        power = LEAST_SHARE
    psi = max(psi, LEAST_SHARE)
    b, power, psi = _repaired(pair, b, power, psi, deadline)
    best[0], best[1], best[2], best[3] = b, power, psi, deadline
    reached = value_of(pair, b, power, psi, deadline)
    # A small cell that stays open hides a column, whatever its maximiser is worth.
    return reached > near or (x1 < 1.3 * x0 and phi1 - phi0 < 0.1)


@compiled
def _repaired(pair, b, power, psi, deadline):
    """Return shares grown a little if that meets the deadline: a relaxed maximiser may miss it by a hair."""
    growth = 1e-10
    while growth < 0.02:
        grown = min(1.0, b * (1.0 + growth)), min(1.0, power * (1.0 + growth)), min(1.0, psi * (1.0 + growth))
        if fulfil(pair, grown[0], grown[1], grown[2], deadline)[0] < math.inf:
            return grown
        growth *= 10.0
    return b, power, psi


@compiled
def prove(pair, hints, tolerance, need, most, tree, best):
    """Branch and bound of one pair; return upper, lower, and the numbers of cells bounded and of leaves."""
    floor = least_bandwidth(pair)
    best[:] = 0.0
    whole = make_cell(pair, min(floor, 1.0), 0.0, pair.cd / min(floor, 1.0) * (1.0 + 1e-9), pair.f0, pair.f1)
    if floor > 1.0 or least_delay(pair, whole) > pair.t1 * (1.0 + 1e-9):
        tree[0, :] = 0.0
        tree[0, 1], tree[0, 2], tree[0, 3], tree[0, 7] = whole.x1, pair.f0, pair.f1, -math.inf
        tree[0, 4:7] = 1.0
        return -math.inf, -math.inf, 1, 1
    if not math.isfinite(whole.x1):  # nothing can be cut that has no end
        tree[0, :] = 0.0
        tree[0, 1], tree[0, 2], tree[0, 3], tree[0, 7] = whole.x1, pair.f0, pair.f1, math.inf
        tree[0, 4:7] = 1.0
        return math.inf, -math.inf, 1, 1
    lower = search(pair, hints, 0.001 * tolerance, 50, best, False)
    m, tau = max(pair.rho, 1e-3 * pair.norm / pair.t1), 0.7 * pair.norm
    if lower > -math.inf:
        price = fulfil(pair, best[0], best[1], best[2], best[3])[4]
        m = price if price > 1e-9 * m else m
        tau = pair.norm / (1.0 + pair.norm * (best[0] + best[1] + best[2]))
    accuracy = 0.2 * tolerance
    trial = np.empty(4)
    target = max(need, lower + tolerance)
    cells, leaves, climbs = 1, 1, 0
    if _bound(pair, floor, 0.0, whole.x1, pair.f0, pair.f1, m, tau, tau, target, accuracy, lower, tree[0], trial):
        lower = _improve(pair, trial, tolerance, lower, best)
    while cells + 2 <= most and leaves + 1 < tree.shape[0]:
        worst = 0
        for i in range(1, leaves):
            if tree[i, 7] > tree[worst, 7]:
                worst = i
        target = max(need, lower + tolerance)
        if tree[worst, 7] <= target:
            break
        row = tree[worst].copy()
        x0, x1, phi0, phi1 = row[0], row[1], row[2], row[3]
        gap = row[7] - target
        by_snr = min(row[11], gap) >= min(row[12], gap)
        length = math.log((x1 + 1e-3 * x1) / (x0 + 1e-3 * x1))
        if row[11] >= gap and row[12] >= gap:
            by_snr = length > 4.0 * (phi1 - phi0)
        elif length > 100.0 * (phi1 - phi0) or length < 0.01 * (phi1 - phi0):
            by_snr = length > phi1 - phi0  # whatever else is estimated, no cell gets that thin
        if by_snr and (x1 - x0 <= 1e-12 * x1 or x1 <= LEAST_CUT):
            by_snr = False
        if not by_snr and phi1 - phi0 <= 1e-12:
            by_snr = True
            if x1 - x0 <= 1e-12 * x1 or x1 <= LEAST_CUT:
                break  # nothing left to split: rounding
        if by_snr:
            at = _cut(x0, x1, best[1] / best[0] * pair.cd if best[0] > 0.0 else 1.0)
        else:
            at = max(phi0 + 0.2 * (phi1 - phi0), min(phi1 - 0.2 * (phi1 - phi0), row[10]))
        for child in range(2):
            a0, a1, f0, f1 = x0, x1, phi0, phi1
            if by_snr:
                a0, a1 = (x0, at) if child == 0 else (at, x1)
            else:
                f0, f1 = (phi0, at) if child == 0 else (at, phi1)
            target = max(need, lower + tolerance)
            into = tree[worst] if child == 0 else tree[leaves]
            promising = _bound(
                pair, floor, a0, a1, f0, f1, row[4], row[5], row[6], target, accuracy, lower, into, trial
            )
            if promising and climbs < 40:
                lower = _improve(pair, trial, tolerance, lower, best)
                climbs += 1
        cells += 2
        leaves += 1
    return tree[:leaves, 7].max(), lower, cells, leaves


@compiled
def _cut(x0, x1, centre):
    """Return where to split a range of SNR: around the best column first, else in the geometric middle."""
    if x0 < 0.3 * centre < x1 * 0.3 and x0 < 0.5 * centre:
        return 0.6 * centre
    if x1 > 3.0 * centre and x0 < centre:
        return 1.7 * centre
    if x0 <= 0.0:
        return 0.1 * x1
    return x0 + (x1 - x0) * 0.5 if x1 < 1.01 * x0 else math.sqrt(x0) * math.sqrt(x1)


@compiled
def _improve(pair, trial, tolerance, lower, best):
    """Climb from a promising column, and along a ridge that may be near, and keep what is reached."""
    b, power, speed, deadline = trial[0], trial[1], trial[2], trial[3]
    energy, phi, p, f, _ = fulfil(pair, b, power, speed, deadline)
    for ridge in (FREE, SERVED, OWN, UPPER):
        if (ridge == SERVED and pair.f0 >= 1.0) or (ridge == OWN and pair.f1 < 1.0):
            continue
        if ridge == UPPER and (pair.f1 >= 1.0 or pair.f1 <= pair.f0):
            continue
        if energy < math.inf and (
            (ridge == SERVED and phi > pair.f0 + 0.3)
            or (ridge == OWN and min(phi, p, f) < 0.7)
            or (ridge == UPPER and phi < pair.f1 - 0.3)
        ):
            continue
        found = climb(pair, b, power, speed, deadline, ridge, 0.001 * tolerance, 50)
        if found[0] > lower:
            lower = found[0]
            best[0], best[1], best[2], best[3] = found[1], found[2], found[3], found[4]
    return lower


@compiled
def _column(pair, c, best, column):
    """Write the column of the best shares and deadline, its energy without the ratio."""
    b, power, speed, deadline = best[0], best[1], best[2], best[3]
    _, phi, p, f, _ = fulfil(pair, b, power, speed, deadline)
    energy, delay = 0.0, 0.0
    if phi > 0.0:
        rate = b * math.log1p(c[7] * p / b)
        energy += phi * (c[3] * f * f + c[4] * p / rate)
        delay += phi * (c[0] / f + c[1] / rate)
    if phi < 1.0:
        rate = b * math.log1p(c[8] * power / b)
        energy += (1.0 - phi) * (c[5] * speed * speed + c[6] * power / rate)
        delay += (1.0 - phi) * (c[2] / speed + c[1] / rate)
    column[:] = np.array((b, power, speed, phi, p, f, energy, delay, deadline))


@compiled_parallel
def price(c, norm, prices, ratio, t0, t1, rho, offload, tolerance, most, need, hints):
    """Price all pairs; see `pricing.price_pairs`. With `most` = 0 nothing is proven, below 0 the search is quick."""
    count = c.shape[0]
    bounds, columns, cells = np.empty((2, count)), np.full((count, 9), np.nan), np.zeros(count, np.int64)
    for k in prange(count):
        pair = make_pair(c[k], norm, prices[k], ratio, t0, t1, rho[k], offload[k, 0], offload[k, 1])
        best = np.empty(4)
        if most > 0:
            tree = np.empty((most // 2 + 2, TREE_WIDTH))
            bounds[0, k], bounds[1, k], cells[k], _ = prove(pair, hints[k], tolerance[k], need[k], most, tree, best)
        else:
            bounds[0, k] = np.inf
            bounds[1, k] = search(pair, hints[k], 0.001 * tolerance[k], 60, best, most < 0)
        if bounds[1, k] > -np.inf:
            _column(pair, c[k], best, columns[k])
    return bounds[0], bounds[1], columns, cells
