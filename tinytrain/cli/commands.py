"""What each command of the command line does, with the parts of the engine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from tinytrain.cli import compare
from tinytrain.cli.convert import convert
from tinytrain.cli.doctor import doctor
from tinytrain.cli.exercise import exercise
from tinytrain.cli.export import export
from tinytrain.cli.inputs import choose_device, net_and_data, trained, use_threads
from tinytrain.cli.ladder import ladder
from tinytrain.cli.look import show_data, verify_data
from tinytrain.cli.predict import predict
from tinytrain.cli.recipe import recipe
from tinytrain.cli.runs import nearest, recipe_text
from tinytrain.cli.seeds import seeds
from tinytrain.cli.train import train
from tinytrain.course import ladder as ladders
from tinytrain.course import live, page, readme
from tinytrain.data import Dataset
from tinytrain.errors import DataError, UsageError
from tinytrain.nn import Module
from tinytrain.nn.inspect import parameter_count
from tinytrain.nn.receptive_field import measured_field, receptive_field
from tinytrain.plots import at_work, drawing
from tinytrain.recipes import ABLATION, FRONTIER, LADDER, RECIPES, Recipe
from tinytrain.results import published
from tinytrain.runs import net_file, run_folder
from tinytrain.store.files import make_folder, write_file
from tinytrain.train import evaluate, log


def test_again(options: argparse.Namespace) -> None:
    """Print the loss and accuracy of a run's net, or of the published one, on test images."""
    use_threads(options.threads)
    device = choose_device(options.device)
    net, dataset, recipe = net_and_data(options, device)
    test = dataset.test.to(device)
    score = evaluate(net, test, dataset.mean, dataset.std, looks=recipe.looks)
    print(f"Net: {net_text(options.run_dir, net, recipe)}")
    images = f"{len(test):,} {'held-out training' if dataset.holdout else 'test'} images"
    looks = f", {recipe.looks} looks at each" if recipe.looks > 1 else ""
    print(f"Data: {dataset.name}, {images}{looks}")
    name = "Holdout set" if dataset.holdout else "Test set"
    print(log.score_line(score, name))


def net_text(run_dir: Path | None, net: Module, recipe: Recipe) -> str:
    """Which net that is: its name and size, and the run that it comes from."""
    size = f"{recipe.net}, {parameter_count(net):,} parameters"
    if run_dir is None:
        return f"{size}, the final net that comes with tinytrain"
    seed = run_folder.read_settings(run_dir).seed
    weights = ", averaged weights" if recipe.average else ""
    return f"{size}{weights}, of {run_dir} (recipe {recipe_text(*nearest(recipe))}; seed {seed})"


def render_course(options: argparse.Namespace) -> None:
    """Render the course's page; with --readme, the README's tables and pictures, too."""
    groups = map(ladders.rungs, (LADDER, ABLATION, ladders.BY_VIEW, FRONTIER))
    rungs, ablations, views, frontier = groups
    text = options.readme and readme.with_tables(options.readme, rungs, ablations, views, frontier)
    shown = live_net(options)
    options.run_dir = None
    try:
        net, dataset, recipe = net_and_data(options)
        drawings = at_work.drawings(net, dataset, recipe)
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


def draw_at_work(options: argparse.Namespace) -> None:
    """Draw one of the pictures of a net at work."""
    if options.digit is not None and options.picture not in ("maps", "augmentation"):
        raise UsageError(f"--digit: is for maps and augmentation, not for {options.picture}")
    net, dataset, recipe = net_and_data(options)
    title, figure = at_work.drawings(net, dataset, recipe, options.digit)[options.picture]()
    output = options.output or Path("runs") / f"{options.picture}.png"
    drawing.save(figure, output)
    print(f"{title}: drawn into {output}")


def show_net(options: argparse.Namespace) -> None:
    """Print a net's table, its parameters and the receptive fields of its layers."""
    net = net_file.build(options.net)
    try:
        log.print_net(net, options.shape)
    except ValueError as error:
        advice = "say with --shape what its images are, such as 3x40x24"
        raise UsageError(f"--net {options.net}: {error}; {advice}") from error
    if options.shape[1] == options.shape[2]:
        print_fields(net, options.shape[1])
    else:
        print("\nReceptive fields are worked out for square images only.")


def print_fields(net: Module, side: int) -> None:
    """Print the receptive fields of a net's layers, for square images."""
    print("\nReceptive fields, in pixels; what the middle place sees, by formula and by gradient:")
    line = "{:<12}{:>6}{:>6}{:>7}{:>7}{:>12}{:>12}".format
    print(line("layer", "size", "jump", "start", "field", "formula", "measured"))
    image, *fields = receptive_field(net, side)
    for field in fields:
        middle = field.size // 2
        formula = field.span(middle, image.size)
        seen = measured_field(net, field.name, middle, image.size)
        spans = ("{} to {}".format(*span) for span in (formula, seen))
        shown = f"~{field.field}" if field.measured else field.field
        print(line(field.name, field.size, field.jump, f"{field.start:g}", shown, *spans))
    if any(field.measured for field in fields):
        print("~ rests on a layer that has no formula: its window was measured")


def draw_curves(options: argparse.Namespace) -> None:
    """Draw the test accuracy of runs by epoch."""
    names = [run.resolve().name for run in options.runs]
    if len(set(names)) < len(names):
        names = [str(run) for run in options.runs]
    histories = dict(zip(names, map(run_folder.read_history, options.runs), strict=True))
    drawing.save(drawing.accuracy_by_epoch(histories), options.output)
    print(f"Drawn into {options.output}")


def data_command(options: argparse.Namespace) -> None:
    """Verify a data set; show what is in it; make one of what people have, or of another."""
    words = {"info": show_data, "convert": convert}
    words.get(options.what, verify_data)(options)


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "train": train,
    "seeds": seeds,
    "ladder": ladder,
    "recipe": recipe,
    "runs": compare.runs,
    "evaluate": test_again,
    "export": export,
    "predict": predict,
    "summary": show_net,
    "data": data_command,
    "plot": draw_curves,
    "gallery": draw_at_work,
    "course": render_course,
    "exercise": exercise,
    "doctor": doctor,
}
