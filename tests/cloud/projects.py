"""Keystone's projects, users and catalog: makes those that are missing.

    projects.py KEYSTONE PASSWORD CINDER STRICT DEMO OTHER CHANGING BARE
                                               the URLs of the services, a password for all users, and the names of
                                               the projects; prints their ids as lines of shell
"""
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
        ('identity', 'keystone', [
            # The last one for Cinder 12.
            ('RegionOne', 'public', url), ('RegionOne', 'internal', url), ('RegionOne', 'admin', url)]),
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
