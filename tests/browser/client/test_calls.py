"""Calls between two pages that have only the client on them: what begins them, happens in them and ends them."""

SHARE = """
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 240 });
    const pen = canvas.getContext('2d');
    setInterval(() => pen.fillRect(Math.random() * 320, Math.random() * 240, 9, 9), 50);
    window.screenStream = canvas.captureStream(10);
    call.shareScreen(screenStream);
"""
SEES_SCREEN = "document.querySelector('#screen').videoWidth === 320"


def soon(*users):
    """A moment, on the clock that all pages of a machine share, by which all of them will have been told."""
    return max(user.tells("Date.now()") for user in users) + 500


def test_a_call_carries_media_and_text_both_ways(call):
    alice, bob = call
    for one, other in ((alice, bob), (bob, alice)):
        one.waits("call.send('hello')")
        other.waits("events.some(({ type, detail }) => type === 'message' && detail === 'hello')")
        one.is_("connected", path="direct")
        assert one.connections() == 1
        assert one.told("error") == []


def test_hanging_up_and_calling_again(call, names):
    """Who hangs up is out at once, and the other sees it and waits; the next call is a new one."""
    alice, bob = call
    bob.tells("call.hangUp()")
    bob.is_("ended")
    alice.is_("waiting", reason="left")
    assert alice.told("media")[-1] is None
    assert bob.tells("connections.every(({ connectionState }) => connectionState === 'closed')")

    bob.calls(names[1], names[0]).is_("connected")
    alice.is_("connected")
    bob.sees_live_video()
    alice.sees_live_video()


def test_both_start_at_the_same_moment(alice, bob, names):
    me, peer = names
    moment = soon(alice, bob)
    alice.calls_at(moment, me, peer)
    bob.calls_at(moment, peer, me)
    for user in (alice, bob):
        user.is_("connected")
        user.sees_live_video()


def test_both_share_their_screens_at_the_same_moment(call):
    """Two offers cross in mid-call: each of them comes through, on the connection that was there."""
    moment = soon(*call)
    for user in call:
        user.tells(f"setTimeout(() => {{ {SHARE} }}, {moment} - Date.now())")
    for user in call:
        user.waits(SEES_SCREEN)
        user.sees_live_video()
        assert user.connections() == 1
        assert user.told("error") == []


def test_a_screen_is_shared_in_mid_call(call):
    """It comes beside the camera, as a screen, and goes again."""
    alice, bob = call
    for one, other in ((alice, bob), (bob, alice)):
        one.tells(f"{{ {SHARE} }}")
        other.waits(SEES_SCREEN)
        other.sees_live_video()

        one.tells("screenStream.getTracks()[0].dispatchEvent(new Event('ended'))")
        assert one.tells("call.sharing"), "the track is said to have ended, but has not"
        one.tells("screenStream.getTracks()[0].stop()")
        one.tells("screenStream.getTracks()[0].dispatchEvent(new Event('ended'))")
        assert not one.tells("call.sharing")
        other.waits("document.querySelector('#screen').srcObject === null")
        assert other.connections() == 1


def test_another_camera_is_taken_in_mid_call(call):
    """The other side sees what the new camera shows, without a new negotiation."""
    alice, bob = call
    offers = "connections[0].localDescription.sdp"
    before = alice.tells(offers)
    alice.tells("""(async () => {
        const canvas = Object.assign(document.createElement('canvas'), { width: 200, height: 100 });
        setInterval(() => canvas.getContext('2d').fillRect(Math.random() * 200, 0, 9, 9), 50);
        await call.replaceTrack(media.getVideoTracks()[0], canvas.captureStream(10).getTracks()[0]);
    })()""")
    bob.waits("document.querySelector('#remote').videoWidth === 2 * document.querySelector('#remote').videoHeight")
    assert alice.tells(offers) == before

    alice.tells("call.replaceTrack(media.getVideoTracks()[0], null)")
    alice.tells("call.replaceTrack(media.getVideoTracks()[0], media.getVideoTracks()[0])")
    bob.waits("document.querySelector('#remote').videoWidth !== 2 * document.querySelector('#remote').videoHeight")
    bob.sees_live_video()


def test_who_has_no_camera_sees_and_is_heard(alice, bob, names):
    """Microphone only, or nothing at all: the other's picture comes all the same."""
    me, peer = names
    alice.calls(me, peer, media=None).is_("waiting")
    bob.calls(peer, me)
    alice.sees_live_video()
    bob.waits("call.send('I cannot see you')")
    assert bob.told("media") == []

    alice.tells("""(async () => {
        const camera = await navigator.mediaDevices.getUserMedia({ video: true });
        call.addTrack(camera.getTracks()[0]);
    })()""")
    bob.sees_live_video()


def test_the_quality_is_told_in_figures(call):
    alice, _ = call
    alice.waits("(await call.quality()).received.bitrate > 10_000")
    quality = alice.waits("(quality => quality.received.loss !== null && quality)(await call.quality())")
    assert quality["path"] == "direct"
    assert quality["local"]["protocol"] == "udp"
    assert 0 <= quality["received"]["loss"] <= 1
    assert quality["received"]["width"] > 0
    assert 0 <= quality["roundTrip"] < 5
    alice.waits(f"(await call.quality()).sent.bytes > {quality['sent']['bytes']}")


def test_a_closed_tab_is_a_goodbye(call):
    alice, bob = call
    bob.page.close(run_before_unload=True)
    alice.is_("waiting", reason="left")


def test_a_reloaded_page_calls_again(call, names):
    """Whoever reloads, both are in a call again."""
    alice, bob = call
    for reloaded, other, me, peer in ((alice, bob, *names), (bob, alice, *reversed(names))):
        reloaded.open().calls(me, peer)
        for user in (reloaded, other):
            user.is_("connected")
            user.sees_live_video()


def test_a_second_tab_takes_the_call_over(call, names, new_user):
    """The first tab is told why it ended, and stays away."""
    alice, bob = call
    sockets = []
    alice.page.on("websocket", lambda socket: sockets.append(socket))
    second = new_user(beside=alice).calls(*names)
    alice.is_("ended", code=4001)
    assert alice.tells("call.status.error.code") == "replaced"
    second.is_("connected")
    second.sees_live_video()
    bob.sees_live_video()
    assert sockets == []


def test_a_refused_join_is_a_value(alice, names):
    alice.calls(names[0], names[0]).is_("ended")
    assert alice.tells("call.status.error") == {
        "code": "self-connection",
        "message": "User cannot connect to themselves",
    }
