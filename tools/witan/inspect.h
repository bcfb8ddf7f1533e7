/* inspect.h - witan models inspect FOLDER. */
#ifndef WITAN_TOOLS_INSPECT_H
#define WITAN_TOOLS_INSPECT_H
#include "verb.h"

int inspect_run(struct call *c);                 /* words[1]: the folder */
#endif
