"""The command `doctor`: versions, devices and data sets of this machine, and a self-test."""

import argparse

from tinytrain.cli.options import Parser, add_data_dir, add_machine_flags

HELP = """\
Check this machine and its data; each line is ok, or FAILED with what to do

  versions   of tinytrain, torch, Python and numpy; threads of torch, devices
  data       each set that is in the data folder, read whole and compared with its digest
  self-test  twenty steps of training, against the losses that they have elsewhere
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
    from tinytrain.cli import self_test
    from tinytrain.cli.resolve import choose_device, use_threads
    from tinytrain.train import keep_freed_memory

    keep_freed_memory()
    device, threads = choose_device(options.device), use_threads(options.threads)
    failed = {}
    for topic, text, error in self_test.findings(
        data.data_root(options.data_dir), device, threads
    ):
        print(f"{'FAILED' if error else 'ok':<8} {topic:<10} {text}", flush=True)
        if error:
            failed[topic] = error
    if failed:
        gravest = max(failed.values(), key=lambda error: error.status)
        raise gravest(f"doctor: FAILED: {', '.join(failed)}; the lines above say what to do")
    print("All is well.")
