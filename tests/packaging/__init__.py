# SPDX-License-Identifier: Apache-2.0
"""Packages, software bill of materials and release, really built."""
