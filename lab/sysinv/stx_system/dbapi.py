# SPDX-License-Identifier: Apache-2.0
"""The rows of sysinv's database that applications live by, in one file."""

import datetime
import json
import os

from sysinv.common import exception

FIRST_CONTENT = {
    'isystem': {'name': 'lab', 'system_mode': 'simplex',
                'system_type': 'All-in-one', 'capabilities': {},
                'distributed_cloud_role': None},
    'ihosts': [{'hostname': 'controller-0', 'personality': 'controller',
                'invprovision': 'provisioned', 'administrative': 'unlocked',
                'operational': 'enabled', 'availability': 'available',
                'vim_progress_status': 'services-enabled'}],
    'service_parameters': [],
    # Every StarlingX has cert-manager applied before any other application;
    # in the lab its controllers run without a tarball of their own.
    'kube_apps': [{'id': 1, 'name': 'cert-manager', 'app_version': '1.0-1',
                   'manifest_name': 'cert-manager-fluxcd-manifests',
                   'manifest_file': 'fluxcd-manifests',
                   'status': 'applied', 'progress': 'completed',
                   'app_metadata': {}, 'helm_repo': None, 'pid': None,
                   'created_at': None, 'updated_at': None}],
    'helm_overrides': [],
}


class Row(object):
    """One row; its columns are attributes."""

    def __init__(self, columns):
        self.__dict__.update(columns)


class DBAPI(object):
    """``sysinv.db.api`` as far as applications and their plugins ask."""

    def __init__(self, path):
        self._path = path
        try:
            with open(path) as stored:
                self._tables = json.load(stored)
        except FileNotFoundError:
            self._tables = json.loads(json.dumps(FIRST_CONTENT))
            self._save()

    def _save(self):
        os.makedirs(os.path.dirname(self._path), exist_ok=True)
        with open(self._path + '.new', 'w') as stored:
            json.dump(self._tables, stored, indent=1, sort_keys=True)
        os.replace(self._path + '.new', self._path)

    # The platform.

    def isystem_get_one(self):
        return Row(self._tables['isystem'])

    def count_hosts_matching_criteria(self, **criteria):
        def fits(host):
            for key, wanted in criteria.items():
                several = wanted if isinstance(wanted, list) else [wanted]
                if wanted is not None and host[key] not in several:
                    return False
            return True
        return sum(1 for host in self._tables['ihosts'] if fits(host))

    def service_parameter_get_one(self, service=None, section=None,
                                  name=None, personality=None,
                                  resource=None):
        wanted = {'service': service, 'section': section, 'name': name}
        found = [row for row in self._tables['service_parameters']
                 if all(value in (None, row[key])
                        for key, value in wanted.items())]
        if not found:
            raise exception.NotFound()
        if len(found) > 1:
            raise exception.MultipleResults()
        return Row(found[0])

    # Applications. Versions that were active before are told by the status.

    def kube_app_get_all(self):
        return [Row(row) for row in self._tables['kube_apps']
                if row['status'] != 'inactive']

    def kube_app_get(self, name):
        for row in self.kube_app_get_all():
            if row.name == name:
                return row
        raise exception.KubeAppNotFound(name=name)

    def kube_app_get_inactive(self, name, limit=None, marker=None,
                              sort_key=None, sort_dir=None):
        return [Row(row) for row in self._tables['kube_apps']
                if (row['name'], row['status']) == (name, 'inactive')]

    def kube_app_create(self, values):
        rows = self._tables['kube_apps']
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        row = {'id': 1 + max([old['id'] for old in rows] or [0]),
               'status': 'uploading', 'progress': None,
               'app_metadata': {}, 'helm_repo': None, 'pid': None,
               'created_at': now, 'updated_at': None}
        row.update(values)
        rows.append(row)
        self._save()
        return Row(row)

    def kube_app_update(self, app_id, values):
        now = datetime.datetime.now(datetime.timezone.utc).isoformat()
        for row in self._tables['kube_apps']:
            if row['id'] == app_id:
                row.update(values, updated_at=now)
                self._save()
                return Row(row)
        raise exception.KubeAppNotFound(name=app_id)

    def kube_app_destroy(self, app_id):
        for table, column in (('kube_apps', 'id'),
                              ('helm_overrides', 'app_id')):
            self._tables[table] = [row for row in self._tables[table]
                                   if row[column] != app_id]
        self._save()

    # Overrides.

    def _override(self, app_id, name, namespace):
        for row in self._tables['helm_overrides']:
            if (row['app_id'], row['name'], row['namespace']) == (
                    app_id, name, namespace):
                return row
        raise exception.HelmOverrideNotFound(name=name, namespace=namespace)

    def helm_override_get(self, app_id, name, namespace):
        return Row(self._override(app_id, name, namespace))

    def helm_override_get_all(self, app_id):
        return [Row(row) for row in self._tables['helm_overrides']
                if row['app_id'] == app_id]

    def helm_override_create(self, values):
        row = {'user_overrides': None, 'system_overrides': {}}
        row.update(values)
        self._tables['helm_overrides'].append(row)
        self._save()
        return Row(row)

    def helm_override_update(self, app_id, name, namespace, values):
        row = self._override(app_id, name, namespace)
        row.update(values)
        self._save()
        return Row(row)
