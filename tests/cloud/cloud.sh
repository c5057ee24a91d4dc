#!/usr/bin/env bash
#
# cloud.sh: a throwaway OpenStack on loopback: the real Keystone (sqlite,
# fernet tokens) and the real Cinder API (sqlite, or MariaDB with
# CLOUD_DATABASE=mariadb; auth_strategy=keystone), with backups seeded into
# Cinder's database. There is no volume or backup service
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
#   cloud.sh down     stop all (CLOUD_PURGE=1: and remove everything but venv)
#   cloud.sh keystone stop|start   Keystone by itself, of a cloud that is up; likewise strict
#
#   eval "$(cloud.sh up)"      # only the OS_* lines go to stdout
#
# Running `up` on a running cloud changes nothing and prints the same lines;
# after `down` it puts the seeded backups back as they were. Needs bash, curl,
# flock, python3 >= 3.11 with venv, and pip's registry once; root is not needed,
# except for apt-get, where MariaDB or nginx is used and missing.
# A constraints.txt beside this file, where there is one, pins what pip installs
# beyond REQUIREMENTS (made with: data/venv/bin/pip freeze > constraints.txt).

set -euo pipefail
shopt -s inherit_errexit

# ---------------------------------------------------------------- settings --
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CLOUD_DIR=$(realpath -m "${CLOUD_DIR:-$HERE/data}")  # everything is kept here
CLOUD_VENV=${CLOUD_VENV:-$CLOUD_DIR/venv}
CLOUD_PYTHON=${CLOUD_PYTHON:-python3}
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
CLOUD_BACKUP_FILTERS=${CLOUD_BACKUP_FILTERS:-name status volume_id name~ status~ volume_id~}
CLOUD_TOKEN_SECONDS=${CLOUD_TOKEN_SECONDS:-3600}          # a token's life
CLOUD_TOKEN_CACHE_SECONDS=${CLOUD_TOKEN_CACHE_SECONDS:-300} # Cinder trusts a token it has seen; -1: never
CLOUD_START_SECONDS=${CLOUD_START_SECONDS:-60}  # how long one service may take to respond

REQUIREMENTS=(cinder==29.0.0 keystone==30.0.0 keystonemiddleware==13.0.1 gunicorn==27.0.1 openstacksdk==4.22.0
    PyMySQL==1.2.4)

PASSWORD=not-a-secret                           # of every user; loopback only
DEMO_PROJECT=demo OTHER_PROJECT=other
BARE_PROJECT=bare                               # its catalog has the identity service only
CHANGING_PROJECT=changing                       # empty: whoever tests with it fills it
KEYSTONE_URL=http://127.0.0.1:$KEYSTONE_PORT/v3
CINDER_URL=http://127.0.0.1:$CINDER_PORT
STRICT_URL=http://127.0.0.1:$STRICT_PORT

KEYSTONE=$CLOUD_DIR/keystone                    # one folder per service
CINDER=$CLOUD_DIR/cinder
STRICT=$CLOUD_DIR/strict
MARIADB=$CLOUD_DIR/mariadb
GATEWAY=$CLOUD_DIR/gateway

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

. "$HERE/mariadb.sh"
. "$HERE/gateway.sh"

# ----------------------------------------------------------------- install --
install() {
    local stamp=$CLOUD_VENV/.requirements
    [[ -f $stamp && $(<"$stamp") == "${REQUIREMENTS[*]}" ]] && return
    say "installing ${REQUIREMENTS[*]} into $CLOUD_VENV"
    "$CLOUD_PYTHON" -m venv "$CLOUD_VENV" ||
        fail "no venv: on Debian, apt-get install python3-venv"
    local constraints=()
    [[ ! -f $HERE/constraints.txt ]] || constraints=(--constraint "$HERE/constraints.txt")
    "$CLOUD_VENV/bin/pip" install --quiet --disable-pip-version-check \
        "${constraints[@]}" "${REQUIREMENTS[@]}" >"$CLOUD_DIR/pip.log" 2>&1 ||
        fail "pip install failed: $(tail -3 "$CLOUD_DIR/pip.log")"
    printf '%s' "${REQUIREMENTS[*]}" >"$stamp"
}

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
    ) >"$CLOUD_DIR/apt.log" 2>&1 || fail "apt-get failed: $(tail -3 "$CLOUD_DIR/apt.log")"
}

