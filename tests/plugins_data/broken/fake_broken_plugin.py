"""Cannot be imported."""

raise ImportError("no module named 'a_missing_library'")
