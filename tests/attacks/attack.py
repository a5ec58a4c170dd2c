"""The description of an attack: what one anonymous client sends, on how many connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


@dataclass(frozen=True)
class Pause:
    """A step that sends nothing for some seconds."""

    seconds: float


class Control(Enum):
    """Steps that send nothing."""

    ANSWER = "wait for the head of an HTTP response"
    DEAF = "read nothing from now on"
    EOF = "wait until the server ends the connection"


Step = bytes | Pause | Control
Script = Callable[[int], Iterator[Step]]
"""Makes the steps of one connection from its number. When they are over, the connection ends."""

LIMITED_PLACES = {"SIGNALING_MAX_CONNECTIONS": 10, "SIGNALING_CONNECTIONS_PER_IP": 10}
"""Settings for attacks that occupy places: the worker has 510 of them, and limits by address are on."""


@dataclass(frozen=True)
class Attack:
    """One kind of attack in one variant.

    Attributes:
        name: unique; the command line selects attacks by it.
        script: its connections' steps.
        connections: how many are open at a time, at most 1,000.
        tls: whether the TLS handshake comes first; without it the steps send raw bytes to the TLS port.
        receive_bytes: the size of the kernel's receive buffer; 0 for the default.
        reset: whether connections end with a TCP reset.
        retry: seconds before a connection that ended is opened again.
        settings: the server's, beside the usual ones.
    """

    name: str
    script: Script
    connections: int = 1
    tls: bool = True
    receive_bytes: int = 0
    reset: bool = False
    retry: float = 0.01
    settings: Mapping[str, Any] = field(default_factory=dict)
