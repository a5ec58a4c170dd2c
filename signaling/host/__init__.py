"""The command ``signaling`` on the host of the service, for its operator. ``command`` has the command line, and
``local`` finds the service. ``status`` compares the running process with the files of settings, ``call`` holds a call,
and ``rotation`` says how to replace a secret.
"""
