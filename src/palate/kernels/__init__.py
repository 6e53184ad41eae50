"""Jitted code: arrays and scalars in, arrays out. Imports nothing of palate's outside this folder.

Kernels are serial and release the GIL; `palate.parallel` runs them side by side. Jitted functions are called within one
file only, because Numba's cache does not see a change in a helper that lives in another one. `simd` is the exception:
each file that uses it names its hash, and a test holds the two together.
"""
