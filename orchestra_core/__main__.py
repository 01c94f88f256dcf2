"""`python -m orchestra_core` is the script `orchestra`."""

from orchestra_core.cli.main import main

if __name__ == "__main__":
    main()
