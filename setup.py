"""Builds the kernels; all else about the package is said in setup.cfg."""

import os
import runpy
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

KERNELS = Path("dashf_pyomo/algorithms/dual/kernels")

machine = Extension(
    "dashf_pyomo.algorithms.dual.kernels.machine",
    [str(KERNELS / "machine.pyx")],
    define_macros=[("KERNELS_DIGEST", f'"{runpy.run_path(str(KERNELS / "sources.py"))["digest"](KERNELS)}"')],
    # Proofs count roundings: no operation is contracted with another or reordered.
    extra_compile_args=[] if os.name == "nt" else ["-O3", "-ffp-contract=off", "-fno-math-errno"],
    depends=[str(path) for path in KERNELS.glob("*.py")],
)
modules = cythonize([machine], build_dir="build")
for module in modules:
    module.optional = True  # without a compiler the kernels run as Python
setup(ext_modules=modules)
