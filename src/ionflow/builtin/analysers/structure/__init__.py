"""Where atoms are: distances, angles, structure factors, density."""
