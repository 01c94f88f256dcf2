"""An example plugin for Orchestra: a search engine that counts words."""
