"""Boolean series of many pairs as bits, 64 frames a word; words without a set bit are left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ionflow.passes import IntArray

Words = npt.NDArray[np.uint64]

WORD = 64
_ONE = np.uint64(1)
_TOP = np.uint64(WORD - 1)


@dataclass(frozen=True)
class BitSeries:
    """Sparse bits of many series of one length.

    Word w of series p holds its frames 64 w to 64 w + 63, first frame in the lowest bit.
    """

    series: IntArray
    """(word,) ascending"""
    place: IntArray
    """(word,) which word of its series, ascending within a series"""
    bits: Words
    """(word,)"""

    @cached_property
    def address(self) -> IntArray:
        """(word,) ascending; one more than the last only if it is the next word of its series."""
        return self.series * (int(self.place.max(initial=0)) + 2) + self.place

    def runs(self) -> tuple[IntArray, IntArray, IntArray]:
        """Runs of set bits: series, first frame, and the frame behind the last, each (run,)."""
        before, after = self._neighbours()
        first = self.bits & ~((self.bits << _ONE) | (before >> _TOP))
        last = self.bits & ~((self.bits >> _ONE) | (after << _TOP))
        series, start = self._frames(first)
        return series, start, self._frames(last)[1] + 1

    def ahead(self, frames: int) -> Words:
        """What each word's bits are so many frames later, (word,)."""
        words, shift = divmod(frames, WORD)
        later = self._at(words)
        if not shift:
            return later
        amount = np.uint64(shift)
        return (later >> amount) | (self._at(words + 1) << (np.uint64(WORD) - amount))

    def _neighbours(self) -> tuple[Words, Words]:
        before, after = np.zeros_like(self.bits), np.zeros_like(self.bits)
        adjacent = np.diff(self.address) == 1
        before[1:][adjacent] = self.bits[:-1][adjacent]
        after[:-1][adjacent] = self.bits[1:][adjacent]
        return before, after

    def _frames(self, bits: Words) -> tuple[IntArray, IntArray]:
        """Series and frame of every set bit, in order."""
        held = np.flatnonzero(bits)
        flat = bits[held].astype("<u8").view(np.uint8)
        word, bit = np.divmod(np.flatnonzero(np.unpackbits(flat, bitorder="little")), WORD)
        return self.series[held][word], self.place[held][word] * WORD + bit

    def _at(self, words: int) -> Words:
        """The word so many places on in the same series; 0 where there is none."""
        if not words:
            return self.bits
        address = self.address
        wanted = address + words
        # where a series has no gaps the word is that many entries on; the rest are looked up
        guess = np.minimum(np.arange(len(wanted)) + words, len(wanted) - 1)
        found = address[guess] == wanted
        missed = np.flatnonzero(~found & (wanted <= self._last))
        guess[missed] = np.minimum(np.searchsorted(address, wanted[missed]), len(wanted) - 1)
        found[missed] = address[guess[missed]] == wanted[missed]
        return np.where(found, self.bits[guess], np.uint64(0))

    @cached_property
    def _last(self) -> IntArray:
        """(word,) address of the last word of the same series"""
        ends = np.flatnonzero(np.append(np.diff(self.series) != 0, True))
        counts = np.diff(ends, prepend=-1)
        return np.repeat(self.address[ends], counts)


def packed(true: npt.NDArray[np.bool_]) -> Words:
    """Bits of (series, frame), frames beyond the end unset: (series, word)."""
    count, frames = true.shape
    whole = np.zeros((count, -(-frames // WORD) * WORD), dtype=np.bool_)
    whole[:, :frames] = true
    bytes_ = np.packbits(whole, axis=1, bitorder="little")
    return bytes_.view("<u8").astype(np.uint64)


def advanced(bits: Words, frames: int) -> Words:
    """Bits of (series, word) so many frames later; unset beyond the end."""
    words, shift = divmod(frames, WORD)
    later = np.zeros((len(bits), bits.shape[1] + 1), dtype=np.uint64)
    kept = max(0, bits.shape[1] - words)
    later[:, :kept] = bits[:, words:]
    if not shift:
        return later[:, :-1]
    amount = np.uint64(shift)
    return (later[:, :-1] >> amount) | (later[:, 1:] << (np.uint64(WORD) - amount))
