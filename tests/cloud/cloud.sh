#!/usr/bin/env bash
#
# cloud.sh: a throwaway OpenStack on loopback: the real Keystone (sqlite,
# fernet tokens) and the real Cinder API (sqlite, or MariaDB with
# CLOUD_DATABASE=mariadb; auth_strategy=keystone), with backups seeded into
# Cinder's database: Cinder 29, or another release with CLOUD_CINDER=12 to 28,
# where there is a Python for it (releases.sh). There is no volume or backup service
# behind it: what lists and shows works, what would have to do something does
# not. Cinder's API runs twice on the one database: `cinder` as it comes, and
# `strict` as an operator may have it: fuzzy filters not enabled for plain users,
# the user and the project of a backup shown to them, and links (public_endpoint)
# that name an address where nobody responds. With CLOUD_GATEWAY=1, nginx is in
# front of all (gateway.sh).
#
#   cloud.sh run COMMAND [ARG ...]   up, the command with the OS_* variables, down
#   cloud.sh up       install (once), start, seed, print the OS_* lines
#   cloud.sh env      print the OS_* lines of the running cloud
#   cloud.sh status   what runs; exit 0 only when all respond
#   cloud.sh down     stop all (CLOUD_PURGE=1: and remove everything but the venv)
#   cloud.sh keystone stop|start   Keystone by itself, of a cloud that is up; likewise strict
#
#   eval "$(cloud.sh up)"      # only the OS_* lines go to stdout
#
# Running `up` on a running cloud changes nothing and prints the same lines;
# after `down` it puts the seeded backups back as they were. Needs bash, curl,
# flock, python3 >= 3.11 with venv, and pip's registry once; root is not needed,
# except for apt-get, where MariaDB or nginx is used and missing.

set -euo pipefail
shopt -s inherit_errexit

# ---------------------------------------------------------------- settings --
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CLOUD_CINDER=${CLOUD_CINDER:-29}                # the release
CLOUD_DIR=$(realpath -m "${CLOUD_DIR:-$HERE/data}")  # everything is kept here, in a folder per release
CLOUD_PYTHON=${CLOUD_PYTHON:-python3}           # a Python that is tried first
KEYSTONE_PORT=${KEYSTONE_PORT:-15000}
CINDER_PORT=${CINDER_PORT:-18776}
STRICT_PORT=${STRICT_PORT:-18777}
CLOUD_DATABASE=${CLOUD_DATABASE:-sqlite}        # Cinder's: sqlite or mariadb
CLOUD_GATEWAY=${CLOUD_GATEWAY:-}                # not empty: nginx in front
GATEWAY_PORT=${GATEWAY_PORT:-18443}             # its TLS
GATEWAY_HTTP_PORT=${GATEWAY_HTTP_PORT:-18080}   # its redirects to TLS
CLOUD_BACKUPS=${CLOUD_BACKUPS:-2500}            # backups of the demo project
CLOUD_WORKERS=${CLOUD_WORKERS:-2}               # Cinder API worker processes
CLOUD_CINDER_CONF=${CLOUD_CINDER_CONF:-}        # extra lines for cinder.conf
CLOUD_KEYSTONE_CONF=${CLOUD_KEYSTONE_CONF:-}    # extra lines for keystone.conf
CLOUD_BACKUP_FILTERS=${CLOUD_BACKUP_FILTERS:-name~ status~ volume_id~}  # as Cinder's documentation enables them
CLOUD_TOKEN_SECONDS=${CLOUD_TOKEN_SECONDS:-3600}          # a token's life
CLOUD_TOKEN_CACHE_SECONDS=${CLOUD_TOKEN_CACHE_SECONDS:-300} # Cinder trusts a token it has seen; -1: never
CLOUD_START_SECONDS=${CLOUD_START_SECONDS:-60}  # how long one service may take to respond

PASSWORD=not-a-secret                           # of every user; loopback only
DEMO_PROJECT=demo OTHER_PROJECT=other
BARE_PROJECT=bare                               # its catalog has the identity service only
CHANGING_PROJECT=changing                       # empty: whoever tests with it fills it
KEYSTONE_URL=http://127.0.0.1:$KEYSTONE_PORT/v3
CINDER_URL=http://127.0.0.1:$CINDER_PORT
STRICT_URL=http://127.0.0.1:$STRICT_PORT

