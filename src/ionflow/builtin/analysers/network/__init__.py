"""The network of centres and anions: bonds, tetrahedra, chains."""
