"""Cinder's database, sqlite or MariaDB, behind the back of Cinder.

    database.py URL seed COUNT DEMO_PROJECT OTHER_PROJECT USER
    database.py URL rows PROJECT               the backups of a project as JSON, in the order of the list
    database.py URL insert PROJECT <JSON       the backups of a list of objects, with defaults for what they lack
    database.py URL execute PROJECT [SECONDS] <JSON
                                               a list of SQL statements, with the project for `:project`; with
                                               SECONDS, each in a transaction of its own, and a pause after it
"""
import datetime
import functools
import json
import random
import sqlite3
import sys
import time
import uuid

BACKUPS = ('created_at updated_at deleted id volume_id user_id project_id host status service display_name '
           'display_description availability_zone container fail_reason size object_count parent_id '
           'num_dependent_backups snapshot_id data_timestamp encryption_key_id').split()
# All that Cinder's BackupStatus knows but 'deleted'; a row with any other makes
# every list that reaches it a 500.
STATUSES = ['available', 'error', 'restoring', 'creating', 'deleting', 'error_deleting']
START = datetime.datetime(2026, 1, 1)


# created_at carries microseconds because sqlite compares dates as text and SQLAlchemy writes the
# marker with them: without, the marker's own row comes back on the next page.
def time_text(seconds):
    return (START + datetime.timedelta(seconds=seconds)).strftime('%Y-%m-%d %H:%M:%S.%f')


def seeded(project, user, count, seed):
    """The same count and seed are the same rows every time."""
    rng = random.Random(seed)
    some_id = lambda: str(uuid.UUID(int=rng.getrandbits(128), version=4))
    volumes = [some_id() for _ in range(50)]
    for i in range(count):
        status = STATUSES[i // 3 % 6] if i % 3 == 0 else 'available'
        key = '%08x-0000-4000-8000-000000000000' % i
        yield dict(
            created_at=time_text(i), deleted=0, id=some_id(), volume_id=volumes[i % 50], user_id=user,
            project_id=project, host='host@test', status=status, service='fake',
            display_name=None if i % 7 == 0 else '%s-%05d' % ('nightly' if i % 2 else 'weekly', i),
            # What only the list with details shows: each of it null in some rows, where it can be.
            updated_at=None if i % 4 == 0 else time_text(i + 3600.000001),
            display_description=[None, '', 'before the upgrade\n"1 < 2" \u2713'][i % 3],
            availability_zone=[None, 'nova', 'eu-de-01'][i % 3],
            container=None if i % 5 == 0 else 'volumes/%d' % (i % 11),
            fail_reason='no backup service\u2026' if status.startswith('error') else None,
            size=None if i % 97 == 0 else i * i, object_count=None if i % 89 == 0 else i % 23,
            parent_id=None if i % 6 == 0 else key,
            num_dependent_backups=[None, 0, 1, 12][i % 4],
            snapshot_id=None if i % 8 else key, data_timestamp=None if i % 9 == 0 else time_text(i - 60.5),
            # The second one is what Cinder's own key manager has for all, and does not show.
            encryption_key_id=[None, '0' * 8 + '-0000-0000-0000-' + '0' * 12, key][i % 3])


def metadata(i):
    """None, one or two pairs."""
    return [('tier', 'gold'), ('\u00e9 %d' % i, '')][:i % 3]


def insert(db, rows):
    # An older release has fewer columns.
    there = {column['name'] for column in sqlalchemy.inspect(db).get_columns('backups')}
    columns = [name for name in BACKUPS if name in there]
    names = ', '.join(columns), ', '.join(':' + name for name in columns)
    rows = [{name: row.get(name) for name in columns} for row in rows]
    if rows:
        db.execute(sqlalchemy.text('insert into backups (%s) values (%s)' % names), rows)


def seed(db, count, demo, other, user):
    db.exec_driver_sql('delete from backup_metadata')
    db.exec_driver_sql('delete from backups')
    lists = [list(seeded(demo, user, int(count), 1)), list(seeded(other, user, 10, 2))]
    for rows in lists:
        insert(db, rows)
        db.execute(
            sqlalchemy.text('insert into backup_metadata (deleted, backup_id, `key`, value) values (0, :id, :key, :value)'),
            [dict(id=row['id'], key=key, value=value) for i, row in enumerate(rows) for key, value in metadata(i)])


def rows(db, project):
    found = db.execute(sqlalchemy.text(
        'select * from backups where deleted = 0 and project_id = :project order by created_at desc, id desc'),
        dict(project=project))
    found = [dict(row, metadata={}) for row in found.mappings()]
    by_id = {row['id']: row for row in found}
    for id, key, value in db.exec_driver_sql('select backup_id, `key`, value from backup_metadata where deleted = 0'):
        if id in by_id:
            by_id[id]['metadata'][key] = value
    json.dump(found, sys.stdout, default=str)


def insert_list(db, project):
    defaults = dict(deleted=0, volume_id='v', user_id='u', project_id=project, host='h', status='available', size=1,
                    num_dependent_backups=0, object_count=0, service='fake')
    insert(db, [dict(defaults, **row) for row in json.load(sys.stdin)])


def execute(db, project, seconds=None, text=str):
    for statement in json.load(sys.stdin):
        db.execute(text(statement), dict(project=project) if ':project' in statement else {})
        if seconds:
            db.commit()
            time.sleep(float(seconds))


def main(url, command, *arguments):
    if command == 'execute' and url.startswith('sqlite:///'):
        # A test does it often, and SQLAlchemy takes half a second to load.
        db = sqlite3.connect(url[len('sqlite:///'):])
        execute(db, *arguments)
        db.commit()
        return
    global sqlalchemy
    import sqlalchemy
    with sqlalchemy.create_engine(url).connect() as db:
        execute_text = functools.partial(execute, text=sqlalchemy.text)
        dict(seed=seed, rows=rows, insert=insert_list, execute=execute_text)[command](db, *arguments)
        db.commit()


if __name__ == '__main__':
    main(*sys.argv[1:])
