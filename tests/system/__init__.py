# SPDX-License-Identifier: Apache-2.0
"""The system command of the lab, run as a program."""
