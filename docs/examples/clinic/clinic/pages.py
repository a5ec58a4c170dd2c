"""The pages: login, the list of appointments, and the call."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask_login import current_user, login_user, logout_user
from flask_wtf import FlaskForm
from werkzeug.wrappers import Response as BaseResponse
from wtforms import PasswordField, StringField
from wtforms.validators import InputRequired

from .calls import disconnect, waiting_for
from .extensions import limiter, login
from .models import Appointment, User, db

pages = Blueprint("pages", __name__)


class LoginForm(FlaskForm):  # type: ignore[misc]
    """A name and a password."""

    login = StringField("User name", [InputRequired()])
    password = PasswordField("Password", [InputRequired()])


@pages.before_request
def require_login() -> BaseResponse | None:
    """Send everybody who is not logged in to the form."""
    if current_user.is_authenticated or request.endpoint in {"pages.log_in", "pages.log_out"}:
        return None
    answer: BaseResponse = login.unauthorized()
    return answer


@pages.route("/login", methods=["GET", "POST"])
@limiter.limit("10 per minute", methods=["POST"], deduct_when=lambda response: response.status_code != 302)
def log_in() -> str | BaseResponse:
    """Show the form, or log a user in."""
    form = LoginForm()
    if form.validate_on_submit():
        user = db.session.scalar(db.select(User).filter_by(login=form.login.data))
        if user is not None and user.has_password(form.password.data):
            login_user(user)
            return redirect(url_for("pages.appointments"))
        flash("The user name or the password is wrong.")
    return render_template("login.html", form=form)


@pages.post("/logout")
def log_out() -> BaseResponse:
    """Log the user out, in all tabs and in the midst of a call."""
    if current_user.is_authenticated:
        disconnect(current_user.get_id())
        logout_user()
    return redirect(url_for("pages.log_in"))


@pages.get("/")
def appointments() -> str | Response:
    """Show the appointments of the user. The page asks for the list alone, again and again."""
    template = "_appointments.html" if "list" in request.args else "appointments.html"
    waiting = waiting_for(current_user.get_id())
    return render_template(template, appointments=Appointment.of(current_user), waiting=waiting)


@pages.get("/appointments/<int:number>/call")
def call(number: int) -> str:
    """Show the call of an appointment to the two users of it."""
    appointment = db.get_or_404(Appointment, number)
    peer = appointment.peer_of(current_user) or abort(403)
    return render_template("call.html", peer=peer)


@pages.app_errorhandler(400)
@pages.app_errorhandler(403)
@pages.app_errorhandler(404)
@pages.app_errorhandler(429)
def show_error(error: Exception) -> tuple[str, int]:
    """Show a refusal as a page."""
    status: int = getattr(error, "code", 500)
    return render_template("error.html", status=status), status
