"""Branch and bound of one pair over cells of downlink SNR and offloading.

Each cell carries the bound of `cells` at multipliers from `multipliers`; the worst cell is split until it is below the
best column found plus the tolerance, or below what the caller needs. At any time the largest bound of a leaf is
proven. Columns come from `local` and from the relaxed maximisers of open cells.
"""

import cython

if not cython.compiled:
    from math import inf, isfinite, log, log1p, sqrt

    from .cells import least_bandwidth, least_delay, make_cell
    from .energy import fulfil
    from .link import Pair, is_free_to_choose, make_pair
    from .local import FREE, LEAST_SHARE, OWN, SERVED, UPPER, carrying_shares, climb, search, value
    from .multipliers import exchange, tighten
    from .score import LOG, score_and_slope

__all__ = ["price", "prove"]

#: Entries of a row of the tree: those of `pricing.LEAF`, then phi where it may be split, and what the lines below q and
#: r and the two faces of phi can lose.
X0 = cython.declare(cython.Py_ssize_t, 0)
X1 = cython.declare(cython.Py_ssize_t, 1)
PHI0 = cython.declare(cython.Py_ssize_t, 2)
PHI1 = cython.declare(cython.Py_ssize_t, 3)
M = cython.declare(cython.Py_ssize_t, 4)
TAU0 = cython.declare(cython.Py_ssize_t, 5)
TAU1 = cython.declare(cython.Py_ssize_t, 6)
BOUND = cython.declare(cython.Py_ssize_t, 7)
NU0 = cython.declare(cython.Py_ssize_t, 8)
NU1 = cython.declare(cython.Py_ssize_t, 9)
TOUCH = cython.declare(cython.Py_ssize_t, 10)
SPLIT = cython.declare(cython.Py_ssize_t, 11)
BY_SNR = cython.declare(cython.Py_ssize_t, 12)
BY_PHI = cython.declare(cython.Py_ssize_t, 13)

#: What a proof of a pair found: its bounds, the cells bounded and the leaves.
Proof = cython.struct(upper=cython.double, lower=cython.double, cells=cython.Py_ssize_t, leaves=cython.Py_ssize_t)

