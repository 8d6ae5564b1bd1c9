"""Analyses: one artefact a package, its declaration and how it is made.

A package's `__init__` holds the declaration and loads no torch; `make.py` computes, `checks.py` says what must hold.
"""
