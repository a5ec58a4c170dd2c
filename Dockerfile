# The server in a container: docker build --build-arg SIGNALING_RELEASE=0.1.0 -t webrtc-signaling:0.1.0 .
# With podman add --format docker: its own format has no health check.
#
# A tag moves, a digest does not. To build from exactly one base, read its digest and give it:
#   docker buildx imagetools inspect python:3.13-slim-trixie
#   docker build --build-arg PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie@sha256:... -t webrtc-signaling:0.1.0 .
ARG PYTHON_IMAGE=docker.io/library/python:3.13-slim-trixie

FROM ${PYTHON_IMAGE} AS build
WORKDIR /app
COPY requirements.txt .
RUN python3 -m venv .venv \
    && .venv/bin/pip install -q --no-cache-dir --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.txt \
    && .venv/bin/pip uninstall -q -y pip
COPY LICENSE gunicorn.conf.py wsgi.py ./
COPY signaling signaling
# Compiled here, since nobody may write there later; readable by any user, whatever the umask of the checkout was.
RUN .venv/bin/python -m compileall -q signaling wsgi.py && chmod -R go=rX .

FROM ${PYTHON_IMAGE}
ARG PYTHON_IMAGE
ARG SIGNALING_RELEASE
LABEL org.opencontainers.image.title="webrtc-signaling" \
      org.opencontainers.image.version="${SIGNALING_RELEASE}" \
      org.opencontainers.image.description="A WebRTC signaling server" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH
# What /healthz and /metrics call this image.
ENV SIGNALING_RELEASE=${SIGNALING_RELEASE}
# A number, so that an orchestrator can see that it is not root. Any other number works too.
USER 10001:10001
EXPOSE 8443
STOPSIGNAL SIGTERM
# It reads the same settings as the server, so it knows the port, a Unix socket, and if there is TLS.
HEALTHCHECK --interval=30s --timeout=10s --start-period=15s CMD ["python", "-m", "signaling.health"]
# gunicorn needs one file to write to: /dev/shm is there and writable where the root filesystem is read-only.
CMD ["python", "-m", "signaling", "-c", "gunicorn.conf.py", "--worker-tmp-dir", "/dev/shm", "wsgi:app"]
