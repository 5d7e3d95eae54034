#!/bin/sh
# Some platforms hand over the data volume as root's, and allow few open files. The volume is given to the server's user, and root
# is left for good before the server starts: it has no way back.
set -eu
if [ "$(id -u)" -eq 0 ]; then
    chown presence:presence "${GP_DATA_DIR:-/data}"
    # A file for each connection; where this is refused, the node logs how many it has.
    ulimit -n "${FILES:-65536}" || true
    exec setpriv --reuid presence --regid presence --clear-groups --inh-caps=-all --no-new-privs \
        /usr/local/bin/global-presence "$@"
fi
exec /usr/local/bin/global-presence "$@"
