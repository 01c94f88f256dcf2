"""Readings of a report that page, pictures and tables share: points and ranks, sentences, units.

Pure functions over `report`; used by `page` and by reporters.
"""
