"""How work is spread: `units` (cut work into pieces and check what comes back) and `budget`."""
