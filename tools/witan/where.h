/* where.h - where the programs and the model are. */
#ifndef WITAN_TOOLS_WHERE_H
#define WITAN_TOOLS_WHERE_H
#include "base/conf.h"

/* The folder of this program, without '/' at its end. */
wt_err where_bin(char out[4096]);
/* The model folder as a full path. The default one may also lie beside the build folder. */
wt_err where_model(const wt_conf *c, char out[4096]);
#endif
