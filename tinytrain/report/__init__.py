"""Reports: what a run prints, and how it is judged; nothing of it is needed to train.

`table`: a net's layers, shapes and parameters (`summary`); `log`: the lines of a run; `target`:
the verdict; `receptive_field`: the pixels that a place of a map sees.
"""

from tinytrain.report import log, receptive_field, target
from tinytrain.report.table import summary

__all__ = ["log", "receptive_field", "summary", "target"]
