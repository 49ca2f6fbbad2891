# SPDX-License-Identifier: Apache-2.0
"""The constants a plugin or the lab's system command reads."""

import os

# Operations, as the lifecycle hooks name them.
APP_ABORT_OP = 'abort'
APP_APPLY_OP = 'apply'
APP_BACKUP = 'backup'
APP_DELETE_OP = 'delete'
APP_DOWNGRADE_OP = 'downgrade'
APP_ETCD_BACKUP = 'etcd-backup'
APP_EVALUATE_REAPPLY_OP = 'evaluate-reapply'
APP_REAPPLY_OP = 'reapply'
APP_RECOVER_OP = 'recover'
APP_RECOVER_UPDATE_OP = 'recover-update'
APP_REMOVE_OP = 'remove'
APP_RESTORE = 'restore'
APP_ROLLBACK_OP = 'rollback'
APP_UPDATE_OP = 'update'
APP_UPLOAD_OP = 'upload'
APP_VALIDATE_OP = 'validate'

# Hooks.
APP_LIFECYCLE_FORCE_OPERATION = 'force'
APP_LIFECYCLE_MODE_AUTO = 'auto'
APP_LIFECYCLE_MODE_MANUAL = 'manual'
APP_LIFECYCLE_OPERATION_MTC_ACTION = 'mtc-action'
APP_LIFECYCLE_TIMING_POST = 'post'
APP_LIFECYCLE_TIMING_PRE = 'pre'
APP_LIFECYCLE_TIMING_STATUS = 'status'
APP_LIFECYCLE_TYPE_ARMADA_REQUEST = 'armada-request'
APP_LIFECYCLE_TYPE_FLUXCD_REQUEST = 'fluxcd-request'
APP_LIFECYCLE_TYPE_MANIFEST = 'manifest'
APP_LIFECYCLE_TYPE_OPERATION = 'operation'
APP_LIFECYCLE_TYPE_RBD = 'rbd'
APP_LIFECYCLE_TYPE_RESOURCE = 'resource'
APP_LIFECYCLE_TYPE_SEMANTIC_CHECK = 'check'

# States of an application and what is shown while it changes.
APP_APPLY_FAILURE = 'apply-failed'
APP_APPLY_IN_PROGRESS = 'applying'
APP_APPLY_SUCCESS = 'applied'
APP_RECOVER_IN_PROGRESS = 'recovering'
APP_REMOVE_FAILURE = 'remove-failed'
APP_REMOVE_IN_PROGRESS = 'removing'
APP_UPDATE_IN_PROGRESS = 'updating'
APP_UPLOAD_FAILURE = 'upload-failed'
APP_UPLOAD_IN_PROGRESS = 'uploading'
APP_UPLOAD_SUCCESS = 'uploaded'
APP_PROGRESS_APPLY_MANIFEST = 'applying application manifest'
APP_PROGRESS_COMPLETED = 'completed'
APP_PROGRESS_DELETE_MANIFEST = 'deleting application manifest'
APP_PROGRESS_DOWNLOAD_IMAGES = 'retrieving docker images'
APP_PROGRESS_EXTRACT_TARFILE = 'extracting application tar file'
APP_PROGRESS_GENERATE_OVERRIDES = 'generating application overrides'
APP_PROGRESS_RECOVER_COMPLETED = (
    'Application recover to version {} completed. ')
APP_PROGRESS_UPDATE_COMPLETED = (
    'Application update from version {} to version {} completed.')
APP_PROGRESS_VALIDATE_UPLOAD_CHARTS = 'validating and uploading charts'

# metadata.yaml.
APP_METADATA_APPS = 'apps'
APP_METADATA_BEHAVIOR = 'behavior'
APP_METADATA_FORBIDDEN_MANUAL_OPERATIONS = 'forbidden_manual_operations'
APP_METADATA_MAINTAIN_ATTRIBUTES = 'maintain_attributes'
APP_METADATA_MAINTAIN_USER_OVERRIDES = 'maintain_user_overrides'
APP_METADATA_MAXIMUM = 'maximum'
APP_METADATA_MINIMUM = 'minimum'
APP_METADATA_NAME = 'app_name'
APP_METADATA_SUPPORTED_K8S_VERSION = 'supported_k8s_version'
APP_METADATA_VERSION = 'app_version'

# Files and folders of a FluxCD application.
APP_FLUXCD_MANIFEST_DIR = 'fluxcd-manifests'
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
DOCKER_REGISTRY_HOST = 'registry.local'
DOCKER_REGISTRY_PORT = '9001'
DOCKER_REGISTRY_SERVER = '%s:%s' % (DOCKER_REGISTRY_HOST,
                                    DOCKER_REGISTRY_PORT)
HELM_APP_APPLY_MODES = {}
HELM_APP_CERT_MANAGER = 'cert-manager'
SERVICE_TYPE_DOCKER = 'docker'
SERVICE_PARAM_SECTION_DOCKER_PROXY = 'proxy'
SERVICE_PARAM_NAME_DOCKER_HTTP_PROXY = 'http_proxy'
SERVICE_PARAM_NAME_DOCKER_HTTPS_PROXY = 'https_proxy'
SERVICE_PARAM_NAME_DOCKER_NO_PROXY = 'no_proxy'
