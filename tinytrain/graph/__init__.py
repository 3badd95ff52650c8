"""Training steps on a GPU as one captured graph: `Graph` computes them for `fit`.

`require_capturable` and `require_compiler` ask before whether it can. `step`: a step as a fixed
function of buffers, captured and replayed; `updates`: the optimizers' steps with every number that
changes in a tensor; `side_by_side`: several trainings on one GPU.
"""

from tinytrain.graph.side_by_side import side_by_side
from tinytrain.graph.step import Graph, require_capturable, require_compiler

__all__ = ["Graph", "require_capturable", "require_compiler", "side_by_side"]
