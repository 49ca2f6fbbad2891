# SPDX-License-Identifier: Apache-2.0
"""sysinv's database, or rather the door to it."""
