# SPDX-License-Identifier: Apache-2.0
"""The plugins with which sysinv runs the Portieris application."""
