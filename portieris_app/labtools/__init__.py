# SPDX-License-Identifier: Apache-2.0
"""What 'portieris-app lab' needs beside the node itself."""
