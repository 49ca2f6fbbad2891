# SPDX-License-Identifier: Apache-2.0
"""What sysinv sends over RPC."""
