# SPDX-License-Identifier: Apache-2.0
"""Whether the manual says what the code does."""
