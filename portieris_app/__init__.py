# SPDX-License-Identifier: Apache-2.0
"""Builds, verifies and tries the Portieris application for StarlingX."""
