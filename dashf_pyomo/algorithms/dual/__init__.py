"""The certified bound: prices of the servers and of time separate the users.

Nothing here is imported by ``import dashf_pyomo``: the kernels are compiled by numba, which takes its time, so
whoever needs them imports the modules of this package inside a function.
"""