RELEASE=$CLOUD_DIR/$CLOUD_CINDER
VENV=$RELEASE/venv
TOOLS=$CLOUD_DIR/29/venv                        # what fills the databases, and openstacksdk: whatever the release
KEYSTONE=$RELEASE/keystone                      # one folder per service
CINDER=$RELEASE/cinder
STRICT=$RELEASE/strict
MARIADB=$RELEASE/mariadb
GATEWAY=$RELEASE/gateway

case $CLOUD_DATABASE in
    sqlite) DATABASE_URL=sqlite:///$CINDER/cinder.db ;;
    mariadb) DATABASE_URL="mysql+pymysql://root@localhost/cinder?unix_socket=$MARIADB/socket&charset=utf8mb4" ;;
    *) echo "cloud: CLOUD_DATABASE is neither sqlite nor mariadb" >&2; exit 2 ;;
esac
SERVICES=(keystone cinder strict)
[[ $CLOUD_DATABASE != mariadb ]] || SERVICES+=(mariadb)
[[ -z $CLOUD_GATEWAY ]] || SERVICES+=(gateway)

say()  { printf 'cloud: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

. "$HERE/releases.sh"
. "$HERE/configuration.sh"
. "$HERE/services.sh"
. "$HERE/mariadb.sh"
. "$HERE/gateway.sh"

debian_package() {                              # debian_package COMMAND PACKAGE: installs it where it is missing
    PATH=$PATH:/usr/sbin
    ! command -v "$1" >/dev/null || return 0
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null || fail "$1 is missing: apt-get install $2"
    say "installing $2"
    # It is started here, with a configuration of ours: while it is installed, a policy keeps Debian from starting
    # its own service. Where systemd runs, that service is enabled, though, and starts with the machine's next boot.
    (
        policy=/usr/sbin/policy-rc.d
        if [[ ! -e $policy ]]; then
            trap 'rm -f "$policy"' EXIT
            printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy" || exit
        fi
        apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$2"
    ) >"$RELEASE/apt.log" 2>&1 || fail "apt-get failed: $(tail -3 "$RELEASE/apt.log")"
}

# -------------------------------------------------------------- databases ---
make_databases() {
    local manage=("$VENV/bin/keystone-manage" --config-file "$KEYSTONE/keystone.conf")
    if [[ ! -f $KEYSTONE/.made ]]; then
        say "making Keystone's database and keys"
        rm -f "$KEYSTONE/keystone.db"
        { "${manage[@]}" db_sync &&
          "${manage[@]}" fernet_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)" &&
          "${manage[@]}" credential_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)" &&
          "${manage[@]}" bootstrap --bootstrap-password "$PASSWORD" --bootstrap-region-id RegionOne \
              --bootstrap-public-url "$KEYSTONE_URL"
        } >"$KEYSTONE/manage.log" 2>&1 || fail "keystone-manage failed: see $KEYSTONE/manage.log"
        # With SQLAlchemy 2.0, Keystone keeps a reader open that a writer would wait for in vain.
        "$TOOLS/bin/python" -c 'import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute("pragma journal_mode=wal")' \
            "$KEYSTONE/keystone.db"
        touch "$KEYSTONE/.made"
    fi
    local made=$CINDER/.made
    [[ $CLOUD_DATABASE == sqlite ]] || made=$MARIADB/.made
    if [[ ! -f $made ]]; then
        say "making Cinder's database"
        [[ $CLOUD_DATABASE != sqlite ]] || rm -f "$CINDER/cinder.db"
        "$VENV/bin/cinder-manage" --config-file "$CINDER/cinder.conf" db sync \
            >"$CINDER/manage.log" 2>&1 || fail "cinder-manage failed: see $CINDER/manage.log"
        touch "$made"
    fi
}

populate_keystone() {
    "$TOOLS/bin/python" "$HERE/projects.py" "$KEYSTONE_URL" "$PASSWORD" "$CINDER_URL" "$STRICT_URL" \
        "$DEMO_PROJECT" "$OTHER_PROJECT" "$CHANGING_PROJECT" "$BARE_PROJECT" >"$RELEASE/ids"
}

# Straight into the table: nothing here could make a backup. The same N gives
# the same ids every time.
seed() {
    . "$RELEASE/ids"
    "$TOOLS/bin/python" "$HERE/database.py" "$DATABASE_URL" seed "$CLOUD_BACKUPS" \
        "$DEMO_PROJECT_ID" "$OTHER_PROJECT_ID" "$DEMO_USER_ID"
}

