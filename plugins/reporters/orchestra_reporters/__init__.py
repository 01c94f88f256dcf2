"""Winners, Pareto and A/B artifacts for Orchestra."""
