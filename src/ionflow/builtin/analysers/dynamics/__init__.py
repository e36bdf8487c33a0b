"""How atoms move: displacements, distributions, vibrations."""
