# SPDX-License-Identifier: Apache-2.0
"""Unit tests; they run wherever sysinv, or its double, is."""
