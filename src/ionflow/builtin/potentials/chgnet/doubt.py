"""Where CHGNet leaves what it was trained on: two generations of it no longer agree."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ionflow.builtin.potentials.chgnet import checkpoints
from ionflow.errors import PluginError
from ionflow.kinds import FloatArray

if TYPE_CHECKING:
    from ase import Atoms

#: Elements that MPtrj, the training set, does not have; the weights hold nothing for them.
UNTRAINED = frozenset({"Po", "At", "Rn", "Fr", "Ra"})
#: Root mean square difference of the forces of two generations, eV/Å: 0.7 at most in sound
#: liquids and glasses, 2.4 in a glass compressed to 1.4 times its density (docs/design/chgnet.md).
RMS_EV_A = 1.5
#: Difference on any one atom, eV/Å.
ATOM_EV_A = 15.0
#: Smaller differences than this share of the forces are not counted: hot stiff crystals have them.
SHARE = 0.3


def is_bundled(model: str) -> bool:
    """Whether the installed chgnet package has a checkpoint of this name."""
    try:
        checkpoints.bundled(model)
    except PluginError:
        return False
    return True


def untrained(atoms: Atoms) -> str:
    """Which elements the training set did not have; "" if it had all."""
    strangers = sorted(UNTRAINED.intersection(atoms.symbols))
    return f"CHGNet was not trained on {', '.join(strangers)}" if strangers else ""


def disagreement(own: FloatArray, other: FloatArray, names: tuple[str, str]) -> str:
    """What the forces of two generations, (atom, 3) eV/Å, say of the atoms; "" if they agree.

    The difference counts where it exceeds both an absolute bound and a share of the forces: in a
    cold glass the forces are small, in a stiff crystal they are large.
    """
    apart = np.linalg.norm(own - other, axis=1)
    force = np.maximum(np.linalg.norm(own, axis=1), np.linalg.norm(other, axis=1))
    rms, rms_force = _rms(apart), max(_rms(own), _rms(other))
    if rms > RMS_EV_A and rms > SHARE * rms_force:
        return (
            f"CHGNet {names[0]} and {names[1]} disagree: their forces differ by {rms:.2g} eV/Å "
            f"(rms), {rms / rms_force:.0%} of the force"
        )
    worst = int(np.argmax(np.where(apart > SHARE * force, apart, 0.0)))
    if apart[worst] > max(ATOM_EV_A, SHARE * force[worst]):
        return (
            f"CHGNet {names[0]} and {names[1]} disagree on atom {worst}: its forces differ by "
            f"{apart[worst]:.2g} eV/Å"
        )
    return ""


def _rms(vectors: FloatArray) -> float:
    return float(np.sqrt((vectors**2).sum() / max(1, len(vectors))))
