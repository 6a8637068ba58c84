/* SPDX-License-Identifier: GPL-2.0 */
/* The part of "sluice sim" about steering; argv begins behind "steer". */
#ifndef SLUICE_CLI_CMD_SIM_STEER_H
#define SLUICE_CLI_CMD_SIM_STEER_H

#include "cli/cli.h"

int cmd_sim_steer(struct cli *cli, int argc, char **argv);

#endif
