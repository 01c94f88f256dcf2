"""Recompute a run offline, from its files, the dataset and the journal, and say what does not agree.

`check` is the whole of it: `journal`, `jobs`, `stages` and `files` check one kind of evidence each,
with the functions that the run itself used; `ledger` collects what they find. Nothing here writes.
"""
