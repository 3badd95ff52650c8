"""Make examples/final_net.ipynb from examples/final_net.py, and run it: 15 epochs.

    pip install -e ".[notebook,plots]"
    python examples/make_notebook.py

The notebook's cells are the functions of the example, word for word. Its last cells are its own:
where the example reads flags, they set seed and epochs, train, and draw the accuracy.
"""

import ast
import inspect
import sys
from pathlib import Path

import final_net
import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

PATH = Path(__file__).with_name("final_net.ipynb")
COMMAND_LINE_IMPORTS = ("argparse", "sys", "tinytrain.errors")
FUNCTIONS = ("build_net", "train_and_test")  # the recipe; the others read flags
INTRODUCTION = """\
# {title}

Everything that decides the result stands below, in the order in which it happens: these are the
functions of `examples/final_net.py`.

tinytrain has to be installed where this runs; on a hosted machine, in a cell before this one:
`%pip install` and the address of the repository. With or without a GPU it trains on the CPU, some
twenty seconds an epoch on one core, less on more; without a network, put MNIST's four files into
`~/.cache/tinytrain/mnist`."""
CHOICE = """\
seed, epochs = 1, 15
dataset = data.load("mnist")"""
TRAINING = """\
accuracies = []
for _, score in train_and_test(dataset, seed, epochs):
    accuracies.append(score.accuracy)

parameters = sum(parameter.numel() for parameter in build_net(seed).parameters())
print(train.target.verdict(accuracies, parameters).text)"""
PICTURE = """\
from matplotlib import pyplot

pyplot.plot(range(1, len(accuracies) + 1), accuracies, marker="o")
pyplot.axhline(99.4, color="grey", linestyle="--")
pyplot.xlabel("epoch")
pyplot.ylabel("test accuracy, %")
pyplot.show()"""


def notebook():
    """Return the notebook without outputs."""
    source = inspect.getsource(final_net)
    lines, tree = source.splitlines(), ast.parse(source)
    title = ast.get_docstring(tree).partition("\n")[0].rstrip(".")
    imports = [
        ast.get_source_segment(source, node)
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom) and not is_for_command_line(node)
    ]
    functions = [
        "\n".join(lines[node.lineno - 1 : node.end_lineno])
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name in FUNCTIONS
    ]
    cells = [new_markdown_cell(INTRODUCTION.format(title=title))]
    codes = ["\n\n".join(imports), *functions, CHOICE, TRAINING, PICTURE]
    cells += [new_code_cell(code) for code in codes]
    for number, cell in enumerate(cells):
        cell.id = f"cell-{number}"  # the same every time
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=cells, metadata={"kernelspec": kernel})


def is_for_command_line(node):
    """Whether only the example's command line needs this import."""
    modules = [node.module] if isinstance(node, ast.ImportFrom) else [n.name for n in node.names]
    return any(module in COMMAND_LINE_IMPORTS for module in modules)


def run(made):
    """Run all cells and keep their outputs in the notebook."""
    NotebookClient(made, timeout=None, kernel_name="python3").execute()
    for cell in made.cells:
        cell.metadata.pop("execution", None)  # the time of day
    made.metadata.pop("language_info", None)
    return made


def main():
    made = run(notebook())
    nbformat.validate(made)
    PATH.write_text(nbformat.writes(made) + "\n")
    print(f"The notebook is {PATH}")


if __name__ == "__main__":
    sys.exit(main())
