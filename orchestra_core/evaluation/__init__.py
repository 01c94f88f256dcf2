"""From observations to figures: `metrics` (ir-measures), `latency`, `jobs` (one configuration in one
stage and its figures), `job_files` (how a job lies on disk)."""
