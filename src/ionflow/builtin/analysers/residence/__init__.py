"""How long ions stay at the centres of the network."""
