"""Perceptual hashes: equal, or nearly, for pictures that look the same.

Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions", the hash by
discrete cosine transform: robust against compression, scale, brightness and contrast.
"""

import cv2
import numpy as np
from jaxtyping import Int64, UInt8, UInt64

Hashes = UInt64[np.ndarray, "*batch"]

_SIDE, _LOW = 32, 8
BITS = _LOW * _LOW
_PLACES = np.uint64(1) << np.arange(BITS - 1, -1, -1, dtype=np.uint64)
# Frequencies that turn their sign where a picture is mirrored: the odd ones across.
_ODD = np.bitwise_or.reduce(_PLACES.reshape(_LOW, _LOW)[:, 1::2], axis=None)


def phash(crop: UInt8[np.ndarray, "h w 3"]) -> np.uint64:
    """The hash of one picture.

    Grey, averaged down to 32x32; of its discrete cosine transform the 8x8 lowest frequencies, row
    by row, the first in the highest bit: 1 where one is above their median.

    Args:
        crop: RGB, 32 pixels a side or more.
    """
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    low = np.asarray(cv2.dct(small.astype(np.float32)), np.float32)[:_LOW, :_LOW].ravel()
    return np.bitwise_or.reduce(_PLACES[low > np.median(low)], initial=np.uint64(0))


def mirrored(hashes: Hashes) -> Hashes:
    """About the hashes of the mirror images: exact where the median of the frequencies is 0."""
    return hashes ^ _ODD


def differing_bits(
    one: UInt64[np.ndarray, "*#batch"], other: UInt64[np.ndarray, "*#batch"]
) -> Int64[np.ndarray, "..."]:
    """In how many of 64 bits hashes differ, or their mirror images do if that is less.

    Args:
        one: of any shape.
        other: of a shape that it is broadcast with.
    """
    apart = one ^ other
    return np.minimum(np.bitwise_count(apart), np.bitwise_count(apart ^ _ODD)).astype(np.int64)
