"""Jitted code: arrays and scalars in, arrays out. Imports nothing of palate's outside this folder.

Kernels are serial and release the GIL; `palate.parallel` runs them side by side. A jitted function calls jitted
functions of its own file only, because Numba's cache does not notice a change in another file. `simd` is the exception:
each file that uses it states the hash of `simd.py`, and a test compares the two.
"""
