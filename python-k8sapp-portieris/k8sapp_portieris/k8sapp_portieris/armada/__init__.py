# SPDX-License-Identifier: Apache-2.0
"""What sysinv asks about the Armada manifest."""
