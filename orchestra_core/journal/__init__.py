"""The record of a run: `events` (vocabulary), `log` (append-only file), `state` (the fold),
`reporting` (state → report) and `memory` (an index over runs). The journal is the only truth; the
other views can be deleted and rebuilt."""
