# SPDX-License-Identifier: Apache-2.0
"""What sysinv has for all of its parts."""
