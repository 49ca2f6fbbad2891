# SPDX-License-Identifier: Apache-2.0
"""What sysinv knows of Helm, FluxCD and Armada."""
