# SPDX-License-Identifier: Apache-2.0
"""The constants a plugin or the lab's system command reads."""

import os

# Operations, as the lifecycle hooks name them.
APP_ABORT_OP = 'abort'
APP_APPLY_OP = 'apply'
APP_BACKUP = 'backup'
APP_DELETE_OP = 'delete'
APP_ETCD_BACKUP = 'etcd-backup'
APP_REMOVE_OP = 'remove'
APP_RESTORE = 'restore'
APP_UPDATE_OP = 'update'

# Hooks.
APP_LIFECYCLE_FORCE_OPERATION = 'force'
APP_LIFECYCLE_MODE_AUTO = 'auto'
APP_LIFECYCLE_TIMING_POST = 'post'
APP_LIFECYCLE_TIMING_PRE = 'pre'
APP_LIFECYCLE_TYPE_MANIFEST = 'manifest'
APP_LIFECYCLE_TYPE_OPERATION = 'operation'
APP_LIFECYCLE_TYPE_RESOURCE = 'resource'
APP_LIFECYCLE_TYPE_SEMANTIC_CHECK = 'check'

# States of an application and what is shown while it changes.
APP_APPLY_SUCCESS = 'applied'
APP_RECOVER_IN_PROGRESS = 'recovering'
APP_UPDATE_IN_PROGRESS = 'updating'

# metadata.yaml.
APP_METADATA_APPS = 'apps'
APP_METADATA_BEHAVIOR = 'behavior'
APP_METADATA_FORBIDDEN_MANUAL_OPERATIONS = 'forbidden_manual_operations'

# Files and folders of a FluxCD application.
APP_HELMREPOSITORY_FILE = 'helmrepository.yaml'
APP_BASE_HELMREPOSITORY_FILE = os.path.join('base', APP_HELMREPOSITORY_FILE)
APP_RELEASE_CLEANUP_FILE = 'helmrelease_cleanup.yaml'
APP_ROOT_KUSTOMIZE_FILE = 'kustomization.yaml'
FLUXCD_CRD_HELM_REL_VERSION = 'v2'
FLUXCD_CRD_HELM_REPO_VERSION = 'v1'

# The platform.
CONTROLLER = 'controller'
ADMIN_UNLOCKED = 'unlocked'
OPERATIONAL_ENABLED = 'enabled'
AVAILABILITY_AVAILABLE = 'available'
AVAILABILITY_DEGRADED = 'degraded'
VIM_SERVICES_ENABLED = 'services-enabled'
HELM_APP_CERT_MANAGER = 'cert-manager'
SERVICE_TYPE_DOCKER = 'docker'
SERVICE_PARAM_SECTION_DOCKER_PROXY = 'proxy'
SERVICE_PARAM_NAME_DOCKER_HTTP_PROXY = 'http_proxy'
SERVICE_PARAM_NAME_DOCKER_HTTPS_PROXY = 'https_proxy'
SERVICE_PARAM_NAME_DOCKER_NO_PROXY = 'no_proxy'