#: Ranges of SNR that end below this are not split: nobody who offloads anything gets it through.
LEAST_CUT = cython.declare(cython.double, 1e-30)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _bound(
    pair: Pair,
    floor: float,
    x0: float,
    x1: float,
    phi0: float,
    phi1: float,
    m: float,
    tau0: float,
    tau1: float,
    target: float,
    accuracy: float,
    near: float,
    tree: cython.double[:, ::1],
    row: cython.Py_ssize_t,
    trial: cython.p_double,
) -> cython.bint:
    """Bound a cell into a row of the tree, try its maximiser as a column, and return whether it is worth a climb."""
    cell = make_cell(pair, floor, x0, x1, phi0, phi1)
    tree[row, X0], tree[row, X1], tree[row, PHI0], tree[row, PHI1] = x0, x1, phi0, phi1
    tree[row, TOUCH] = cell.touch
    if least_delay(pair, cell) > pair.t1 * (1.0 + 1e-9):
        tree[row, M], tree[row, TAU0], tree[row, TAU1], tree[row, BOUND] = m, tau0, tau1, -inf
        tree[row, NU0], tree[row, NU1] = 0.0, 0.0
        return False
    tight = tighten(pair, cell, m, tau0, tau1, target, accuracy, 12)
    first, second, m = tight.first, tight.second, tight.m
    tree[row, M], tree[row, TAU0], tree[row, TAU1], tree[row, BOUND] = m, first.tau, second.tau, tight.bound
    tree[row, NU0], tree[row, NU1] = first.nu, second.nu
    if tight.bound <= target:
        return False
    # The mixture of both faces that meets the deadline, if both count.
    mix = 0.0 if first.value >= second.value else 1.0
    deadline = pair.t1 if m > pair.rho else max(pair.t0, 1e-9 * pair.t1)
    if abs(m - pair.rho) <= 1e-9 * m or is_free_to_choose(pair):
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
    centre = sqrt(max(x0, 1e-3 * x1)) * sqrt(x1)
    share = (centre - x0) / (x1 - x0) if x1 > x0 else 0.0
    level = log1p(centre)
    lost = m * pair.a2 / b * (1.0 / level - (cell.r0 + share * (cell.r1 - cell.r0)))
    lost += pair.E4 / pair.cd * (centre / level - (cell.q0 + share * (cell.q1 - cell.q0)))
    end = cell.r0 if x < centre else cell.r1
    lost = max(lost, m * pair.a2 / b * (1.0 / log1p(max(x, 1e-6 * x1)) - end))
    tree[row, SPLIT] = phi
    tree[row, BY_SNR] = (1.0 - phi) * lost
    if pair.need_down > 0.0:
        # What the tangent below the need of the downlink loses at the ends of the cell that the maximiser mixes, at
        # about what bandwidth and power cost.
        part = (x - x0) / (x1 - x0) if x1 > x0 else 0.0
        short = (1.0 - part) * (1.0 / log1p(max(x0, 1e-6 * x1)) - cell.r0) + part * (1.0 / log1p(x1) - cell.r1)
        price_of_both = abs(pair.lb) + first.tau + (abs(pair.lp) + first.tau) * (x / pair.cd)
        tree[row, BY_SNR] += pair.need_down * short * price_of_both
    apart = 0.25 if abs(first.value - second.value) < tight.bound - target else 0.05
    tree[row, BY_PHI] = apart * (phi1 - phi0) * abs(exchange(pair, m, first) - exchange(pair, m, second))
    power = min(1.0, x * b / pair.cd)
    if power <= 0.0:
        power = LEAST_SHARE
    psi = max(psi, LEAST_SHARE)
    b, power = carrying_shares(pair, b, power)
    b, power, psi = _repaired(pair, b, power, psi, deadline)
    trial[0], trial[1], trial[2], trial[3] = b, power, psi, deadline
    reached = value(pair, b, power, psi, deadline)
    # A small cell that stays open hides a column, whatever its maximiser is worth.
    return reached > near or (x1 < 1.3 * x0 and phi1 - phi0 < 0.1)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _repaired(pair: Pair, b: float, power: float, psi: float, deadline: float) -> tuple[float, float, float]:
    """Return shares grown a little if that meets the deadline: a relaxed maximiser may miss it by a hair."""
    growth = 1e-10
    while growth < 0.02:
        more = 1.0 + growth
        if fulfil(pair, min(1.0, b * more), min(1.0, power * more), min(1.0, psi * more), deadline).energy < inf:
            return min(1.0, b * more), min(1.0, power * more), min(1.0, psi * more)
        growth *= 10.0
    return b, power, psi


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def prove(
    pair: Pair,
    hints: cython.const[cython.double][:, :, ::1],
    k: cython.Py_ssize_t,
    tolerance: float,
    need: float,
    most: cython.Py_ssize_t,
    tree: cython.double[:, ::1],
    best: cython.p_double,
) -> Proof:
    """Branch and bound of one pair; return upper, lower, and the numbers of cells bounded and of leaves."""
    floor = least_bandwidth(pair)
    best[0], best[1], best[2], best[3] = 0.0, 0.0, 0.0, 0.0
    whole = make_cell(pair, min(floor, 1.0), 0.0, pair.cd / min(floor, 1.0) * (1.0 + 1e-9), pair.f0, pair.f1)
    if floor > 1.0 or least_delay(pair, whole) > pair.t1 * (1.0 + 1e-9):
        _only_leaf(pair, whole.x1, -inf, tree)
        return Proof(-inf, -inf, 1, 1)
    if not isfinite(whole.x1):  # nothing can be cut that has no end
        _only_leaf(pair, whole.x1, inf, tree)
        return Proof(inf, -inf, 1, 1)
    lower = search(pair, hints, k, 0.001 * tolerance, 50, best, False)
    m, tau = max(pair.rho, 1e-3 * pair.norm / pair.t1), 0.7 * pair.weight * pair.norm
    if pair.kind != LOG:
        tau = score_and_slope(pair, 1.0)[1]
    if lower > -inf:
        delay_price = fulfil(pair, best[0], best[1], best[2], best[3]).m
        m = delay_price if delay_price > 1e-9 * m else m
        tau = score_and_slope(pair, best[0] + best[1] + best[2])[1]
    accuracy = 0.2 * tolerance
    trial = cython.declare(cython.double[4])
    target = max(need, lower + tolerance)
    cells: cython.Py_ssize_t = 1
    leaves: cython.Py_ssize_t = 1
    climbs = 0
    # What a split gains is estimated for prices of the ratio; others are not trusted that far.
    other_prices: cython.bint = pair.weight <= 0.0 or pair.kind != LOG or pair.need_down > 0.0
    if _bound(pair, floor, 0.0, whole.x1, pair.f0, pair.f1, m, tau, tau, target, accuracy, lower, tree, 0, trial):
        lower = _improve(pair, trial, tolerance, lower, best)
    while cells + 2 <= most and leaves + 1 < tree.shape[0]:
        worst: cython.Py_ssize_t = 0
        for i in range(1, leaves):
            if tree[i, BOUND] > tree[worst, BOUND]:
                worst = i
        target = max(need, lower + tolerance)
        if tree[worst, BOUND] <= target:
            break
        x0, x1, phi0, phi1 = tree[worst, X0], tree[worst, X1], tree[worst, PHI0], tree[worst, PHI1]
        m, tau0, tau1, split = tree[worst, M], tree[worst, TAU0], tree[worst, TAU1], tree[worst, SPLIT]
        gap = tree[worst, BOUND] - target
        by_snr: cython.bint = min(tree[worst, BY_SNR], gap) >= min(tree[worst, BY_PHI], gap)
        length = log((x1 + 1e-3 * x1) / (x0 + 1e-3 * x1))
        if tree[worst, BY_SNR] >= gap and tree[worst, BY_PHI] >= gap:
            by_snr = length > 4.0 * (phi1 - phi0)
        elif other_prices and max(tree[worst, BY_SNR], tree[worst, BY_PHI]) < 0.05 * gap:
            by_snr = length > 0.3 * (phi1 - phi0)  # neither says where the gap comes from
        elif length > 100.0 * (phi1 - phi0) or length < 0.01 * (phi1 - phi0):
            by_snr = length > phi1 - phi0  # whatever else is estimated, no cell gets that thin
        if by_snr and (x1 - x0 <= 1e-12 * x1 or x1 <= LEAST_CUT):
            by_snr = False
        if not by_snr and phi1 - phi0 <= 1e-12:
            by_snr = True
            if x1 - x0 <= 1e-12 * x1 or x1 <= LEAST_CUT:
                break  # nothing left to split: rounding
        if by_snr:
            at = _cut_at(x0, x1, best[1] / best[0] * pair.cd if best[0] > 0.0 else 1.0)
        else:
            at = max(phi0 + 0.2 * (phi1 - phi0), min(phi1 - 0.2 * (phi1 - phi0), split))
        for child in range(2):
            a0, a1, f0, f1 = x0, x1, phi0, phi1
            if by_snr:
                a0, a1 = (x0, at) if child == 0 else (at, x1)
            else:
                f0, f1 = (phi0, at) if child == 0 else (at, phi1)
            target = max(need, lower + tolerance)
            into = worst if child == 0 else leaves
            promising = _bound(pair, floor, a0, a1, f0, f1, m, tau0, tau1, target, accuracy, lower, tree, into, trial)
            if promising and climbs < 40:
                lower = _improve(pair, trial, tolerance, lower, best)
                climbs += 1
        cells += 2
        leaves += 1
    upper: cython.double = tree[0, BOUND]
    for i in range(1, leaves):
        upper = max(upper, tree[i, BOUND])
    return Proof(upper, lower, cells, leaves)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _only_leaf(pair: Pair, x1: float, bound: float, tree: cython.double[:, ::1]) -> cython.void:
    """Write the whole pair as the only leaf."""
    for i in range(tree.shape[1]):
        tree[0, i] = 0.0
    tree[0, X1], tree[0, PHI0], tree[0, PHI1], tree[0, BOUND] = x1, pair.f0, pair.f1, bound
    tree[0, M], tree[0, TAU0], tree[0, TAU1], tree[0, TOUCH] = 1.0, 1.0, 1.0, 1.0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _cut_at(x0: float, x1: float, centre: float) -> float:
    """Return where to split a range of SNR: around the best column first, else in the geometric middle."""
    if x0 < 0.3 * centre < x1 * 0.3 and x0 < 0.5 * centre:
        return 0.6 * centre
    if x1 > 3.0 * centre and x0 < centre:
        return 1.7 * centre
    if x0 <= 0.0:
        return 0.1 * x1
    return x0 + (x1 - x0) * 0.5 if x1 < 1.01 * x0 else sqrt(x0) * sqrt(x1)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _improve(pair: Pair, trial: cython.p_double, tolerance: float, lower: float, best: cython.p_double) -> float:
    """Climb from a promising column, and along a ridge that may be near, and keep what is reached."""
    b, power, speed, deadline = trial[0], trial[1], trial[2], trial[3]
    own = fulfil(pair, b, power, speed, deadline)
    energy, phi, p, f = own.energy, own.phi, own.p, own.f
    for ridge in range(FREE, UPPER + 1):
        if (ridge == SERVED and pair.f0 >= 1.0) or (ridge == OWN and pair.f1 < 1.0):
            continue
        if ridge == UPPER and (pair.f1 >= 1.0 or pair.f1 <= pair.f0):
            continue
        if energy < inf and (
            (ridge == SERVED and phi > pair.f0 + 0.3)
            or (ridge == OWN and min(phi, p, f) < 0.7)
            or (ridge == UPPER and phi < pair.f1 - 0.3)
        ):
            continue
        found = climb(pair, b, power, speed, deadline, ridge, 0.001 * tolerance, 50)
        if found.value > lower:
            lower = found.value
            best[0], best[1], best[2], best[3] = found.b, found.power, found.speed, found.deadline
    return lower


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def _column(
    pair: Pair,
    c: cython.const[cython.double][:, ::1],
    k: cython.Py_ssize_t,
    best: cython.p_double,
    columns: cython.double[:, ::1],
) -> cython.void:
    """Write the column of the best shares and deadline, its energy without prices."""
    b, power, speed, deadline = best[0], best[1], best[2], best[3]
    reached = fulfil(pair, b, power, speed, deadline)
    phi, p, f = reached.phi, reached.p, reached.f
    energy, delay = 0.0, 0.0
    if phi > 0.0:
        rate = b * log1p(c[k, 7] * p / b)
        energy += phi * (c[k, 3] * f * f + c[k, 4] * p / rate)
        delay += phi * (c[k, 0] / f + c[k, 1] / rate)
    if phi < 1.0:
        rate = b * log1p(c[k, 8] * power / b)
        energy += (1.0 - phi) * (c[k, 5] * speed * speed + c[k, 6] * power / rate)
        delay += (1.0 - phi) * (c[k, 2] / speed + c[k, 1] / rate)
    columns[k, 0], columns[k, 1], columns[k, 2], columns[k, 3] = b, power, speed, phi
    columns[k, 4], columns[k, 5], columns[k, 6], columns[k, 7], columns[k, 8] = p, f, energy, delay, deadline


