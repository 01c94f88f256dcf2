"""Whether a run would work, before anything is run: `orchestra diag`.

`findings` (what was found), `configuration`, `network`, `target`, `home` (what is looked at), and
`check`, which goes through all of it. Nothing is written to the home folder.
"""
