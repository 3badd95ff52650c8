"""Run a check in a process of its own, with limits on its time and on what it prints.

A learner's file may print without end, never return, end its process or start others. The process
leads a process group, which is killed as a whole when the check is over.
"""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from tinytrain.course.exercises.checking.folder import read
from tinytrain.course.exercises.checking.report import Comparison, Report
from tinytrain.errors import UsageError, no_program

LIMIT = 60.0  # seconds
LINES, WIDTH = 20, 300  # lines of what the file prints that are shown, and bytes of each
MODULE = "tinytrain.course.exercises.checking.check"
READY = b"\0ready\n"  # printed by that module after its imports, when the time begins


def check(name: str, path: Path, limit: float = LIMIT) -> Report:
    """Check a learner's file.

    What the file prints goes to standard error, its first lines. Raises UsageError where there is
    no such file or it cannot be checked, and where the check takes longer than `limit` seconds.
    """
    for function in unwritten(path, read(path)):
        return Report(name, reason=f"the body of {function} is still to be written")
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder) / "notes"
        notes.touch()
        words = [name, str(path), str(notes), str(limit)]
        process = subprocess.Popen(
            [sys.executable, "-u", "-X", "utf8", "-m", MODULE, *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        output = Output(process.stdout)
        try:
            output.ready.wait()
            process.wait(limit)
        except subprocess.TimeoutExpired:
            pass
        finally:
            status = process.poll()
            kill_group(process)
            output.finish()
        noted: dict[str, Any] = {"step": "the start"}
        for line in notes.read_text().splitlines():
            noted |= json.loads(line)
    if "error" in noted:
        raise UsageError(noted["error"])
    if "report" in noted:
        comparison = noted["report"].pop("comparison")
        return Report(**noted["report"], comparison=comparison and Comparison(**comparison))
    if status is None:
        printed = f", after {output.lines:,} printed lines" if output.lines else ""
        raise UsageError(
            f"{path}: not done after {limit:g} s, stopped in {noted['step']}{printed}"
        )
    raise UsageError(f"{path}: ended the check itself (status {status}) in {noted['step']}")


def unwritten(path: Path, source: bytes) -> Iterator[str]:
    """The functions that only raise NotImplementedError, found without running the file.

    Importing torch takes seconds; this answer does not need it. Raises UsageError for a file that
    is not a Python program.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise no_program(path, error) from error
    except (MemoryError, RecursionError):  # nested too deeply for the parser
        return
    for node in tree.body:
        inner = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
        for function in inner:
            if isinstance(function, ast.FunctionDef):
                body = function.body[ast.get_docstring(function) is not None :]
                if body and ast.unparse(body[0]).startswith("raise NotImplementedError"):
                    yield f"{prefix}{function.name}"


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and all processes of its group."""
    if hasattr(os, "killpg"):  # not on Windows
        with suppress(ProcessLookupError, PermissionError):  # all have ended
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


class Output(threading.Thread):
    """Read what a process prints; show the first lines and count the others.

    `ready` is set when the process says that it has started, or ends before.
    """

    def __init__(self, stream: IO[bytes] | None) -> None:
        super().__init__(daemon=True)
        assert stream is not None
        self.stream, self.lines, self.ready = stream, 0, threading.Event()
        self.start()

    def run(self) -> None:
        """Read until the end of the stream."""
        line_begins = True
        while part := self.stream.readline(WIDTH):
            if part == READY:
                self.ready.set()
                continue
            if line_begins:
                self.lines += 1
                if self.lines <= LINES:
                    print(part.decode(errors="replace").rstrip("\n"), file=sys.stderr, flush=True)
            line_begins = part.endswith(b"\n")
        self.ready.set()

    def finish(self) -> None:
        """Wait for the end of the stream and say how many lines were not shown."""
        self.join(1)  # not for ever: a process that left the group may keep the stream open
        if self.lines > LINES:
            print(f"... and {self.lines - LINES:,} more lines", file=sys.stderr, flush=True)
