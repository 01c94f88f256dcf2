"""Another distribution's plugin of the name `fake_good`."""
