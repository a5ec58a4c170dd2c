"""The ten lines of docs/client.md are a call."""

import re

from tests.driver import ROOT

EXAMPLE = re.search(r"```html\n(.*?)```", (ROOT / "docs" / "client.md").read_text(), re.DOTALL)[1]


def test_the_ten_lines_are_a_call(alice, bob, names, server):
    """As they stand there, but for the server's port and the names of the two."""
    for user, (me, peer) in ((alice, names), (bob, names[::-1])):
        page = EXAMPLE.replace("wss://localhost:8443", server.ws_url).replace("./static", f"{server.url}/static")
        assert "'alice', 'bob'" in page
        user.page.set_content(page.replace("'alice', 'bob'", f"'{me}', '{peer}'"))
    for user in (alice, bob):
        user.waits("document.title === 'connected' && document.querySelector('#remote').currentTime > 1")
