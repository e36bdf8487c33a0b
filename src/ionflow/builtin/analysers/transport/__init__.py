"""Diffusion, conduction, and what correlates them."""
