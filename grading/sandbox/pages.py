"""Large memory pages for the process that warm starts are forked from.

A fork copies the page tables of all that the process holds, and its end takes them down again: for the 260 MB that
torch and the rest leave in the zygote, that is most of what a fork costs. A page of 2 MB takes one entry where small
ones take 512; the first write of a child breaks the large page up for that child alone. Standard library only.
"""

import ctypes

HUGE = 2 << 20
MADV_COLLAPSE = 25  # Linux 6.1


def collapse():
    """Puts this process's own memory into large pages; how many there are now. Where Linux can't, nothing happens."""
    madvise = ctypes.CDLL(None).madvise
    with open("/proc/self/maps", encoding="utf-8") as file:
        lines = [line.split() for line in file]
    made = 0
    for span, access, _, _, _, *name in lines:
        if access != "rw-p" or name not in ([], ["[heap]"]):
            continue
        start, end = (int(number, 16) for number in span.split("-"))
        for page in range(-(-start // HUGE) * HUGE, end // HUGE * HUGE, HUGE):
            made += madvise(ctypes.c_void_p(page), ctypes.c_size_t(HUGE), MADV_COLLAPSE) == 0
    return made
