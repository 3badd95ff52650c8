"""The command `course`: render the curriculum as one page."""

import argparse
import sys

from tinytrain.cli.options import Parser, add_data_dir, add_path
from tinytrain.errors import DataError
from tinytrain.store.files import make_folder, write_file

HELP = """\
Render one self-contained HTML page from the records: every rung with target, result, analysis,
code, layers and curves, and the final net at work: to draw for, to look into and to train in the
page. Trains nothing itself.
"""


def add_flags(parser: Parser) -> None:
    """The flags of `course`."""
    add_path(parser, "--output", "the page", "runs/course.html")
    help = "the README of this repository, to renew its results and pictures"
    add_path(parser, "--readme", help)
    add_data_dir(parser)


def run(options: argparse.Namespace) -> None:
    """Render the course's page; with --readme, tables and pictures of the repository, too."""
    from tinytrain import data
    from tinytrain.course import ladder, page, readme
    from tinytrain.course.page.interactive import interactive
    from tinytrain.plots.net_pictures import Pictures
    from tinytrain.results.trained_run import load_run

    course = ladder.course()
    texts = readme.rendered(options.readme, course) if options.readme else {}
    final, dataset, drawn = load_run(), None, []
    try:
        dataset = data.load("mnist", options.data_dir)
        drawings = Pictures(final.net, dataset, final.settings.recipe).by_name
        drawn = [draw() for name, draw in drawings.items() if name != "maps"]  # live on the page
    except DataError as error:
        print(f"tinytrain: the final net is not shown at work: {error}", file=sys.stderr)
    make_folder(options.output.parent)
    write_file(options.output, page.as_html(course, drawn, interactive(final, dataset)))
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
