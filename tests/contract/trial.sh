#!/usr/bin/env bash
# Adds a parameter to the contract of a copy of this crate, and nothing else, and uses it there as a
# user of the crate would: it has a documented method, its wire name, and raises the microversion.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r "$root"/{Cargo.toml,Cargo.lock,build,build.rs,docs,openapi,src,cli,examples,benches,tests,README.md} "$copy"
cd "$copy"
# cargo would take it for the same package, and the build of one for that of the other.
sed -i '0,/^version = .*/s//version = "0.0.0-trial"/' Cargo.toml

python3 - openapi/vbs.yaml <<'PY'
import sys
path = sys.argv[1]
contract = open(path).read()
for before, new in [
    ("        - $ref: '#/components/parameters/limit'\n", "        - $ref: '#/components/parameters/updated_at_like'\n"),
    ('    limit:\n', '''\
    updated_at_like:
      name: updated-at~
      in: query
      description: Only backups of about this time.
      x-rust-name: updated_at_like
      x-openstack: {min-ver: "3.60"}
      schema: {type: string, maxLength: 20}

'''),
]:
    assert contract.count(before) == 1, before
    contract = contract.replace(before, new + before)
open(path, 'w').write(contract)
PY

echo 'mod trial;' >>tests/suite/main.rs
cat >tests/suite/trial.rs <<'RS'
use crate::support::server::Server;

#[tokio::test]
async fn a_new_parameter_is_sent_and_checked() {
    let server = Server::fixed(200, r#"{"backups":[]}"#).await;
    let request = server.client().list_backups().updated_at_like("2026-11").with_count(true);
    request.send().await.unwrap();
    server.client().list_backups_detail().updated_at_like("2026-11").send().await.unwrap();
    for sent in server.requests() {
        assert_eq!(sent.get("updated-at~"), Some("2026-11"));
        assert_eq!(sent.microversion(), Some("volume 3.60"));
    }
    let error = request.updated_at_like("x".repeat(21)).send().await.unwrap_err();
    assert!(error.to_string().starts_with("invalid parameter updated-at~: "), "{error}");
}
RS
CARGO_TARGET_DIR=$target cargo test --quiet --test suite -- trial:: contract:: arguments:: api:: detail::
CARGO_TARGET_DIR=$target cargo run --quiet -- --help | grep -e '--updated-at-like'
