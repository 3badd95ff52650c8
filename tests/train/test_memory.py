"""Freed memory stays with the process."""

import platform
import resource

import pytest
import torch

from tinytrain.train.memory import keep_freed_memory


def test_another_c_library_is_not_asked(monkeypatch):
    for name in "", "musl":
        monkeypatch.setattr(platform, "libc_ver", lambda name=name: (name, ""))
        assert not keep_freed_memory()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is another one")
def test_freed_memory_is_kept():
    """Blocks of nearly 32 MiB, the largest that glibc keeps: their pages are asked for once."""
    assert keep_freed_memory()
    before, count = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, 8_300_000
    for _ in range(10):
        torch.ones(count)
    faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
    assert faults < 5 * 4 * count / resource.getpagesize()
