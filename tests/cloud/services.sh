# Starting and stopping the services, a part of cloud.sh. A service is a folder with a pid.

running() {                                     # running NAME: is the pid it wrote alive and ours?
    local pid
    pid=$(cat "$RELEASE/$1/pid" 2>/dev/null) || return 1
    [[ $(readlink "/proc/$pid/cwd" 2>/dev/null) == "$RELEASE/$1" ]]
}

responds() { curl -sf --noproxy '*' --max-time 5 -o /dev/null "$1"; }

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

start() {                                       # start NAME PORT URL WORKERS [ENV=VALUE...]
    local name=$1 port=$2 url=$3 workers=$4 log=$RELEASE/$1/api.log socket=()
    shift 4
    stop "$name"
    ! taken "$port" || sleep 5                  # orphans of a killed master leave by themselves
    ! taken "$port" || fail "port $port is taken: set ${name^^}_PORT"
    # The default place of gunicorn's control socket is one per user, not one per cloud.
    (( CLOUD_CINDER < 29 )) || socket=(--no-control-socket)
    env "$@" "$VENV/bin/gunicorn" --daemon --chdir "$RELEASE/$name" \
        --pid "$RELEASE/$name/pid" --bind "127.0.0.1:$port" --workers "$workers" \
        --timeout 120 "${socket[@]}" --capture-output --error-logfile "$log" app:application
    local deadline=$((SECONDS + CLOUD_START_SECONDS))
    until responds "$url"; do
        (( SECONDS < deadline )) || { stop "$name"; fail "$name did not start: see $log"; }
        sleep 0.1
    done
}

stop() {                                        # stop NAME: by the pid it wrote, if that is still ours
    local pid
    if running "$1"; then
        pid=$(<"$RELEASE/$1/pid")
        kill "$pid"
        for _ in $(seq 100); do
            [[ -d /proc/$pid ]] || break
            sleep 0.1
        done
        [[ ! -d /proc/$pid ]] || kill -9 "$pid"
    fi
    rm -f "$RELEASE/$1/pid"
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
    start "$1" "$2" "$3/" "$4" OS_CINDER_DISABLE_EVENTLET_PATCHING=true
}
