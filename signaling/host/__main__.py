"""The command ``signaling`` where it is not installed: ``python -m signaling.host``."""

import sys

from .command import main

if __name__ == "__main__":
    sys.exit(main())
