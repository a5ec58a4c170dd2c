"""Prints what the running signaling server gives its clients for the TURN servers, as JSON: ``urls`` and credentials.

It needs root, to read the environment of the service. Without such a server, or TURN in it, it prints ``null``.
"""

import base64
import hashlib
import hmac
import json
import subprocess
import time

SECONDS = 300


def environment():
    """Return the environment of the service."""
    command = ["systemctl", "show", "signaling.service", "--property=MainPID", "--value"]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.strip() or "0"
    if process == "0":
        return {}
    with open(f"/proc/{process}/environ") as file:
        return dict(line.split("=", 1) for line in file.read().split("\0") if "=" in line)


def main():
    """Print them."""
    own = environment()
    urls = own.get("SIGNALING_TURN_URLS", "").replace(",", " ").split()
    username = f"{int(time.time()) + SECONDS}:check"
    digest = hmac.new(own.get("SIGNALING_TURN_SECRET", "").encode(), username.encode(), hashlib.sha1).digest()
    credential = base64.b64encode(digest).decode()
    print(json.dumps({"urls": urls, "username": username, "credential": credential} if urls else None))


if __name__ == "__main__":
    main()
