"""What openstacksdk makes of settings, or with the argument `command` the `openstack` command: reads a JSON list of
{"folder", "environment"} from stdin, and prints for each the endpoint that it resolves, as JSON: {"endpoint"} or
{"error"}.

openstacksdk looks for its files when it is imported, so each case is a process of its own. What it imports and
what looks for nothing is imported before that.
"""
import io
import json
import os
import sys
import warnings

import keystoneauth1.loading  # noqa: F401
import keystoneauth1.session  # noqa: F401
import requests  # noqa: F401
import yaml  # noqa: F401


def resolve(folder, environment):
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    warnings.simplefilter('ignore')
    if sys.argv[1:] == ['command']:
        from openstackclient import shell
        sys.stdout = sys.stderr = io.StringIO()
        app = shell.OpenStackShell()
        # What it has set up to run a command is what all its commands use.
        if app.run(['token', 'issue']) != 0:
            raise RuntimeError(sys.stderr.getvalue())
        return app.client_manager.sdk_connection.block_storage.get_endpoint()
    import openstack
    return openstack.connect().block_storage.get_endpoint()


def answer(case, out):
    try:
        endpoint = resolve(**case)
        result = {'endpoint': endpoint} if endpoint else {'error': 'no endpoint'}
    except BaseException as error:
        result = {'error': '%s: %s' % (type(error).__name__, error)}
    with os.fdopen(out, 'w') as file:
        json.dump(result, file)


results = []
for case in json.load(sys.stdin):
    source, out = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(source)
        answer(case, out)
        os._exit(0)
    os.close(out)
    with os.fdopen(source) as file:
        results.append(json.load(file))
    os.waitpid(child, 0)
json.dump(results, sys.stdout)
