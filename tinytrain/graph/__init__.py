"""Training steps on a GPU as one captured graph: `Graph` computes them for `fit`.

`require_capturable` and `require_compiler` ask before whether it can. `step`: a step as a fixed
function of buffers, captured and replayed; `updates`: the optimizers' steps with every number that
changes in a tensor.
"""

from tinytrain.graph.step import Graph, require_capturable, require_compiler

__all__ = ["Graph", "require_capturable", "require_compiler"]
