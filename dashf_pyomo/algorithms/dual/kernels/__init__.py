"""Compiled kernels: the pricing problem of a pair, bounded with proof and solved locally.

Python calls `pricing`; `running` chooses between machine code and the same sources as Python, and starts the threads.

The other modules are Python that Cython compiles (its "pure Python mode"): annotations say what numbers and structures
are in C, `float` is a C double. `machine.pyx` includes them all in one module. So their names are distinct across
files, and what one takes from another is imported only where they run as Python (``cython.compiled`` is false).
Operations are those of IEEE 754, one by one: nothing is contracted or reordered, 1 / 0 is infinite.
"""
