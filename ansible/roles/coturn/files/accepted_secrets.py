"""Have coturn accept the secrets on standard input, and no others: ``accepted_secrets.py DATABASE REALM``.

coturn reads the database for each new relay, so it need not restart, which would end all relays.
"""

import sqlite3
import sys

BUSY_SECONDS = 60

database, realm = sys.argv[1:]
wanted = set(sys.stdin.read().split())
connection = sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)
# coturn can read at any time, also during a change.
connection.execute("PRAGMA journal_mode = WAL")
# As in coturn's schema.sql; Debian makes the database when it installs coturn.
connection.execute(
    "CREATE TABLE IF NOT EXISTS turn_secret"
    " (realm varchar(127) default '', value varchar(127), primary key (realm, value))"
)
connection.execute("BEGIN IMMEDIATE")
found = {value for (value,) in connection.execute("SELECT value FROM turn_secret WHERE realm = ?", [realm])}
connection.executemany("INSERT INTO turn_secret VALUES (?, ?)", [(realm, each) for each in wanted - found])
connection.executemany(
    "DELETE FROM turn_secret WHERE realm = ? AND value = ?", [(realm, each) for each in found - wanted]
)
connection.execute("COMMIT")
connection.close()
if found != wanted:
    print("changed")
