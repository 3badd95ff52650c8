"""How an exercise is made, written into the learner's folder and checked.

`exercise` defines one; `template` makes the learner's file from the shipped function; `folder`
holds the learner's files; `process` runs `check` in a process of its own, which has `compare` set
the learner's function against the shipped one, and then trains with it (`training`).
"""
