"""The command `doctor`: look for what is wrong with this machine or its data."""

from __future__ import annotations

import argparse

from tinytrain.cli.options import Parser, add_data_dir, add_machine_flags

HELP = """\
Check this machine and its data; each line is ok, a warning, or FAILED with what to do

  versions   of tinytrain, torch, Python and numpy, and whether these were tried
  threads    of torch, cores, whether something else uses them; devices
  data       each set that is in the data folder, read whole and compared with its digest
  self-test  the gradients of the layers against finite differences, and twenty steps of training
             against the losses that they have elsewhere
  speed      seconds that an epoch of `train` will take here

Nothing is fetched, drawn or written. The exit status is 0 when nothing FAILED, 3 where data are
damaged, 1 where the self-test fails. If you report a problem, include this output.
"""


def add_flags(parser: Parser) -> None:
    """Add the flags of `doctor`."""
    add_data_dir(parser)
    add_machine_flags(parser)


def run(options: argparse.Namespace) -> None:
    """Print all findings; then raise the gravest error of those that FAILED."""
    from tinytrain import data
    from tinytrain.cli.findings import all_findings
    from tinytrain.cli.resolve import choose_device, use_threads
    from tinytrain.train import keep_freed_memory

    keep_freed_memory()
    device, threads = choose_device(options.device), use_threads(options.threads)
    findings = []
    for finding in all_findings(data.data_root(options.data_dir), device, threads):
        print(finding, flush=True)
        findings.append(finding)
    failed = [finding for finding in findings if finding.mark == "FAILED"]
    if failed:
        topics = ", ".join(dict.fromkeys(finding.topic for finding in failed))
        gravest = max((finding.error for finding in failed), key=lambda error: error.status)
        raise gravest(f"doctor: FAILED: {topics}; the lines above say what to do")
    warnings = sum(finding.mark == "warning" for finding in findings)
    print("All is well." if not warnings else f"All is well but for the warnings: {warnings}.")
