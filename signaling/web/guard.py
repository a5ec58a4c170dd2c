"""The guard of the operator's pages: a request needs the token, and no cache keeps a response."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from flask import Response

from ..node.node import Node
from ..security.operator import OperatorAuth

View = Callable[[], Response]


def operator_only(node: Node, auth: OperatorAuth) -> Callable[[View], View]:
    """Return a decorator for a view that only the operator may see.

    If ``auth`` refuses a request, its reason is the answer. Otherwise the view answers. Both get
    ``Cache-Control: no-store``.
    """

    def guard(view: View) -> View:
        @wraps(view)
        def guarded() -> Response:
            refusal = auth.check(node.client_address())
            if refusal is None:
                response = view()
            else:
                response = Response(refusal.words + "\n", refusal.status, refusal.headers, mimetype="text/plain")
            response.headers["Cache-Control"] = "no-store"
            return response

        return guarded

    return guard
