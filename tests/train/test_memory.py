"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

from tinytrain.train.memory import keep_freed_memory

# Four blocks of 31 MiB at a time, ten times: glibc by itself keeps two of that size.
PROGRAM = """
import resource, torch
from tinytrain.train.memory import keep_freed_memory
assert keep_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    blocks = [torch.ones(31 << 18) for _ in range(4)]
    del blocks
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print(faults * resource.getpagesize() / (31 << 20))
"""


def test_another_c_library_is_not_asked(monkeypatch):
    for name in "", "musl":
        monkeypatch.setattr(platform, "libc_ver", lambda name=name: (name, ""))
        assert not keep_freed_memory()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is another one")
def test_freed_memory_is_kept():
    """Asked for about once, not ten times; in a process whose memory no other test has divided."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert float(done.stdout) < 10, done.stderr
