#!/bin/sh
# Start the clinic, the service beside it, and nginx before both. Ctrl-C ends all three.
set -eu
cd "$(dirname "$0")"
mkdir -p run
set -a
. ./env
set +a
# Before the four workers start at the same moment.
(cd ../clinic && python -c 'from clinic import create_app; create_app()')
trap 'kill $clinic $service' EXIT
gunicorn --chdir ../clinic -c "$PWD/clinic.conf.py" "clinic:create_app()" &
clinic=$!
SIGNALING_BIND=127.0.0.1 PORT=8001 gunicorn -c ../../../gunicorn.conf.py "signaling:create_app()" &
service=$!
PATH="$PATH:/usr/sbin" nginx -e stderr -p "$PWD" -c nginx.conf
