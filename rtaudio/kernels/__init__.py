"""Compiled code: short loops over memory, knowing nothing but numpy and numba.

Everything here is compiled with explicit signatures and cached on disk, so a wrong dtype is
refused at once and nothing is compiled while audio flows.
"""
