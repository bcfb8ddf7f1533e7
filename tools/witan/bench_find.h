/* bench_find.h - whom witan bench online asks: a cluster by its address, or a server somewhere by
 * --url and --key-file. */
#ifndef WITAN_TOOLS_BENCH_FIND_H
#define WITAN_TOOLS_BENCH_FIND_H
#include "bench.h"
#include "bench_client.h"

/* t->address, ->at, ->host and ->secure of http://HOST[:PORT] or https://HOST[:PORT], where a path
 * is refused. https goes by what secure.h was told. */
wt_err bench_find_at(struct bench_target *t, const char *url);

struct bench_remote { char url[300], key[256], model[256]; uint64_t context; };  /* 0: not said */
/* Reads the key (its first line is the bearer) and asks the server which model it serves: the
 * first of its list. Words name the flag that is wrong. */
wt_err bench_find_remote(const struct call *c, struct bench_remote *out);
#endif
