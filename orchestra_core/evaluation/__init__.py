"""From observations to figures: `metrics` (ir-measures), `latency`, `jobs` (one configuration in one
stage, its figures and files)."""
