"""First-party distributions, for hints only: what to install for a plugin that is not here.

Nothing is chosen, loaded or treated otherwise because it stands here.
"""

from __future__ import annotations

FIRST_PARTY = {
    "fiqa": "orchestra-fiqa-runner",
    "reflection_rules": "orchestra-reflection-rules",
    "reporters": "orchestra-reporters",
}
"""Plugin name → distribution."""
INSTALL_ALL = f"pip install {' '.join(FIRST_PARTY.values())}"


def install_hint(plugin: str) -> str:
    """How to install a plugin; empty for one that is not of the first party."""
    return f"Install it: pip install {FIRST_PARTY[plugin]}" if plugin in FIRST_PARTY else ""
