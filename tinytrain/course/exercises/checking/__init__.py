"""How an exercise is made, written into the learner's folder and checked.

`exercise` defines one; `template` makes the learner's file from the shipped function; `folder`
holds the learner's files; `process` runs `check` in a process of its own, which compares the
learner's function with the shipped one (`comparison`), puts it in its place (`substitution`) and
trains with it (`training`).
"""
