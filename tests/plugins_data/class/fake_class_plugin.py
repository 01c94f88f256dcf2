"""The entry point names a class inside a class; it is called to get the plugin."""

from orchestra_core import hookimpl


class Inner:
    """Holds the plugin."""

    class Plugin:
        """The plugin."""

        @hookimpl
        def orchestra_run_finished(self, run):
            """Nothing."""
