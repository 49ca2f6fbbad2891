# SPDX-License-Identifier: Apache-2.0
"""The whole path, as an operator goes it, on a real node."""
