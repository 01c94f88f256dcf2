"""How work is spread: `units` (cut and check), `budget` (limit), `load` (send when it is due)."""
