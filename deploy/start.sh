#!/bin/sh
# Some platforms hand over the data volume as root's. It is given to the server's user, and root is left for good
# before the server starts: it has no way back.
set -eu
if [ "$(id -u)" -eq 0 ]; then
    chown presence:presence "${GP_DATA_DIR:-/data}"
    exec setpriv --reuid presence --regid presence --clear-groups --inh-caps=-all --no-new-privs \
        /usr/local/bin/global-presence "$@"
fi
exec /usr/local/bin/global-presence "$@"
