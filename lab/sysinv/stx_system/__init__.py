# SPDX-License-Identifier: Apache-2.0
"""A stand-in for StarlingX's application framework, for tests and the lab.

It does with an application tarball what sysinv does (checks, plugins,
lifecycle hooks, overrides, images) and then installs with helm what FluxCD's
controllers would install. Everything it keeps lies below one folder.
"""
