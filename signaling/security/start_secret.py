"""A secret that is new at each start of the service, and the same in all its workers.

gunicorn's master imports this before it forks them, so it imports nothing that makes a lock.
"""

import secrets

START_SECRET = secrets.token_bytes(32)
"""What is signed with it is good until the service, or an app that runs without our gunicorn configuration, ends."""
