"""Compiled inner loops of the contact optimisation: one sample at a time, in parallel."""

from numba import config

config.THREADING_LAYER = "omp"  # callable from several threads, present wherever g++ is
