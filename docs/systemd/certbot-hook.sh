#!/bin/sh
# Copy it to /etc/letsencrypt/renewal-hooks/deploy/signaling, mode 0755: docs/deployment.md.
# certbot runs this after a renewal. It copies the pair to where the service may read it, if it is a new one and whole.
# The service sees the new files by itself: nothing is restarted or reloaded.
set -eu
lineage=/etc/letsencrypt/live/signaling
directory=/etc/signaling/tls
owner=root
group=signaling

# Another certificate of this host was renewed.
[ "${RENEWED_LINEAGE:-$lineage}" = "$lineage" ] || exit 0

cd "$lineage"
changed=
for file in privkey.pem fullchain.pem; do
    [ "$(stat -c %U:%G:%a "$directory/$file" 2>/dev/null)" = "$owner:$group:640" ] &&
        cmp -s "$file" "$directory/$file" || changed=yes
done
[ -n "$changed" ] || exit 0

if ! certified=$(openssl x509 -noout -pubkey -in fullchain.pem) ||
    ! own=$(openssl pkey -pubout -in privkey.pem) || [ "$certified" != "$own" ]; then
    printf '%s\n' "$lineage/privkey.pem is not the key of fullchain.pem: $directory keeps what it has" >&2
    exit 1
fi
trap 'rm -f "$directory/.privkey.pem" "$directory/.fullchain.pem"' EXIT
for file in privkey.pem fullchain.pem; do
    install -o "$owner" -g "$group" -m 0640 "$file" "$directory/.$file"
done
for file in privkey.pem fullchain.pem; do
    mv -f "$directory/.$file" "$directory/$file"
done
printf '%s\n' "$directory has the certificate of $lineage"
