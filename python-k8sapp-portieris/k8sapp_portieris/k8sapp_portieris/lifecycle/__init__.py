# SPDX-License-Identifier: Apache-2.0
"""What sysinv calls at each step of an operation."""
