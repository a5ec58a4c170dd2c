"""Calls that have no way but a TURN server: Debian's coturn, with the credentials that the server hands out."""

import time

import pytest

from tests.browser.client.user import User
from tests.driver import Server
from tests.long import rest_long
from tests.waiting import TIMEOUT, wait_until

# No more than the browser's own API, so that it is the server which is tested.
LEARN = """async () => {
    Object.assign(window, await (await fetch('ice-servers')).json());
    return iceServers;
}"""
CONNECT = """async (url) => {
    for (const server of iceServers) server.urls = server.urls.filter((each) => !url || each === url);
    window.refusals = [];
    window.connection = new RTCPeerConnection({ iceServers, iceTransportPolicy: 'relay' });
    connection.onicecandidateerror = ({ errorCode }) => refusals.push(errorCode);
    connection.ontrack = ({ streams }) => {
        const video = document.createElement('video');
        Object.assign(video, { id: 'far', muted: true, srcObject: streams[0] });
        document.body.append(video);
        video.play();
    };
    const media = await navigator.mediaDevices.getUserMedia({ video: true });
    for (const track of media.getTracks()) connection.addTrack(track, media);
}"""
# With all candidates in it, so that it can be carried by hand.
DESCRIBE = """async (remote) => {
    if (remote) await connection.setRemoteDescription(remote);
    if (remote?.type === 'answer') return null;
    const gathered = new Promise((resolve) => {
        connection.onicegatheringstatechange = () => connection.iceGatheringState === 'complete' && resolve();
    });
    await connection.setLocalDescription();
    await gathered;
    return connection.localDescription.toJSON();
}"""
FRAMES = """async () => {
    let decoded = 0;
    for (const report of (await connection.getStats()).values())
        if (report.type === 'inbound-rtp') decoded = report.framesDecoded;
    return document.querySelector('#far').videoWidth > 0 ? decoded : 0;
}"""
SELECTED = """async () => {
    const reports = await connection.getStats();
    const { selectedCandidatePairId } = [...reports.values()].find(({ type }) => type === 'transport');
    const pair = reports.get(selectedCandidatePairId);
    const [local, remote] = [reports.get(pair.localCandidateId), reports.get(pair.remoteCandidateId)];
    return [local.candidateType, remote.candidateType, local.relayProtocol];
}"""


@pytest.fixture
def new_page(new_profile):
    """Open the call page of a server, whose policy the requests to `/ice-servers` are under."""

    def new(server):
        page = new_profile().new_page()
        page.goto(server.url)
        return page

    return new


def sees_more_frames_than(page, number):
    """Wait for them, and return how many it is then."""
    deadline = time.monotonic() + TIMEOUT
    while (decoded := page.evaluate(FRAMES)) <= number:
        assert time.monotonic() < deadline, decoded
        page.wait_for_timeout(50)
    return decoded


@pytest.mark.parametrize("way", rest_long(["udp", "tcp", "tls"]))
def test_two_pages_see_each_other_through_the_relay(new_page, relayed, coturn, way):
    """Over each of the three ways to a TURN server, with nothing but what `/ice-servers` says."""
    alice, bob = new_page(relayed), new_page(relayed)
    for page in (alice, bob):
        page.evaluate(LEARN)
        page.evaluate(CONNECT, coturn.urls[way])
    offer = alice.evaluate(DESCRIBE)
    alice.evaluate(DESCRIBE, bob.evaluate(DESCRIBE, offer))
    for page in (alice, bob):
        decoded = sees_more_frames_than(page, 5)
        sees_more_frames_than(page, decoded)
        assert page.evaluate(SELECTED) == ["relay", "relay", way]
        assert page.evaluate("refusals") == []


def test_expired_credentials_get_no_relay(new_page, certificate, coturn):
    """The TURN server answers 401, and there is no candidate at all."""
    with Server(certificate, **coturn.settings, SIGNALING_TURN_TTL=1) as server:
        page = new_page(server)
        [turn] = page.evaluate(LEARN)
    expiry = int(turn["username"].partition(":")[0])
    # coturn counts the second of the expiry in.
    wait_until(lambda: time.time() >= expiry + 1)
    page.evaluate(CONNECT)
    assert "a=candidate" not in page.evaluate(DESCRIBE)["sdp"]
    assert set(page.evaluate("refusals")) == {401}


@pytest.mark.long
def test_the_client_calls_by_the_relay_with_what_its_join_is_told(new_profile, relayed, names):
    """`SignalingClient` asks with its `join`; `Call` says that the way is a relay."""
    alice, bob = (User(new_profile(), relayed) for _ in range(2))
    me, peer = names
    alice.calls(me, peer, iceTransportPolicy="relay").is_("waiting")
    bob.calls(peer, me, iceTransportPolicy="relay").is_("connected", path="relay")
    alice.is_("connected", path="relay").sees_live_video()
    bob.sees_live_video()
