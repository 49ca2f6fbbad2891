# SPDX-License-Identifier: Apache-2.0
"""What portieris-app makes and says, on real builds."""
