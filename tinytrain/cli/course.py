"""The command `course`: render the curriculum as one page."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tinytrain.cli.options import (
    Parser,
    add_data_dir,
    add_path,
)
from tinytrain.errors import DataError
from tinytrain.recipes import LADDER
from tinytrain.results.variations import ABLATION, FRONTIER, RECIPES
from tinytrain.store.files import make_folder, write_file

if TYPE_CHECKING:
    from tinytrain.course import live
    from tinytrain.data import Dataset

HELP = """\
Render one self-contained HTML page from the records: every rung with target, result, analysis,
code, layers and curves, the final net at work, and a net to draw for, to look into and to train in
the page: the final one, or that of a run. Trains nothing itself.
"""


def add_flags(parser: Parser) -> None:
    """The flags of `course`."""
    add_path(parser, "--run-dir", "the folder of the run whose net comes to life in the page")
    add_path(parser, "--output", "the page", "runs/course.html")
    add_path(parser, "--readme", "a README whose tables and pictures to renew")
    add_data_dir(parser)


def run(options: argparse.Namespace) -> None:
    """Render the course's page; with --readme, the README's tables and pictures, too."""
    from tinytrain.cli.resolve import net_and_data
    from tinytrain.course import ladder as ladders
    from tinytrain.course import page, readme
    from tinytrain.plots.net_pictures import net_pictures

    groups = map(ladders.rungs, (LADDER, ABLATION, ladders.BY_VIEW, FRONTIER))
    rungs, ablations, views, frontier = groups
    text = options.readme and readme.with_tables(options.readme, rungs, ablations, views, frontier)
    shown = live_net(options)
    options.run_dir = None
    try:
        net, dataset, recipe = net_and_data(options)
        drawings = net_pictures(net, dataset, recipe)
        drawn = [draw() for name, draw in drawings.items() if name != "maps"]  # live on the page
    except DataError as error:
        print(f"tinytrain: the final net is not shown at work: {error}", file=sys.stderr)
        drawn = []
    make_folder(options.output.parent)
    write_file(options.output, page.as_html(rungs, ablations, views, frontier, drawn, shown))
    print(f"The course is in {options.output}")
    if options.readme:
        write_file(options.readme, text)
        folder = options.readme.parent / "examples"
        pictures = readme.pictures(rungs)
        if drawn:
            pictures["digits.svg"] = readme.digits_at_work(drawings["overview"]()[1])
        for name, picture in pictures.items():
            write_file(folder / name, picture)
        print(f"Rendered into {options.readme} and {folder}")


def live_net(options: argparse.Namespace) -> live.Live:
    """The net of --run-dir, or the final one, for the page, with digits where they are at hand."""
    from tinytrain.cli.resolve import net_and_data, net_text, trained
    from tinytrain.course import live
    from tinytrain.results import published

    dataset: Dataset | None = None
    try:
        net, dataset, recipe = net_and_data(options)
        mean, std = dataset.mean, dataset.std
    except DataError:
        if options.run_dir is None:
            net, recipe, (mean, std) = published.final_net(), RECIPES["final"], published.MEAN_STD
        else:
            settings, net = trained(options.run_dir)
            recipe, mean, std = settings.recipe, settings.mean, settings.std
    return live.live(net_text(options.run_dir, net, recipe), net, recipe, mean, std, dataset)
