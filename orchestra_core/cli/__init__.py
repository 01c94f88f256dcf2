"""The command line: `main` (entry point and errors), `group` (lazy commands), one module a command."""
