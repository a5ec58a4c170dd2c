"""A Flask app with a call page: open http://localhost:8000/ in two windows."""

from flask import Flask
from signaling import Signaling

app = Flask(__name__)
app.config["SIGNALING_OPEN"] = True  # Anybody may join as anybody: for a trial only.
Signaling(app, url_prefix="/call")


@app.get("/")
def home() -> str:
    """Return the links of the two users."""
    return """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Two users</title>
<p><a href="/call/?me=alice&amp;peer=bob" target="_blank">Alice calls Bob</a>
<p><a href="/call/?me=bob&amp;peer=alice" target="_blank">Bob calls Alice</a>
</html>"""
