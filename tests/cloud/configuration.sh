# What the services read, a part of cloud.sh: their configuration, and how gunicorn loads them.

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

    # Keystone 13 is put together by paste.
    [[ ! -f $VENV/etc/keystone/keystone-paste.ini ]] || cp "$VENV/etc/keystone/keystone-paste.ini" "$KEYSTONE/"

    # It reads sys.argv when it loads, which under gunicorn is gunicorn's.
    cat >"$KEYSTONE/app.py" <<PY
import sys
sys.argv = ['keystone', '--config-file', '$KEYSTONE/keystone.conf']
from keystone.server import wsgi
application = wsgi.initialize_public_application()
PY
}

configure_cinder() {                            # configure_cinder FOLDER FILTERS EXTRA_LINES
    mkdir -p "$1/state"
    # Which filters a user who is not an admin may name (microversion 3.31 and
    # up). "name~" must be listed literally: "name" does not imply it. From 3.34 on, "name~" implies "name".
    local quoted
    # shellcheck disable=SC2086  # the words of it, one by one
    quoted=$(printf '"%s", ' $2)
    cat >"$1/resource_filters.json" <<JSON
{"backup": [${quoted%, }]}
JSON

    cat >"$1/cinder.conf" <<CONF
[DEFAULT]
auth_strategy = keystone
api_paste_config = $VENV/etc/cinder/api-paste.ini
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
# As it is by default from Cinder 16 on; before, it is 'admin'.
interface = internal
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
