"""The suite that every formulation and backend must pass, ours or a third party's.

In a test file of another package::

    import pytest
    from dashf_pyomo import conformance

    @pytest.mark.parametrize("entry", conformance.matrix(formulation="association/mine"), ids=str)
    def test_conforms(entry):
        if entry.skip_reason():
            pytest.skip(entry.skip_reason())
        entry.run()
"""

from .cases import Case, known_cases
from .suite import ConformanceError, Entry, matrix, missing

__all__ = ["Case", "ConformanceError", "Entry", "known_cases", "matrix", "missing"]
