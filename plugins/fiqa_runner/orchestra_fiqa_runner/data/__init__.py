"""The datasets that come with this plugin, and how they are fetched."""
