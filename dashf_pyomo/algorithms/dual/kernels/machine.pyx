# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, cpow=True, infer_types=True
"""All kernels as one module of machine code: the C compiler sees through every call among them.

The sources are Python; without a compiler they run as they are, see `running`.
"""

from libc.math cimport exp, expm1, fabs, isfinite, isnan, log, log1p, sqrt

cdef extern from *:
    """
    #ifndef KERNELS_DIGEST
    #define KERNELS_DIGEST ""
    #endif
    """
    const char* KERNELS_DIGEST
    double inf "((double) INFINITY)"

#: SHA-256 of the sources that this was made from.
SOURCES = KERNELS_DIGEST.decode()

include "link.py"
include "score.py"
include "energy.py"
include "cells.py"
include "multipliers.py"
include "local.py"
include "proof.py"
include "shadow.py"
