"""Say whether the service on this host is well, and runs with the settings in its files.

``python -m signaling.status --env-file '/etc/signaling/settings.d/*.env'`` compares the digest of the settings with the
one that the service wrote at its start. It is ``signaling status``. The exit status is 0 if all is well, 1 if something
is not, 2 if the command line cannot be used.
"""

from __future__ import annotations

import sys

from .host.command import main

if __name__ == "__main__":
    sys.exit(main(["status", *sys.argv[1:]]))
