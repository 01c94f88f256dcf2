"""The plugin host: find, choose, load and call plugins.

`discovery` reads metadata without importing, `selection` decides by name what to load, `manager`
loads and registers, `calls` is the only place where hooks are called, `answers` checks what they
return, `known` names first-party distributions in hints.
"""
