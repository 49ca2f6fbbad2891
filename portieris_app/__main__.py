# SPDX-License-Identifier: Apache-2.0
from portieris_app import cli

cli.entry()
