"""The clinic on four workers that hold no connections; the service holds them."""

bind = "127.0.0.1:8002"
workers = 4
worker_class = "sync"
# It is on by default, in the home folder of the user.
control_socket_disable = True
