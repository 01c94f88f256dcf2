"""One module a stage: smoke, grid, ab, select, publish; `context` is what they share.

Each is a function `run(context)` that records what it does. What one stage needs of an earlier one
it reads from the fold of the journal, so a resumed run stands where the interrupted one stood.
"""
