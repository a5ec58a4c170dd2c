"""An app that runs beside the service, as its client. ``client`` asks the service over its HTTP API, ``inbox`` checks
its webhook, and ``routes`` are those of the app. Nothing here needs gevent.
"""
