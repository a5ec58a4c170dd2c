#!/bin/sh
# Copy it to /usr/local/bin/signaling, mode 0755: docs/deployment.md.
# The commands of the signaling service on this host: signaling --help
case "${1-}" in
  check | status | logs | ops)
    # The settings and the log are for root and the service alone.
    if [ "$(id -u)" -ne 0 ]; then
      # No script waits for a password.
      if sudo -n true 2>/dev/null; then
        exec sudo -n /usr/local/bin/signaling "$@"
      fi
      echo "signaling $1 needs the rights of root. Type: sudo signaling $*" >&2
      exit 77
    fi
    ;;
esac

# The unit says which code, which Python and which settings run.
unit() {
  systemctl show signaling.service --property="$1" --value
}
folder=$(unit WorkingDirectory)
python=$(unit ExecStart | sed -n 's/^{ path=\([^;]*\) ;.*/\1/p')
if [ -z "$folder" ] || [ -z "$python" ]; then
  echo "There is no signaling.service on this host." >&2
  exit 69
fi
# Python looks for modules in the folder that it is started in.
cd "$folder" || exit 69
if [ ! -d signaling/host ]; then
  echo "The release that runs is older than this command: $(readlink -f .)" >&2
  exit 69
fi
if [ -e /etc/signaling/check-ca.pem ]; then
  set -- --ca /etc/signaling/check-ca.pem "$@"
fi
# The last file comes before all others.
set -f
IFS='
'
for file in $(unit EnvironmentFiles | sed 's/ (ignore_errors=[a-z]*)$//' | tac); do
  set -- --env-file "$file" "$@"
done
exec "$python" -m signaling.host --state /run/signaling/state.json "$@"
