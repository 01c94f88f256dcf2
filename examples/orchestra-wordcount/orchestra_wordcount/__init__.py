"""An example plugin for Orchestra: a search engine that counts words."""

__version__ = "0.1.0"
