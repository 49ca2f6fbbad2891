# SPDX-License-Identifier: Apache-2.0
"""Whether the node starts, serves and leaves nothing behind."""
