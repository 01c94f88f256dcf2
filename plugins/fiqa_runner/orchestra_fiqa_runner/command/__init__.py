"""A script you already have as the target: `runner.backend: command`."""
