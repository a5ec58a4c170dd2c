"""The reason why a call did not connect, in a sentence, as far as the server can see. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .call import CallState, Step
from .call_record import CallRecord


def diagnose(call: CallRecord) -> str:
    """Return one or more sentences about ``call``, for the operator."""
    names = call.users
    if not call.met:
        return _diagnose_unmet(call, names)
    ready = max((at for at, step in enumerate(call.steps) if step.what == "ready"), default=0)
    steps = call.steps[ready:]
    goes_on = call.state is CallState.NEGOTIATING
    departures = [step for step in steps if step.what == "left"]
    text = f"{_diagnose_negotiation(call, steps, names, goes_on=goes_on)}."
    if call.state is CallState.WAITING and departures:
        gone = departures[-1].user
        text += f" {names[gone]} left, {names[1 - gone]} is still there."
    elif departures and departures[0].detail.startswith("lost"):
        text += f" The connection of {names[departures[0].user]} was lost first."
    if errors := sorted({step.detail for step in steps if step.what == "error"}):
        text += f" Errors: {', '.join(errors)}."
    return text


def _diagnose_unmet(call: CallRecord, names: Sequence[str]) -> str:
    if call.ended is None:
        present = call.present.index(True)
        return f"{names[present]} waits for {names[1 - present]}."
    # Whenever a room becomes empty, its call ends. So this call had only one user.
    return f"{names[1 - call.steps[0].user]} never came." if call.steps else "One of the two never came."


def _diagnose_negotiation(call: CallRecord, steps: list[Step], names: Sequence[str], *, goes_on: bool) -> str:
    offers = [step for step in steps if step.what == "offer"]
    if call.answered_in is not None:
        return f"Answered after {call.answered_in:.2f} s{_diagnose_candidates(steps, names, goes_on=goes_on)}"
    if offers:
        offerer, answerer = names[offers[-1].user], names[1 - offers[-1].user]
        if goes_on:
            return f"Waits for {answerer} to answer the offer of {offerer}"
        return f"{answerer} did not answer the offer of {offerer}"
    initiator = next((names[step.user] for step in steps if step.what == "ready"), None)
    if initiator is None:
        return "The steps that are kept contain no offer"
    if goes_on:
        return f"Waits for the offer of {initiator}"
    sent = any(step.what == "message" for step in steps)
    return f"{initiator} was told to begin and sent no offer" + (", only messages of its own kind" if sent else "")


def _diagnose_candidates(steps: list[Step], names: Sequence[str], *, goes_on: bool) -> str:
    types: list[set[str]] = [set(), set()]
    for step in steps:
        if step.candidates is not None:
            types[step.user].update(step.candidates.keys() - {"end"})
    silent = [name for side, name in enumerate(names) if not types[side]]
    if silent and not goes_on:
        return f"; no candidate came from {' nor '.join(silent)}, besides those that the description itself may hold"
    if not silent and not any("relay" in types_of_user for types_of_user in types):
        return "; no relay candidate from either, so that strict NATs or firewalls may block the media"
    return ""
