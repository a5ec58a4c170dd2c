"""How to replace a secret: on the controller, which has the secrets of all hosts. Nothing is replaced here."""

from __future__ import annotations

SECRETS = {
    "jwt": "the key that signs and verifies the tokens of users (SIGNALING_JWT_KEY)",
    "resume": "the secret that signs resume tickets (SIGNALING_RESUME_SECRET)",
    "turn": "the secret that the service shares with the TURN servers (SIGNALING_TURN_SECRET)",
    "ops": "the password of the page /ops (SIGNALING_OPS_TOKEN)",
    "metrics": "the token of /metrics (SIGNALING_METRICS_TOKEN)",
    "api": "the token of the HTTP API (SIGNALING_API_TOKEN)",
    "redis": "the password of Redis (in SIGNALING_REDIS_URL)",
    "webhook": "the secret that signs the webhook (SIGNALING_WEBHOOK_SECRET)",
    "service": "the secret that the service shares with your app (SIGNALING_SERVICE_SECRET)",
}
"""What each secret is, by its name in ``rotate.yml``."""

_COMMAND = "../.venv-ansible/bin/ansible-playbook -i inventories/production rotate.yml -e secret={secret}"


def instructions(secret: str) -> str:
    """Return the command that replaces a secret, and what it replaces."""
    return (
        f"This replaces {SECRETS[secret]} on all hosts.\n"
        "docs/rotation.md says what comes before it, and after it.\n"
        "Run it on the controller, in the folder ansible/, with your own inventory:\n"
        f"{_COMMAND.format(secret=secret)}"
    )
