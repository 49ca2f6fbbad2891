# SPDX-License-Identifier: Apache-2.0
"""Suites; units of Go and of the plugin are tested beside their code."""
