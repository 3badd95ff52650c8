"""The command line: what can be asked, and what each command does.

`parser` has the commands (`questions` those that train nothing), `flags` what several of them
share (those of a recipe, such as `--rotation`, are the fields of `recipes.Recipe`), `words` turns
words into values and `recipe_files` a file into a recipe, all without torch. `inputs` gets what
flags name: device, recipe, data, a run's net. `train`, `seeds` (with `folds` and `ladder`),
`recipe`, `runs` (with `compare`), `predict` (with `pictures` and `mnist_form`), `export`, `look`
and `convert` (data; what is converted is read by `readers` and `images`), `exercise`, `doctor`
(with `at_hand` and `self_test`) and `commands` (all others) do the work.
"""

from tinytrain.cli.exit import exit_status
from tinytrain.cli.parser import main
from tinytrain.cli.words import Parser, natural, positive

__all__ = ["Parser", "exit_status", "main", "natural", "positive"]
