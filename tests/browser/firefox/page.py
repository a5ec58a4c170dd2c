"""A page in Firefox, which understands the few of Playwright's words that the stories need."""

from __future__ import annotations

import json
import time
from typing import Any

from tests.browser.firefox.browser import Firefox

KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "Shift": "\ue008", "Tab": "\ue004"}


class Page:
    """In a window of its own, so that it is seen, and with a user's cookies and permissions of its own."""

    def __init__(self, firefox: Firefox, preload: str) -> None:
        self._firefox = firefox
        self.user = firefox.ask("browser.createUserContext")["userContext"]
        self.context = firefox.ask("browsingContext.create", type="window", userContext=self.user)["context"]
        firefox.ask("script.addPreloadScript", functionDeclaration=f"() => {{ {preload} }}", contexts=[self.context])
        self.keyboard = Keyboard(self)

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        return self._firefox.ask(method, context=self.context, **params)

    def goto(self, url: str) -> None:
        self.ask("browsingContext.navigate", url=url, wait="complete")

    def reload(self) -> None:
        self.ask("browsingContext.reload", wait="complete")

    def evaluate(self, function: str, arg: Any = None) -> Any:
        """What a JavaScript function, or what it promises, comes to."""
        value = f"({function})({json.dumps(arg)})"
        answer = self._firefox.ask(
            "script.evaluate",
            expression=f"Promise.resolve({value}).then((value) => JSON.stringify(value ?? null))",
            target={"context": self.context},
            awaitPromise=True,
        )
        assert answer["type"] == "success", answer["exceptionDetails"]["text"]
        return json.loads(answer["result"]["value"])

    def wait_for_timeout(self, milliseconds: float) -> None:
        time.sleep(milliseconds / 1000)

    def find(self, role: str, name: str) -> list[dict[str, Any]]:
        """What is to be seen and has this role and this name to a screen reader."""
        locator = {"type": "accessibility", "value": {"role": role, "name": name}}
        return [node for node in self.ask("browsingContext.locateNodes", locator=locator)["nodes"] if self._seen(node)]

    def _seen(self, node: dict[str, Any]) -> bool:
        return bool(self._call("(node) => node.checkVisibility()", node))

    def _call(self, function: str, node: dict[str, Any]) -> Any:
        answer = self._firefox.ask(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"sharedId": node["sharedId"]}],
            target={"context": self.context},
            awaitPromise=False,
        )
        return answer["result"].get("value")

    def click(self, node: dict[str, Any]) -> None:
        # As a person's click would; a window behind another one is told of no devices, and may not fill the screen.
        self.ask("browsingContext.activate")
        self._call("(node) => node.scrollIntoView({ block: 'nearest' })", node)
        origin = {"type": "element", "element": {"sharedId": node["sharedId"]}}
        actions = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self.ask("input.performActions", actions=[{"type": "pointer", "id": "mouse", "actions": actions}])


class Keyboard:
    def __init__(self, page: Page) -> None:
        self._page = page

    def type(self, text: str) -> None:
        for key in text:
            self._strike([key])

    def press(self, keys: str) -> None:
        """One key by its name, or several at once: `Shift+Tab`."""
        self._strike([KEYS[name] for name in keys.split("+")])

    def _strike(self, keys: list[str]) -> None:
        actions = [{"type": "keyDown", "value": key} for key in keys]
        actions += [{"type": "keyUp", "value": key} for key in reversed(keys)]
        self._page.ask("input.performActions", actions=[{"type": "key", "id": "keyboard", "actions": actions}])
