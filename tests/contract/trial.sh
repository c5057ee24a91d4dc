#!/usr/bin/env bash
# Adds to the contract of a copy of this crate what its owner may add: the examples of docs/contract.md, a field of every
# kind, and operations that return one object; and nothing else. Then a program uses all of it on the mock, and the tool
# has it, too.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r "$root"/{Cargo.toml,Cargo.lock,build,build.rs,docs,openapi,src,cli,examples,benches,README.md} "$copy"
mkdir "$copy/tests"
cp "$root/tests/contract/trial.rs" "$copy/tests"
cd "$copy"
# cargo would take it for the same package, and the build of one for that of the other.
sed -i '0,/^version = .*/s//version = "0.0.0-trial"/' Cargo.toml

python3 "$root/tests/contract/trial.py" docs/contract.md openapi/vbs.yaml
export CARGO_TARGET_DIR=$target
cargo test --quiet --test trial
# There is a number in it, and no other warning.
warnings=$(cargo check -p vbs-client --no-default-features 2>&1)
grep 'schema `BackupDetail`: property `zz_number` is a number' <<<"$warnings"
if grep '^warning' <<<"$warnings" | grep -v 'is a number'; then exit 1; fi
tool() {
    cargo run --quiet -- "$@"
}
tool --help | grep -e '--created-at-like'
tool --detail --max 9 --format json | grep '"zz_text"'
tool --detail --max 9 --format csv | grep 'id,.*zz_text'

# The tool knows no field by name: one that goes, and one of another type, are no errors there.
python3 - openapi/vbs.yaml <<'PY'
import re, sys
path = sys.argv[1]
contract = open(path).read()
for before, after in [
    (r'        - size\n', ''),
    (r'        size:\n(          .*\n)+', ''),
    (r'(        is_incremental:\n(?:          .*\n)*?          type: )boolean', r'\1string\n          x-column: KIND'),
]:
    contract, found = re.subn(before, after, contract, count=1)
    assert found == 1, before
open(path, 'w').write(contract)
PY
cargo run --quiet -- --detail --max 1 2>&1 | grep -x 'ID  *STATUS  *AGE  *KIND  *NAME'
