/* cluster.h - the cluster of one state folder, as witan.json says it (0600). */
#ifndef WITAN_TOOLS_CLUSTER_H
#define WITAN_TOOLS_CLUSTER_H
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

enum { MAX_PROCESSES = 300 };
struct process {
        char role[16], name[64];
        pid_t pid;                               /* 0: not running */
        char endpoint[300];                      /* gateway: URL; router: bus; else metrics */
        char metrics[64];                        /* HOST:PORT of /metrics, /healthz, /readyz */
        char planner[64];                        /* experts: where assignments are taken, or "" */
        uint32_t restarts;
        char shard[1024];                        /* experts: what --shard says */
        char revision[65];                       /* experts: the model's, hex; "": not known */
};
struct cluster {
        char http[300];                          /* URL */
        char tls_cert[4096];                     /* https: the gateway's certificate, a PEM file */
        char rpc[300];                           /* endpoint of the RPC door; "": none */
        char admin_key[80], model[4096];
        char store[4200];                        /* sqlite, or a URL without a password; "": a
                                                  * record of before it was kept */
        pid_t supervisor;
        uint32_t replicas;                       /* holders of each expert; 0: all may */
        struct process processes[MAX_PROCESSES];
        uint32_t n;
};
/* WT_ENOTFOUND: no cluster in this folder; the words say how to start one. */
wt_err cluster_read(struct cluster *c, const char *state);
/* The store that the folder's cluster was started on, "" where none was; WT_EDATA: the record
 * cannot be read. */
wt_err cluster_store(const char *state, char out[4200]);
/* setting as it is recorded: with a full path, so that it means the same in every folder. */
wt_err cluster_store_name(const char *setting, char out[4200]);
wt_err cluster_write(const struct cluster *c, const char *state);
/* The supervisor holds STATE/lock as long as it lives: a number in witan.json that is left over
 * from before a reboot may belong to anybody. */
bool cluster_lives(const char *state);
#endif