# ------------------------------------------------------------ configuration --
configure() {
    mkdir -p "$KEYSTONE"
    mkdir -p "$KEYSTONE"/{fernet,receipts,credential}
    chmod 700 "$KEYSTONE"/{fernet,receipts,credential}

    cat >"$KEYSTONE/keystone.conf" <<CONF
[DEFAULT]
[database]
connection = sqlite:///$KEYSTONE/keystone.db
[token]
provider = fernet
expiration = $CLOUD_TOKEN_SECONDS
[fernet_tokens]
key_repository = $KEYSTONE/fernet
[fernet_receipts]
# unset, it is made in /etc/keystone
key_repository = $KEYSTONE/receipts
[credential]
key_repository = $KEYSTONE/credential
[identity]
# as cheap as bcrypt goes: nothing here is worth guarding
password_hash_rounds = 4
[oslo_messaging_notifications]
driver = noop
$CLOUD_KEYSTONE_CONF
CONF

    # X-Forwarded-*, as the gateway sends them, are believed.
    configure_cinder "$CINDER" "$CLOUD_BACKUP_FILTERS" "$CLOUD_CINDER_CONF
[oslo_middleware]
enable_proxy_headers_parsing = true"
    configure_cinder "$STRICT" "name status volume_id" "public_endpoint = http://127.0.0.1:1
[oslo_policy]
policy_file = $STRICT/policy.yaml"
    # User and project of a backup, which are for administrators otherwise.
    echo '"backup:backup_project_attribute": ""' >"$STRICT/policy.yaml"

    # It reads sys.argv when it loads, which under gunicorn is gunicorn's.
    cat >"$KEYSTONE/app.py" <<PY
import sys
sys.argv = ['keystone']
from keystone.server import wsgi
application = wsgi.initialize_public_application()
PY
}

configure_cinder() {                            # configure_cinder FOLDER FILTERS EXTRA_LINES
    mkdir -p "$1/state"
    # Which filters a user who is not an admin may name (microversion 3.31 and
    # up). "name~" must be listed literally: "name" does not imply it.
    local quoted
    # shellcheck disable=SC2086  # the words of it, one by one
    quoted=$(printf '"%s", ' $2)
    cat >"$1/resource_filters.json" <<JSON
{"backup": [${quoted%, }]}
JSON

    cat >"$1/cinder.conf" <<CONF
[DEFAULT]
auth_strategy = keystone
api_paste_config = $CLOUD_VENV/etc/cinder/api-paste.ini
resource_query_filters_file = $1/resource_filters.json
state_path = $1/state
transport_url = fake://
$3
[database]
connection = $DATABASE_URL
[keystone_authtoken]
www_authenticate_uri = http://127.0.0.1:$KEYSTONE_PORT
auth_url = http://127.0.0.1:$KEYSTONE_PORT
auth_type = password
username = cinder
password = $PASSWORD
project_name = service
user_domain_name = Default
project_domain_name = Default
service_token_roles_required = true
token_cache_time = $CLOUD_TOKEN_CACHE_SECONDS
[oslo_concurrency]
lock_path = $1/state
[oslo_messaging_notifications]
driver = noop
CONF

    # The same about sys.argv.
    cat >"$1/app.py" <<PY
import sys
sys.argv = ['cinder-api', '--config-file', '$1/cinder.conf']
from cinder.wsgi import wsgi
application = wsgi.initialize_application()
PY
}

# -------------------------------------------------------------- databases ---
make_databases() {
    local manage=("$CLOUD_VENV/bin/keystone-manage" --config-file "$KEYSTONE/keystone.conf")
    if [[ ! -f $KEYSTONE/.made ]]; then
        say "making Keystone's database and keys"
        rm -f "$KEYSTONE/keystone.db"
        { "${manage[@]}" db_sync &&
          "${manage[@]}" fernet_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)" &&
          "${manage[@]}" credential_setup --keystone-user "$(id -un)" --keystone-group "$(id -gn)" &&
          "${manage[@]}" bootstrap --bootstrap-password "$PASSWORD" --bootstrap-region-id RegionOne \
              --bootstrap-public-url "$KEYSTONE_URL"
        } >"$KEYSTONE/manage.log" 2>&1 || fail "keystone-manage failed: see $KEYSTONE/manage.log"
        touch "$KEYSTONE/.made"
    fi
    local made=$CINDER/.made
    [[ $CLOUD_DATABASE == sqlite ]] || made=$CLOUD_DIR/$CLOUD_DATABASE/.made
    if [[ ! -f $made ]]; then
        say "making Cinder's database"
        [[ $CLOUD_DATABASE != sqlite ]] || rm -f "$CINDER/cinder.db"
        "$CLOUD_VENV/bin/cinder-manage" --config-file "$CINDER/cinder.conf" db sync \
            >"$CINDER/manage.log" 2>&1 || fail "cinder-manage failed: see $CINDER/manage.log"
        touch "$made"
    fi
}

