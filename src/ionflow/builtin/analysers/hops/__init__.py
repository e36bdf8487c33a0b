"""Hops of ions from cage to cage, and the paths that they take."""
