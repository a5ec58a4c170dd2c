"""The commands on the host of the service, for its operator. ``local`` asks the service that runs there. ``status``
compares the running process with the files of settings.
"""