# ---------------------------------------------------------------- services --
running() {                                     # running NAME: is the pid it wrote alive and ours?
    local pid
    pid=$(cat "$CLOUD_DIR/$1/pid" 2>/dev/null) || return 1
    [[ $(readlink "/proc/$pid/cwd" 2>/dev/null) == "$CLOUD_DIR/$1" ]]
}

responds() { curl -sf --noproxy '*' --max-time 5 -o /dev/null "$1"; }

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start() {                                       # start NAME PORT URL WORKERS [ENV=VALUE...]
    local name=$1 port=$2 url=$3 workers=$4 log=$CLOUD_DIR/$1/api.log
    shift 4
    stop "$name"
    ! taken "$port" || sleep 5                  # orphans of a killed master leave by themselves
    ! taken "$port" || fail "port $port is taken: set ${name^^}_PORT"
    # --no-control-socket: its default place is one per user, not one per cloud.
    env "$@" "$CLOUD_VENV/bin/gunicorn" --daemon --chdir "$CLOUD_DIR/$name" \
        --pid "$CLOUD_DIR/$name/pid" --bind "127.0.0.1:$port" --workers "$workers" \
        --timeout 120 --no-control-socket --capture-output --error-logfile "$log" app:application
    local deadline=$((SECONDS + CLOUD_START_SECONDS))
    until responds "$url"; do
        (( SECONDS < deadline )) || { stop "$name"; fail "$name did not start: see $log"; }
        sleep 0.1
    done
}

stop() {                                        # stop NAME: by the pid it wrote, if that is still ours
    local pid
    if running "$1"; then
        pid=$(<"$CLOUD_DIR/$1/pid")
        kill "$pid"
        for _ in $(seq 100); do
            [[ -d /proc/$pid ]] || break
            sleep 0.1
        done
        [[ ! -d /proc/$pid ]] || kill -9 "$pid"
    fi
    rm -f "$CLOUD_DIR/$1/pid"
}

start_keystone() {
    start keystone "$KEYSTONE_PORT" "$KEYSTONE_URL" 1 \
        OS_KEYSTONE_CONFIG_FILES="$KEYSTONE/keystone.conf"
}

start_strict() {
    start_cinder strict "$STRICT_PORT" "$STRICT_URL" 1
}

start_cinder() {                                # start_cinder NAME PORT URL WORKERS
    # Cinder monkey-patches with eventlet at import unless told not to.
    start "$1" "$2" "$3/healthcheck" "$4" OS_CINDER_DISABLE_EVENTLET_PATCHING=true
}

