"""COCO's run lengths: pixels down the columns, in turns off and on, off first.

As text, each length is written in groups of five bits, lowest first, as characters from "0" on: bit
5 says that another group follows, bit 4 of the last group is the sign. From the fourth on, lengths
are written as differences from the one before the last (`rleToString` of cocoapi).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool

from foregaze.types import Size


def decode_counts(text: str) -> list[int]:
    """Run lengths from COCO's text.

    Raises:
        ValueError: If a character does not belong there, or the text ends within a number.
    """
    counts: list[int] = []
    number = shift = 0
    for character in text:
        group = ord(character) - 48
        if not 0 <= group < 64:
            raise ValueError(f"{character!r} is no character of theirs")
        number |= (group & 31) << shift
        shift += 5
        if group & 32:
            continue
        if group & 16:
            number -= 1 << shift
        counts.append(number + counts[-2] if len(counts) > 2 else number)
        number = shift = 0
    if shift:
        raise ValueError("they end within a number")
    return counts


def decode_runs(counts: Sequence[int], size: Size) -> Bool[np.ndarray, "H W"]:
    """Which pixels are on.

    Raises:
        ValueError: If lengths are negative, or do not add up to the pixels of that (H, W).
    """
    height, width = size
    if any(count < 0 for count in counts) or sum(counts) != height * width:
        raise ValueError(
            f"they add up to {sum(counts)}, expected lengths from 0 that add up to {height * width}"
        )
    on = np.arange(len(counts)) % 2 == 1
    columns = np.repeat(on, np.asarray(counts, dtype=np.int64)).reshape(width, height)
    return np.ascontiguousarray(columns.T)
