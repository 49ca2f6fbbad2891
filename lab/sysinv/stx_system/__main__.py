# SPDX-License-Identifier: Apache-2.0
"""python -m stx_system"""

import sys

from stx_system import cli

sys.exit(cli.main())
