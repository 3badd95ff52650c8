"""Run a check in a process of its own, with a limit on its time.

A learner's file may print without end, never return, end its process or start others. The process
leads a process group, which is killed as a whole when the check is over.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tinytrain.course.exercises.checking.folder import UNWRITTEN, read
from tinytrain.course.exercises.checking.report import Report
from tinytrain.errors import UsageError

IMPORTS = 60.0  # seconds that the process may take before it counts those of its limit
MODULE = "tinytrain.course.exercises.checking.check"


def check(name: str, path: Path, limit: float) -> Report:
    """Check a learner's file.

    The report says `checked=False` and why, where the file cannot be read or run, ends the check
    itself, or takes longer than `limit` seconds.
    """
    try:
        # Importing torch takes seconds; this answer does not need it.
        if UNWRITTEN.encode() in map(bytes.strip, read(path).splitlines()):
            reason = f"the body is still to be written, in place of `{UNWRITTEN}`"
            return Report(name, reason=reason)
    except UsageError as error:
        return Report(name, checked=False, reason=str(error))
    words = [sys.executable, "-X", "utf8", "-m", MODULE, name, str(path), str(limit)]
    none = subprocess.DEVNULL
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as notes:
        process = subprocess.Popen(
            words, stdin=none, stdout=notes, stderr=none, start_new_session=True
        )
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(IMPORTS + limit)
        finally:
            status = process.poll()
            kill_group(process)
        notes.seek(0)
        lines = notes.readlines()
    noted: dict[str, Any] = {"step": "the start", "printed": ""}
    for line in [json.loads(line) for line in lines if line.startswith("{")]:
        noted |= line | {"printed": noted["printed"] + line.get("printed", "")}
    if "report" in noted:
        return replace(Report(**noted["report"]), printed=noted["printed"])
    reason = f"ended the check itself (status {status}) in"
    if status is None or any(line.startswith("Timeout") for line in lines):
        reason = f"not done after {limit:g} s, stopped in"
    reason = f"{path}: {reason} {noted['step']}"
    return Report(name, checked=False, reason=reason, printed=noted["printed"])


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all processes of its group."""
    if hasattr(os, "killpg"):  # not on Windows
        with suppress(ProcessLookupError, PermissionError):  # all have ended
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
