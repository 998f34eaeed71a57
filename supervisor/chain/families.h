#pragma once
/* The families themselves, for family.c; everybody else asks chain_family_by_name(). */
#include "chain/family.h"

extern const ChainFamily chain_family_evm;
extern const ChainFamily chain_family_klaytn;
extern const ChainFamily chain_family_cometbft;
extern const ChainFamily chain_family_exec;
