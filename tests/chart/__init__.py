# SPDX-License-Identifier: Apache-2.0
"""Tests of the chart and of the manifests around it."""
