"""Shadow prices of a user at its shares and deadline: what a little more of each would be worth to it."""

import cython

if not cython.compiled:
    from math import exp, inf, log

    from .link import make_pair
    from .local import FREE, LEAST_SHARE, value_and_gradient

__all__ = ["shadow_prices_of"]


def shadow_prices_of(
    c: cython.const[cython.double][:, ::1],
    norm: cython.double,
    kind: cython.int,
    terms: cython.const[cython.double][:, ::1],
    shares: cython.const[cython.double][:, ::1],
    out: cython.double[:, ::1],
    first: cython.Py_ssize_t,
    last: cython.Py_ssize_t,
) -> None:
    """Write the shadow prices of the pairs from `first` to before `last`; see `pricing.shadow_prices`."""
    theta = cython.declare(cython.double[4])
    gradient = cython.declare(cython.double[4])
    with cython.nogil:
        for k in range(first, last):
            pair = make_pair(c, k, norm, kind, terms)
            for i in range(3):
                theta[i] = log(max(shares[k, i], LEAST_SHARE))
            theta[3] = log(pair.t1)
            if value_and_gradient(pair, theta, gradient, FREE, False) > -inf:
                for i in range(4):
                    out[k, i] = gradient[i] * exp(-theta[i])
