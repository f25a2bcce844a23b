"""The suite that every formulation and backend must pass, ours or a third party's.

In a test file of another package::

    import pytest
    from dashf_pyomo import conformance

    @pytest.mark.parametrize("entry", conformance.matrix(formulation="association/mine"), ids=str)
    def test_conforms(entry):
        if entry.skip_reason():
            pytest.skip(entry.skip_reason())
        entry.run()

A method has `method_matrix(names=["mine"])` likewise: every objective, limit and row, with references.
"""

from .cases import Case, known_cases
from .declared import DeclaredCase, crossed_cases, declared_cases
from .declared_methods import MethodEntry, method_matrix, require_agreement
from .reference import Reference, reference_optimum
from .suite import ConformanceError, Entry, matrix, missing

__all__ = [
    "Case",
    "ConformanceError",
    "DeclaredCase",
    "Entry",
    "MethodEntry",
    "Reference",
    "crossed_cases",
    "declared_cases",
    "known_cases",
    "matrix",
    "method_matrix",
    "missing",
    "reference_optimum",
    "require_agreement",
]
