"""Ask the C library to keep freed memory for the next step.

Every step allocates the same few megabytes. glibc returns large blocks to the system as soon as
they are freed, and gets them back page by page, each filled with zeros: thousands of page faults a
step, a third of its time. Told to keep them, it reuses the same pages, still in the cache.
"""

import ctypes
import platform

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h, see `man mallopt`


def keep_freed_memory() -> bool:
    """Ask the C library not to return freed blocks; False where it is not glibc.

    Blocks of up to 32 MiB (glibc takes no larger value) are then kept, up to 1 GiB in all.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    limits = {M_MMAP_THRESHOLD: 32 << 20, M_TRIM_THRESHOLD: 1 << 30}
    return all(ctypes.CDLL(None).mallopt(*limit) for limit in limits.items())
