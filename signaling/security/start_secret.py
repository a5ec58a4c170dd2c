"""A secret that is new at each start of the service, and the same in all its workers.

gunicorn's master imports this module before it forks, so the module imports nothing that makes a lock.
"""

import secrets

START_SECRET = secrets.token_bytes(32)
"""The secret. Without our gunicorn hooks, each worker has its own."""
