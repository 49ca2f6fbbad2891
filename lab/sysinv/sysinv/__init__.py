# SPDX-License-Identifier: Apache-2.0
"""A small double of the parts of sysinv that an application plugin meets.

It is written from the documented behaviour of StarlingX's sysinv, holds no
code of it, and is checked name by name and signature by signature against
the API of every release in tests/contract/sysinv-api. As it stands it is
the sysinv of the master branch; sysinv.double turns it into another one.
"""
