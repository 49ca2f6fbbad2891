# SPDX-License-Identifier: Apache-2.0
"""Plugin, double and manifests against what sysinv imposes."""
