"""The command `course`: render the curriculum as one page."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from tinytrain.cli.options import Parser, add_data_dir, add_path
from tinytrain.errors import DataError
from tinytrain.store.files import make_folder, write_file

if TYPE_CHECKING:
    from tinytrain.course.page.interactive import InteractiveNet
    from tinytrain.data import Dataset

HELP = """\
Render one self-contained HTML page from the records: every rung with target, result, analysis,
code, layers and curves, the final net at work, and a net to draw for, to look into and to train in
the page: the final one, or that of a run. Trains nothing itself.
"""


def add_flags(parser: Parser) -> None:
    """The flags of `course`."""
    add_path(parser, "--run-dir", "the folder of the run whose net the page shows interactively")
    add_path(parser, "--output", "the page", "runs/course.html")
    help = "the README of this repository, to renew its results and pictures"
    add_path(parser, "--readme", help)
    add_data_dir(parser)


def run(options: argparse.Namespace) -> None:
    """Render the course's page; with --readme, tables and pictures of the repository, too."""
    from tinytrain.cli.resolve import run_and_data
    from tinytrain.course import ladder, page, readme
    from tinytrain.plots.net_pictures import Pictures

    course = ladder.course()
    texts = readme.rendered(options.readme, course) if options.readme else {}
    shown = interactive_net(options)
    options.run_dir = None
    try:
        trained, dataset = run_and_data(options)
        drawings = Pictures(trained.net, dataset, trained.settings.recipe).by_name
        drawn = [draw() for name, draw in drawings.items() if name != "maps"]  # live on the page
    except DataError as error:
        print(f"tinytrain: the final net is not shown at work: {error}", file=sys.stderr)
        drawn = []
    make_folder(options.output.parent)
    write_file(options.output, page.as_html(course, drawn, shown))
    print(f"The course is in {options.output}")
    if options.readme:
        pictures = readme.pictures(course)
        if drawn:
            pictures["digits.svg"] = readme.digits_at_work(drawings["overview"]()[1])
        folder = options.readme.parent / "examples"
        texts |= {folder / name: picture for name, picture in pictures.items()}
        for path, text in texts.items():
            write_file(path, text)
        print(f"Rendered: {', '.join(map(str, texts))}")


def interactive_net(options: argparse.Namespace) -> InteractiveNet:
    """The net of --run-dir, or the final one, for the page, with digits if its data is there."""
    from tinytrain.cli.resolve import run_and_data, run_text
    from tinytrain.course.page.interactive import interactive
    from tinytrain.results.trained_run import load_run

    dataset: Dataset | None = None
    try:
        trained, dataset = run_and_data(options)
        mean, std = dataset.mean, dataset.std
    except DataError:
        trained = load_run(options.run_dir)
        mean, std = trained.settings.mean, trained.settings.std
    text = run_text(options.run_dir, trained)
    return interactive(text, trained.net, trained.settings.recipe, mean, std, dataset)
