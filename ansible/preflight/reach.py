"""Prints what is wrong with the way to a host, as seen from here: a JSON list of problems.

The argument has the ``names`` that must lead to the host, its ``addresses``, where Ansible connects to (``connected``),
and the ``word`` that it answers with on port 80; an empty one where that is not asked.
"""

import errno
import http.client
import json
import socket
import sys

PORT = 80
TIMEOUT = 10
# This machine has no way there; others may have one.
NO_WAY = {errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


def resolve(name):
    """Return the addresses of a name, and why there is none."""
    try:
        return sorted({found[4][0] for found in socket.getaddrinfo(name, PORT, type=socket.SOCK_STREAM)}), ""
    except (OSError, UnicodeError) as error:
        return [], getattr(error, "strerror", None) or str(error)


def ask(name, address):
    """Return the word that port 80 of an address answers with, and why there is none."""
    connection = http.client.HTTPConnection(address, PORT, timeout=TIMEOUT)
    try:
        connection.request("GET", "/.well-known/acme-challenge/preflight", headers={"Host": name})
        return connection.getresponse().read(64).decode("latin-1"), "another server answers"
    except OSError as error:
        return "", "" if error.errno in NO_WAY else (error.strerror or str(error))
    except http.client.HTTPException:
        return "", "another server answers"
    finally:
        connection.close()


def problems(names, addresses, connected, word):
    """Yield them, a line each, with the remedy."""
    own = set(addresses) | set(resolve(connected)[0])
    for name in names:
        found, reason = resolve(name)
        if not found:
            yield f"{name} has no address ({reason}); make a DNS record that leads to {' or '.join(addresses)}"
        for address in found:
            answer, reason = ask(name, address) if word else ("", "")
            if word and answer == word:
                continue
            if address not in own:
                yield (
                    f"{name} leads to {address}, which is not the host's ({', '.join(addresses)}); correct its DNS "
                    "record, or list the address in preflight_addresses if a NAT has it for the host"
                )
            elif reason:
                yield (
                    f"port 80 of {name} at {address} cannot be reached ({reason}), and a certificate needs it; open it "
                    "in the provider's firewall, or set preflight_skip: [port_80] if only Ansible's machine cannot"
                )


if __name__ == "__main__":
    print(json.dumps(list(problems(**json.loads(sys.argv[1])))))
