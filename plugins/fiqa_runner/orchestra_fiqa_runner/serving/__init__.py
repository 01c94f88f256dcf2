"""`orchestra fiqa serve`: the embedded engine behind HTTP, for demonstrations and tests."""