def price(
    c: cython.const[cython.double][:, ::1],
    norm: cython.double,
    kind: cython.int,
    terms: cython.const[cython.double][:, ::1],
    tolerance: cython.const[cython.double][::1],
    need: cython.const[cython.double][::1],
    hints: cython.const[cython.double][:, :, ::1],
    proves: cython.bint,
    quick: cython.bint,
    most: cython.Py_ssize_t,
    tree: cython.double[:, ::1],
    bounds: cython.double[:, ::1],
    columns: cython.double[:, ::1],
    counts: cython.Py_ssize_t[:, ::1],
    first: cython.Py_ssize_t,
    last: cython.Py_ssize_t,
) -> None:
    """Price the pairs from `first` to before `last`; see `pricing.price_pairs`.

    Bounds of a pair from above and below stand in a row of `bounds`, the numbers of cells bounded and of leaves in one
    of `counts`. `tree` is room for a proof, and holds that of the last pair in the end.
    """
    best = cython.declare(cython.double[4])
    with cython.nogil:
        for k in range(first, last):
            pair = make_pair(c, k, norm, kind, terms)
            if proves:
                proof = prove(pair, hints, k, tolerance[k], need[k], most, tree, best)
                bounds[k, 0], bounds[k, 1] = proof.upper, proof.lower
                counts[k, 0], counts[k, 1] = proof.cells, proof.leaves
            else:
                bounds[k, 0] = inf
                bounds[k, 1] = search(pair, hints, k, 0.001 * tolerance[k], 60, best, quick)
            if bounds[k, 1] > -inf:
                _column(pair, c, k, best, columns)
