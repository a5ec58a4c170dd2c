"""What every part of a process may use. ``supervisor`` keeps loops alive, ``reloader`` reads files again when they
change, ``output`` writes without waiting, ``occasional_log`` warns once a minute.
"""
