"""Keep freed memory: the same activations are needed again in the next step.

Every step asks for the same few megabytes again and again. glibc hands large blocks back to the
system as soon as they are freed, and the system then hands them out anew page by page, each with
an interrupt and filled with zeros: thousands of page faults a step, a third of its time. Told to
keep what it has, the allocator reuses the same pages, still warm in the cache.
"""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h, see `man mallopt`


def keep_freed_memory() -> bool:
    """Ask the C library not to return freed blocks; False where it is not glibc.

    Blocks of up to 32 MiB (glibc takes no larger value) are then kept, up to 1 GiB in all.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(
        libc.mallopt(M_MMAP_THRESHOLD, 32 << 20) and libc.mallopt(M_TRIM_THRESHOLD, 1 << 30)
    )
