"""What a call's steps say of it in a sentence: why it did not connect, as far as the server can see. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .call import CallState, Step
from .call_record import CallRecord


def diagnose(call: CallRecord) -> str:
    """Return the sentence."""
    names = call.users
    if not call.met:
        return _alone(call, names)
    begun = max((at for at, step in enumerate(call.steps) if step.what == "ready"), default=0)
    steps = call.steps[begun:]
    goes_on = call.state is CallState.NEGOTIATING
    ends = [step for step in steps if step.what == "left"]
    said = f"{_negotiation(call, steps, names, goes_on=goes_on)}."
    if call.state is CallState.WAITING and ends:
        said += f" {names[ends[-1].user]} left, {names[1 - ends[-1].user]} is still there."
    elif ends and ends[0].detail.startswith("lost"):
        said += f" The connection of {names[ends[0].user]} was lost first."
    if errors := sorted({step.detail for step in steps if step.what == "error"}):
        said += f" Errors: {', '.join(errors)}."
    return said


def _alone(call: CallRecord, names: Sequence[str]) -> str:
    if call.ended is None:
        here = call.present.index(True)
        return f"{names[here]} waits for {names[1 - here]}."
    # Who comes while nobody is there begins a call: it has had one user and no other.
    return f"{names[1 - call.steps[0].user]} never came." if call.steps else "One of the two never came."


def _negotiation(call: CallRecord, steps: list[Step], names: Sequence[str], *, goes_on: bool) -> str:
    offers = [step for step in steps if step.what == "offer"]
    if call.answered_in is not None:
        return f"Answered after {call.answered_in:.2f} s{_candidates(steps, names, goes_on=goes_on)}"
    if offers:
        offerer, answerer = names[offers[-1].user], names[1 - offers[-1].user]
        if goes_on:
            return f"Waits for {answerer} to answer the offer of {offerer}"
        return f"{answerer} did not answer the offer of {offerer}"
    told = next((names[step.user] for step in steps if step.what == "ready"), None)
    if told is None:
        return "There is no offer among what is kept of it"
    if goes_on:
        return f"Waits for the offer of {told}"
    sent = any(step.what == "message" for step in steps)
    return f"{told} was told to begin and sent no offer" + (", only messages of its own kind" if sent else "")


def _candidates(steps: list[Step], names: Sequence[str], *, goes_on: bool) -> str:
    kinds: list[set[str]] = [set(), set()]
    for step in steps:
        if step.candidates is not None:
            kinds[step.user].update(step.candidates.keys() - {"end"})
    silent = [who for side, who in enumerate(names) if not kinds[side]]
    if silent and not goes_on:
        return f"; no candidate came from {' nor '.join(silent)}, beside what the description itself may hold"
    if not silent and not any("relay" in found for found in kinds):
        return "; no relay candidate from either, so that strict NATs or firewalls may let no media through"
    return ""
