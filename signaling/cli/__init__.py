"""The commands of ``flask signaling``. ``group`` adds them to an app, and loads ``commands`` when somebody uses one.
``target`` finds the instance and the running service, ``service`` is a client of its HTTP API, ``settings`` explains
the settings, ``table`` prints, and ``wrong_setting`` ends a command with one line.
"""
