"""Must not be imported by a core that is too old for it."""

raise AssertionError("imported, though it needs another orchestra-core")