# ---------------------------------------------------------------- commands --
print_env() {
    . "$RELEASE/ids"
    cat <<ENV
export OS_AUTH_TYPE=password
export OS_AUTH_URL=$KEYSTONE_URL
export OS_IDENTITY_API_VERSION=3
export OS_USERNAME=demo
export OS_PASSWORD=$PASSWORD
export OS_USER_DOMAIN_NAME=Default
export OS_PROJECT_NAME=$DEMO_PROJECT
export OS_PROJECT_DOMAIN_NAME=Default
export OS_PROJECT_ID=$DEMO_PROJECT_ID
export OS_REGION_NAME=RegionOne
export OS_INTERFACE=public
export VBS_ENDPOINT=$CINDER_URL
export CLOUD_STRICT_ENDPOINT=$STRICT_URL
export CLOUD_OTHER_PROJECT_ID=$OTHER_PROJECT_ID
export CLOUD_CHANGING_PROJECT_ID=$CHANGING_PROJECT_ID
export CLOUD_DATABASE=$CLOUD_DATABASE
export CLOUD_DATABASE_URL='$DATABASE_URL'
export CLOUD_CINDER=$CLOUD_CINDER
export CLOUD_VENV=$TOOLS
export CLOUD_GATEWAY_DIR=$GATEWAY
export CLOUD_GATEWAY_PORT=$GATEWAY_PORT
export CLOUD_GATEWAY_HTTP_PORT=$GATEWAY_HTTP_PORT
ENV
}

up() {
    python_versions "$CLOUD_CINDER" >/dev/null
    mkdir -p "$RELEASE"
    exec 9>"$RELEASE/lock"
    flock 9
    if status >/dev/null; then
        say "already up"
    else
        install_release "$CLOUD_CINDER" "$VENV"
        install_release 29 "$TOOLS"
        configure
        if [[ $CLOUD_DATABASE == mariadb ]]; then
            install_mariadb
            start_mariadb 9>&-
        fi
        make_databases
        start_keystone 9>&-
        populate_keystone
        seed
        start_strict 9>&- &
        start_cinder cinder "$CINDER_PORT" "$CINDER_URL" "$CLOUD_WORKERS" 9>&-
        wait $!
        if [[ $CLOUD_GATEWAY ]]; then
            install_gateway
            start_gateway 9>&-
        fi
        say "up: keystone $KEYSTONE_URL, cinder $CLOUD_CINDER $CINDER_URL/v3/PROJECT, $CLOUD_BACKUPS backups"
    fi
    print_env
}

down() {
    stop cinder &
    stop strict &
    stop keystone
    wait
    stop gateway
    stop mariadb
    [[ -z ${CLOUD_PURGE:-} ]] || rm -rf "$KEYSTONE" "$CINDER" "$STRICT" "$MARIADB" "$GATEWAY" "$RELEASE/ids"
    say "down"
}

status() {
    local bad=0 name url
    for name in "${SERVICES[@]}"; do
        case $name in
            keystone) url=$KEYSTONE_URL ;;
            cinder) url=$CINDER_URL/ ;;
            strict) url=$STRICT_URL/ ;;
            mariadb) url=$MARIADB/socket ;;
            gateway) url=http://127.0.0.1:$GATEWAY_HTTP_PORT/ ;;
        esac
        if running "$name" && { [[ -S $url ]] || responds "$url"; }; then
            printf '%s up, pid %s, %s\n' "$name" "$(<"$RELEASE/$name/pid")" "$url"
        else
            printf '%s down\n' "$name"
            bad=1
        fi
    done
    return $bad
}

run() {                                         # run COMMAND...: leaves a cloud that was up as it was
    local was_up='' lines
    status >/dev/null && was_up=yes
    # Also where it is interrupted, or does not come up.
    [[ $was_up ]] || trap down EXIT
    lines=$(up)
    eval "$lines"
    "$@"
}

case ${1:-} in
    up|down|status) "$1" ;;
    keystone|strict)
        case ${2:-} in
            stop) stop "$1" ;;
            start) "start_$1" ;;
            *) fail "$1 stop, or $1 start" ;;
        esac ;;
    run) shift; run "$@" ;;
    env) status >&2 && print_env ;;
    *) sed -n '3,/^$/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
