# The releases of Cinder, each with the Keystone of its time, a part of cloud.sh. Each has a venv of its own, which is
# kept. All that is installed stands in releases/N.txt, made by `pip freeze`, without what only backups to foreign
# stores need: zstd, boto3, google-api-python-client, and what these need.

python_versions() {                             # python_versions RELEASE: those that it runs with
    case $1 in
        1[2-6]) echo 3.6 ;;
        1[7-9]|2[01]) echo 3.8 ;;
        22) echo 3.11 3.10 ;;
        23) echo 3.10 ;;
        2[4-8]) echo 3.11 ;;
        29) echo 3.11 3.12 3.13 ;;
        *) fail "no Cinder $1 is known here: CLOUD_CINDER is a number from 12 to 29" ;;
    esac
}

find_python() {                                 # find_python VERSION
    local python
    for python in "$CLOUD_PYTHON" "python$1" python3 "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
        if [[ $("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) == "$1" ]]; then
            printf '%s' "$python"
            return
        fi
    done
    return 1
}

install_release() {                             # install_release RELEASE VENV
    local pins=$HERE/releases/$1.txt stamp=$2/.installed versions version python=''
    versions=$(python_versions "$1")
    # Clouds of two releases, started at the same time, share that of 29.
    mkdir -p "$(dirname "$2")"
    exec 8>"$2.lock"
    flock 8
    [[ ! -f $stamp ]] || ! cmp -s "$pins" "$stamp" || { exec 8>&-; return; }
    for version in $versions; do
        python=$(find_python "$version") && break
    done
    [[ $python ]] || fail "Cinder $1 needs Python ${versions// / or }, which is not here: CLOUD_PYTHON may name it"
    say "installing Cinder $1 and its Keystone into $2, with Python $version"
    rm -rf "$2"
    "$python" -m venv "$2" || fail "no venv: on Debian, apt-get install python$version-venv"
    # What is built from source was written for the setuptools of its time, also where pip builds it apart.
    local setuptools='setuptools<68' pip=("$2/bin/pip" install --quiet --disable-pip-version-check)
    [[ $version != 3.[68] ]] || setuptools='setuptools<58'
    printf '%s\n' "$setuptools" >"$2/build.txt"
    {
        # Python 3.6 comes with a pip that knows few wheels.
        { [[ $version != 3.6 ]] || "${pip[@]}" --upgrade 'pip<22'; } &&
        "${pip[@]}" "$setuptools" wheel "$(grep '^pbr==' "$pins")" &&
        # Not compiled, because most of it is never imported.
        PIP_CONSTRAINT=$2/build.txt "${pip[@]}" --no-compile --no-deps --requirement "$pins"
    } >"$2/pip.log" 2>&1 || fail "pip install failed: $(tail -3 "$2/pip.log")"
    cp "$pins" "$stamp"
    exec 8>&-
}
