# MariaDB as Cinder's database, a part of cloud.sh: a server of its own in $MARIADB, on a socket there.
# It is as fast as it can be: nothing in it has to survive a crash.

install_mariadb() {
    debian_package mariadbd mariadb-server-core
    # mariadb-install-db calls it.
    debian_package my_print_defaults mariadb-client-core
    [[ ! -d $MARIADB/mysql ]] || return 0
    say "making MariaDB's system tables"
    mkdir -p "$MARIADB"
    mariadb-install-db --no-defaults --datadir="$MARIADB" --user="$(id -un)" --auth-root-authentication-method=normal \
        --skip-test-db >"$RELEASE/mariadb-install.log" 2>&1 ||
        fail "mariadb-install-db failed: see $RELEASE/mariadb-install.log"
}

start_mariadb() {
    stop mariadb
    # The character set and the collation are those of Debian's configuration.
    setsid mariadbd --no-defaults --datadir="$MARIADB" --user="$(id -un)" --skip-networking \
        --socket="$MARIADB/socket" --pid-file="$MARIADB/pid" --log-error="$MARIADB/log" \
        --character-set-server=utf8mb4 --collation-server=utf8mb4_general_ci \
        --innodb-flush-log-at-trx-commit=0 --innodb-buffer-pool-size=64M </dev/null >/dev/null 2>&1 &
    local deadline=$((SECONDS + CLOUD_START_SECONDS))
    until "$TOOLS/bin/python" - "$MARIADB/socket" 2>/dev/null <<'PY'
import sys
import pymysql
pymysql.connect(unix_socket=sys.argv[1], user='root').cursor().execute('create database if not exists cinder')
PY
    do
        (( SECONDS < deadline )) || { stop mariadb; fail "MariaDB did not start: see $MARIADB/log"; }
        sleep 0.1
    done
}
