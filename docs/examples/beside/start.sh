#!/usr/bin/env bash
# Start the service, the clinic and nginx. Ctrl-C, or the end of one of them, ends all three.
set -eum
cd "$(dirname "$0")"
mkdir -p run

# The service and the clinic share one secret. Set both secrets, so that a restart logs nobody out.
export SIGNALING_SERVICE_SECRET="${SIGNALING_SERVICE_SECRET:-$(openssl rand -hex 32)}"
export FLASK_SECRET_KEY="${FLASK_SECRET_KEY:-$(openssl rand -hex 32)}"

(
    export SIGNALING_BIND=127.0.0.1 PORT=8001 SIGNALING_TRUSTED_PROXIES=127.0.0.1
    # The clinic gets the durations of calls there.
    export SIGNALING_WEBHOOK_URL=http://127.0.0.1:8002/signaling/events
    exec python -m signaling
) &
service=$!

(
    export FLASK_HTTPS=false FLASK_PROXIES=1
    export SIGNALING_SERVICE_URL=http://127.0.0.1:8001
    # Browsers find the service below /call, so the clinic has its own paths for it elsewhere.
    export SIGNALING_SERVICE_PUBLIC_URL=/call FLASK_SIGNALING_URL_PREFIX=/signaling
    cd ../clinic
    # The tables, before four workers start at the same moment.
    python -c 'from clinic import create_app; create_app()'
    exec gunicorn -c ../beside/clinic.conf.py "clinic:create_app()"
) &
clinic=$!

PATH="$PATH:/usr/sbin" nginx -e stderr -p "$PWD" -c nginx.conf &
nginx=$!

stop() {
    set +e
    # The service first: it tells the clinic of the calls that it ends.
    kill "$service" 2>/dev/null
    wait "$service"
    kill "$clinic" "$nginx" 2>/dev/null
    wait
}
trap stop EXIT
trap exit INT TERM
wait -n
