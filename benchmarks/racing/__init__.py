"""Races replayed on stored per-query results."""
