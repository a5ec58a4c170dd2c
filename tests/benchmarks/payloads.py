"""What users say through a signaling server: an ICE candidate and an offer as a browser makes them, as JSON to fill."""

CANDIDATE = (
    '{"candidate":"candidate:842163049 1 udp 1677729535 192.0.2.17 54400 typ srflx raddr 0.0.0.0 rport 0 ufrag ',
    '","sdpMid":"0","sdpMLineIndex":0}',
)
OFFER = (
    '{"type":"offer","sdp":"v=0\\r\\n' + r"a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=fmtp:97 apt=96\r\n" * 45,
    '"}',
)
SIZES = {"candidate": 250, "offer": 3600}  # bytes of the whole message


def filled(head: str, tail: str, size: int) -> bytes:
    """Head and tail with as much filling between them as makes `size` bytes."""
    return (head + "x" * (size - len(head) - len(tail)) + tail).encode()
