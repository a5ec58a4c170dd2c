#!/bin/sh
# The commands of the signaling service on this host: sudo signaling --help
# Copy it to /usr/local/bin/signaling, mode 0755.
cd /opt/signaling/current || exit 1
exec .venv/bin/python -m signaling.host --env-file '/etc/signaling/settings.d/*.env' "$@"
