"""Run `orchestra` on a file system of its own that is full: `python filling.py FOLDER FREE_KB WORDS…`.

In a mount namespace of its own (`unshare -Urm`) a tmpfs is laid over FOLDER/home, with what was there;
FREE_KB of it are left free. What it holds in the end is laid down again beside it. Exit code 99: not
permitted here.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    folder, free, words = Path(sys.argv[1]), int(sys.argv[2]) * 1024, sys.argv[3:]
    home, kept = folder / "home", folder / "kept"
    shutil.copytree(home, kept)
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(home)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        sys.exit(99)
    shutil.copytree(kept, home, dirs_exist_ok=True)
    space = os.statvfs(home)
    ballast = home.joinpath("ballast").open("wb")
    ballast.write(bytes(space.f_bavail * space.f_frsize - free))
    ballast.close()
    os.chdir(home)
    code = subprocess.run(words, check=False).returncode
    (home / "ballast").unlink()
    shutil.rmtree(kept)
    shutil.copytree(home, kept)
    sys.exit(code)
