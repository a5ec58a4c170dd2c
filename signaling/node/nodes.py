"""All nodes of this process together, for gunicorn's hooks."""

from __future__ import annotations

import time

import gevent

from .node import NODES


def start_all() -> None:
    """Start the background tasks of all nodes of this process. Does not wait.

    Raises:
        signaling.config.env.SettingsError: a protection of an app was set too late, so it protects nothing.
    """
    for node in list(NODES):
        node.gate.check_settings()
    for node in list(NODES):
        node.start()


def stop_metrics() -> None:
    """Stop the background tasks of all nodes of this process, which frees the metrics ports. Does not wait."""
    for node in list(NODES):
        node.stop_metrics()


def drain_all() -> None:
    """Refuse new connections and close the open ones of all nodes of this process, at the same time. Waits."""
    gevent.joinall([gevent.spawn(node.connections.drain) for node in list(NODES)])


def close_all() -> None:
    """Close the open connections of all nodes of this process at once. Does not wait."""
    for node in list(NODES):
        node.connections.close_all()


def open_count() -> int:
    """Return the number of open connections of all nodes of this process."""
    return sum(len(node.connections) for node in list(NODES))


def end_calls() -> None:
    """End the calls that end with this process. Does not wait."""
    for node in list(NODES):
        node.end_calls()


def deliver_events(seconds: float) -> None:
    """Log the ended calls, and wait until the apps got all events and the webhooks are sent, at most ``seconds``."""
    limit = time.monotonic() + seconds
    for node in list(NODES):
        if node.call_lines is not None:
            node.call_lines.write()
        node.events.drain(limit - time.monotonic())
        if node.context.webhook is not None:
            node.context.webhook.drain(limit - time.monotonic())


def leave_cluster() -> None:
    """Leave the rooms in Redis with all nodes of this process, so that other nodes know. Waits."""
    for node in list(NODES):
        node.leave_cluster()