# ------------------------------------------- projects, users and the catalog --
populate_keystone() {
    "$CLOUD_VENV/bin/python" - "$KEYSTONE_URL" "$PASSWORD" "$CINDER_URL" "$STRICT_URL" \
        "$DEMO_PROJECT" "$OTHER_PROJECT" "$CHANGING_PROJECT" "$BARE_PROJECT" >"$CLOUD_DIR/ids" <<'PY'
import sys
import requests

url, password, cinder, strict, demo, other, changing, bare = sys.argv[1:]
scope = {'project': {'name': 'admin', 'domain': {'id': 'default'}}}
user = {'name': 'admin', 'domain': {'id': 'default'}, 'password': password}
session = requests.Session()
session.trust_env = False


def log_in():
    response = session.post(url + '/auth/tokens', json={'auth': {
        'identity': {'methods': ['password'], 'password': {'user': user}}, 'scope': scope}})
    response.raise_for_status()
    session.headers['X-Auth-Token'] = response.headers['X-Subject-Token']


def call(method, path, **kw):
    response = session.request(method, url + path, **kw)
    if response.status_code == 401:               # CLOUD_TOKEN_SECONDS is short
        log_in()
        response = session.request(method, url + path, **kw)
    response.raise_for_status()
    return response.json() if response.content else None


def ensure(kind, match, extra=None):
    """The id of the one with these attributes, made if there is none."""
    for found in call('GET', '/%ss' % kind, params=match)[kind + 's']:
        if all(found[k] == v for k, v in match.items()):
            if extra and any(found.get(k) != v for k, v in extra.items() if k != 'password'):
                call('PATCH', '/%ss/%s' % (kind, found['id']), json={kind: extra})
            return found['id']
    return call('POST', '/%ss' % kind, json={kind: dict(match, **(extra or {}))})[kind]['id']


def member(user, project, role):
    call('PUT', '/projects/%s/users/%s/roles/%s' % (project, user, ensure('role', {'name': role})))


log_in()
projects = {n: ensure('project', {'name': n, 'domain_id': 'default'})
            for n in ('service', demo, other, changing, bare)}
users = {n: ensure('user', {'name': n, 'domain_id': 'default'}, {'password': password})
         for n in ('cinder', 'demo', 'reader', 'roleless', 'outsider', 'changer', '0777')}
users['disabled'] = ensure('user', {'name': 'disabled', 'domain_id': 'default'},
                           {'password': password, 'enabled': False})
member(users['disabled'], projects[demo], 'member')
member(users['cinder'], projects['service'], 'admin')
member(users['cinder'], projects['service'], 'service')
member(users['demo'], projects[demo], 'member')
member(users['0777'], projects[demo], 'member')          # YAML 1.1 has 511 for it
member(users['demo'], projects[bare], 'member')
member(users['reader'], projects[demo], 'reader')
roleless = ensure('role', {'name': 'nothing'})
member(users['roleless'], projects[demo], 'nothing')     # a role Cinder knows nothing of
member(users['outsider'], projects[other], 'member')     # no role on demo at all
member(users['changer'], projects[changing], 'member')
# 'block-storage' is the type of today, 'volumev3' the one old clients ask for.
# Keystone is in it too: its own endpoint follows the port. A second region has
# the strict service, and the internal interface another name of the host.
path = '/v3/%(project_id)s'
inside = cinder.replace('127.0.0.1', 'localhost')
for kind, name, places in (
        ('identity', 'keystone', [('RegionOne', 'public', url), ('RegionOne', 'internal', url)]),
        ('block-storage', 'cinder', [
            ('RegionOne', 'public', cinder + path), ('RegionOne', 'internal', inside + path),
            ('RegionTwo', 'public', strict + path)]),
        ('volumev3', 'cinderv3', [
            ('RegionOne', 'public', cinder + path), ('RegionOne', 'internal', inside + path)])):
    service = ensure('service', {'type': kind}, {'name': name})
    for region, interface, at in places:
        if not any(found['id'] == region for found in call('GET', '/regions')['regions']):
            call('PUT', '/regions/' + region, json={'region': {}})
        endpoint = ensure('endpoint', {'service_id': service, 'interface': interface, 'region_id': region}, {'url': at})
        if kind == 'identity':
            path_of = '/OS-EP-FILTER/projects/%s/endpoints' % projects[bare]
            if not any(found['id'] == endpoint for found in call('GET', path_of)['endpoints']):
                call('PUT', '%s/%s' % (path_of, endpoint))

print('DEMO_PROJECT_ID=%s' % projects[demo])
print('OTHER_PROJECT_ID=%s' % projects[other])
print('CHANGING_PROJECT_ID=%s' % projects[changing])
print('DEMO_USER_ID=%s' % users['demo'])
PY
}

# -------------------------------------------------------------------- seed --
# Straight into the table: nothing here could make a backup. The same N gives
# the same ids every time.
seed() {
    . "$CLOUD_DIR/ids"
    "$CLOUD_VENV/bin/python" "$HERE/database.py" "$DATABASE_URL" seed "$CLOUD_BACKUPS" \
        "$DEMO_PROJECT_ID" "$OTHER_PROJECT_ID" "$DEMO_USER_ID"
}

# ---------------------------------------------------------------- commands --
print_env() {
    . "$CLOUD_DIR/ids"
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
export CLOUD_VENV=$CLOUD_VENV
export CLOUD_GATEWAY_DIR=$GATEWAY
export CLOUD_GATEWAY_PORT=$GATEWAY_PORT
export CLOUD_GATEWAY_HTTP_PORT=$GATEWAY_HTTP_PORT
ENV
}

up() {
    mkdir -p "$CLOUD_DIR"
    exec 9>"$CLOUD_DIR/lock"
    flock 9
    if status >/dev/null; then
        say "already up"
    else
        install
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
        say "up: keystone $KEYSTONE_URL, cinder $CINDER_URL/v3/PROJECT, $CLOUD_BACKUPS backups"
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
    [[ -z ${CLOUD_PURGE:-} ]] || rm -rf "$KEYSTONE" "$CINDER" "$STRICT" "$MARIADB" "$GATEWAY" "$CLOUD_DIR/ids"
    say "down"
}

status() {
    local bad=0 name url
    for name in "${SERVICES[@]}"; do
        case $name in
            keystone) url=$KEYSTONE_URL ;;
            cinder) url=$CINDER_URL/healthcheck ;;
            strict) url=$STRICT_URL/healthcheck ;;
            mariadb) url=$MARIADB/socket ;;
            gateway) url=http://127.0.0.1:$GATEWAY_HTTP_PORT/ ;;
        esac
        if running "$name" && { [[ -S $url ]] || responds "$url"; }; then
            printf '%s up, pid %s, %s\n' "$name" "$(<"$CLOUD_DIR/$name/pid")" "$url"
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
