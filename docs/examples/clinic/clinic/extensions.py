"""The other extensions of the clinic. The database is in ``models``, the signaling in ``calls``."""

from __future__ import annotations

from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, current_user
from flask_wtf import CSRFProtect
from signaling import owns_request

from .models import User, db

csrf = CSRFProtect()
login = LoginManager()
login.login_view = "pages.log_in"
login.login_message = None
limiter = Limiter(lambda: current_user.get_id() or get_remote_address(), default_limits=["120 per minute"])

# The page of a call loads two dozen modules, and its client comes back when it must.
limiter.request_filter(owns_request)


@login.user_loader  # type: ignore[untyped-decorator]
def load_user(user_id: str) -> User | None:
    """Return the user of a session."""
    return db.session.get(User, int(user_id))
