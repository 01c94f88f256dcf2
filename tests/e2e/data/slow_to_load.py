"""A plugin for these tests: a module whose import takes longer than anyone waits."""

import time
from pathlib import Path

Path("loading").touch()
time.sleep(60)
