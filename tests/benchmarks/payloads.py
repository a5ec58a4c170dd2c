"""What the clients say: messages of a given size in bytes, as a browser writes them."""

CANDIDATE = (
    '{"type":"candidate","candidate":{"candidate":"candidate:842163049 1 udp 1677729535 192.0.2.17 54400 typ srflx '
    "raddr 0.0.0.0 rport 0 ufrag ",
    '","sdpMid":"0","sdpMLineIndex":0}}',
)
OFFER = (
    '{"type":"message","data":{"type":"offer","sdp":"v=0\\r\\n'
    + r"a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack pli\r\na=fmtp:97 apt=96\r\n" * 45,
    '"}}',
)


def filled(head: str, tail: str, size: int) -> bytes:
    """Head and tail with as much filling between them as makes `size` bytes."""
    return (head + "x" * (size - len(head) - len(tail)) + tail).encode()


PAYLOADS = {"candidate": filled(*CANDIDATE, 250), "offer": filled(*OFFER, 3600)}
