"""Compiled kernels: the pricing problem of a pair, bounded with proof and solved locally.

Whoever needs them imports the modules inside a function: they bring numba along.
"""
