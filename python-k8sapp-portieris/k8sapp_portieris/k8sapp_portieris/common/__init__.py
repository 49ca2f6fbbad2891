# SPDX-License-Identifier: Apache-2.0
"""Names, sentences and values; nothing here knows sysinv."""
