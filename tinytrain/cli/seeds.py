"""The command `seeds`: train a recipe with many seeds, and say what they show together."""

from __future__ import annotations

import argparse
from pathlib import Path

from tinytrain.cli.options import Parser, add_recipe_flags, add_seeds_flags
from tinytrain.cli.recipe_files import label, plain, tested_on

HELP = """\
Train a recipe with many seeds, several processes of one thread at a time, and say what they show
together: mean, spread, and how many hold the target. The same command goes on where it was
interrupted. Leaves record.jsonl beside the runs; `runs compare FOLDER FOLDER` compares two.
"""
SHARED_RUNS = """\
under torchrun every worker takes the next run; what a lost one left is shared_queue by another:

  torchrun --standalone --nproc-per-node 4 --max-restarts 3 -m tinytrain {0}

The same on more machines that share the folder of runs: each takes what nobody is at or has done,
may be ended and started again at any time, and ends with the same record, as from one machine. As
one job (--nnodes 2 --rdzv-backend c10d --rdzv-endpoint HOST:29400) they also share a counter, and
end with HOST; set TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1, or none that was lost can come back.
"""


def add_flags(parser: Parser) -> None:
    """Add the flags of `seeds`."""
    parser.epilog = SHARED_RUNS.format("seeds --seeds 1-40")
    add_recipe_flags(parser)
    add_seeds_flags(parser, "1-5", "runs/seeds-DATASET/RECIPE-OVERRIDDEN")


def run(options: argparse.Namespace) -> None:
    """Train a recipe with many seeds, print what they show, and keep it as a record."""
    from tinytrain.cli.job_queue import shared_queue
    from tinytrain.cli.resolve import chosen_recipe
    from tinytrain.cli.series import Series, train_series, words_of

    with shared_queue() as queue:
        recipe = chosen_recipe(options)
        name = label(options.recipe, recipe) + tested_on(options.holdout, options.fold)
        folder = options.run_dir or Path("runs") / f"seeds-{plain(options.dataset)}" / name
        words = words_of(options.recipe, options)
        train_series(options, [Series(folder, recipe, words, ["seeds", *words])], queue)
