#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# sluice-test: vm timeout=180
#
# The same with Linux 6.1, which has no list of XDP features and no GRO after a cpumap.
exec "$(dirname "$0")/probe.sh"
