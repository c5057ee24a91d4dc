#!/usr/bin/env bash
# The crate as it is published: the archive that `cargo package` makes is unpacked, built and tested with all
# features, checked with each feature alone, and documented as docs.rs does it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CLIPPY_CONF_DIR=$PWD
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
cargo package --quiet -p vbs-client --allow-dirty --no-verify

metadata() {                                    # metadata EXPRESSION: of this crate's package
    cargo metadata --no-deps --offline --format-version 1 |
        python3 -c "import json, sys; package = next(p for p in json.load(sys.stdin)['packages'] if p['name'] == 'vbs-client'); print($1)"
}
name=vbs-client-$(metadata 'package["version"]')
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
tar -xzf "$CARGO_TARGET_DIR/package/$name.crate" -C "$folder"
cd "$folder/$name"
# cargo would take it for the same package as the one here, and the build of one for that of the other.
sed -i '0,/^version = .*/s//version = "0.0.0-package"/' Cargo.toml
cargo test --quiet --all-features --no-run
http_proxy=http://127.0.0.1:1 https_proxy=http://127.0.0.1:1 cargo test --quiet --all-features

features=$(metadata '*package["features"]')
for feature in $features; do
    echo "feature $feature"
    cargo clippy --quiet --no-default-features --features "$feature" -- -D warnings
done

# docs.rs has nightly; for the whole build, that setting would build the dependencies again.
printf '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n' >"$folder/rustdoc"
chmod +x "$folder/rustdoc"
RUSTDOC=$folder/rustdoc RUSTDOCFLAGS='-D warnings --cfg docsrs' cargo doc --quiet --no-deps --all-features
