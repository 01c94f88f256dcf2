"""Failure rate, variance and plateau rules for Orchestra's grid."""
