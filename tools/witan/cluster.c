/* cluster.c - witan.json, read and written whole. */
#include "cluster.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "base/file.h"
#include "base/json.h"
#include "secure.h"

static void copy(const wt_json *j, wt_jv v, const char *key, char *out, size_t n)
{
        size_t len;
        const char *s = wt_json_str(j, wt_json_get(j, v, key), &len);

        snprintf(out, n, "%s", s != NULL ? s : "");
}

static pid_t pid_of(const wt_json *j, wt_jv v, const char *key)
{
        int64_t pid = 0;

        wt_json_i64(j, wt_json_get(j, v, key), &pid);
        return (pid_t)pid;
}

static uint32_t number(const wt_json *j, wt_jv v, const char *key)
{
        uint64_t n = 0;

        wt_json_u64(j, wt_json_get(j, v, key), &n);
        return (uint32_t)n;
}

wt_err cluster_read(struct cluster *c, const char *state)
{
        struct wt_buf b = { 0 };
        char path[4200];
        wt_json *j;
        wt_jv list;
        wt_err err;

        memset(c, 0, sizeof *c);
        snprintf(path, sizeof path, "%s/witan.json", state);
        if ((err = wt_file_read(path, 1 << 20, &b)) != WT_OK)
                return err == WT_ENOTFOUND ? wt_fail(err,
                                                     "no cluster has been started in %s; witan up "
                                                     "starts one, --state DIR names another folder",
                                                     state)
                                           : err;
        err = wt_json_parse(&j, b.data, b.len, &wt_json_default);
        wt_buf_free(&b);
        if (err != WT_OK)
                return wt_fail(err, "%s: %s; witan up writes it anew", path, wt_words());
        copy(j, 0, "http", c->http, sizeof c->http);
        copy(j, 0, "tls_cert", c->tls_cert, sizeof c->tls_cert);
        copy(j, 0, "rpc", c->rpc, sizeof c->rpc);
        copy(j, 0, "admin_key", c->admin_key, sizeof c->admin_key);
        copy(j, 0, "model", c->model, sizeof c->model);
        copy(j, 0, "store", c->store, sizeof c->store);
        c->supervisor = pid_of(j, 0, "supervisor");
        c->replicas = number(j, 0, "replicas");
        list = wt_json_get(j, 0, "processes");
        for (wt_jv v = wt_json_first(j, list); v != WT_JSON_NONE && c->n < MAX_PROCESSES;
             v = wt_json_next(j, v)) {
                struct process *p = &c->processes[c->n++];
                copy(j, v, "role", p->role, sizeof p->role);
                copy(j, v, "name", p->name, sizeof p->name);
                copy(j, v, "endpoint", p->endpoint, sizeof p->endpoint);
                copy(j, v, "metrics", p->metrics, sizeof p->metrics);
                copy(j, v, "planner", p->planner, sizeof p->planner);
                copy(j, v, "shard", p->shard, sizeof p->shard);
                copy(j, v, "revision", p->revision, sizeof p->revision);
                p->pid = pid_of(j, v, "pid");
                p->restarts = number(j, v, "restarts");
        }
        wt_json_free(j);
        secure_cluster(c->tls_cert);
        return WT_OK;
}

wt_err cluster_write(const struct cluster *c, const char *state)
{
        struct wt_buf b = { 0 };
        char path[4200];
        wt_err err;

        wt_buf_str(&b, "{");
        wt_buf_json_kv(&b, "http", c->http);
        if (c->tls_cert[0] != '\0')
                wt_buf_json_kv(&b, "tls_cert", c->tls_cert);
        wt_buf_json_kv(&b, "rpc", c->rpc);
        wt_buf_json_kv(&b, "admin_key", c->admin_key);
        wt_buf_json_kv(&b, "model", c->model);
        wt_buf_json_kv(&b, "store", c->store);
        wt_buf_json_ki(&b, "supervisor", c->supervisor);
        wt_buf_json_ku(&b, "replicas", c->replicas);
        wt_buf_json_key(&b, "processes");
        wt_buf_str(&b, "[");
        for (uint32_t i = 0; i < c->n; i++) {
                const struct process *p = &c->processes[i];
                wt_buf_json_sep(&b);
                wt_buf_str(&b, "{");
                wt_buf_json_kv(&b, "role", p->role);
                wt_buf_json_kv(&b, "name", p->name);
                wt_buf_json_ki(&b, "pid", p->pid);
                wt_buf_json_kv(&b, "endpoint", p->endpoint);
                wt_buf_json_kv(&b, "metrics", p->metrics);
                wt_buf_json_ku(&b, "restarts", p->restarts);
                if (p->planner[0] != '\0')
                        wt_buf_json_kv(&b, "planner", p->planner);
                if (p->shard[0] != '\0')
                        wt_buf_json_kv(&b, "shard", p->shard);
                if (p->revision[0] != '\0')
                        wt_buf_json_kv(&b, "revision", p->revision);
                wt_buf_str(&b, "}");
        }
        wt_buf_str(&b, "]}\n");
        snprintf(path, sizeof path, "%s/witan.json", state);
        err = wt_file_write(path, b.data, b.len, 0600);
        wt_buf_free(&b);
        return err;
}

wt_err cluster_store(const char *state, char out[4200])
{
        struct cluster *c = calloc(1, sizeof *c);
        char path[4200];
        wt_err err;

        if (c == NULL)
                return wt_fail(WT_ENOMEM, "no memory for what witan.json says");
        err = cluster_read(c, state);
        snprintf(path, sizeof path, "%s/witan.db", state);
        if (err == WT_OK && c->store[0] == '\0' && access(path, F_OK) == 0)
                snprintf(c->store, sizeof c->store, "sqlite");
        if (err == WT_OK || err == WT_ENOTFOUND)
                memcpy(out, c->store, sizeof c->store);
        free(c);
        return err == WT_ENOTFOUND ? WT_OK : err;
}

wt_err cluster_store_name(const char *setting, char out[4200])
{
        bool there = strncmp(setting, "sqlite:", 7) == 0 && setting[7] != '/';
        char *here = there ? getcwd(NULL, 0) : NULL;
        int n;

        if (there && here == NULL)
                return wt_fail(WT_EIO, "%s: there is no working folder; write a full path",
                               setting);
        n = there ? snprintf(out, 4200, "sqlite:%s/%s", here, setting + 7)
                  : snprintf(out, 4200, "%s", setting);
        free(here);
        return n < 4200 ? WT_OK : wt_fail(WT_EINVAL, "the store's name is too long");
}

bool cluster_lives(const char *state)
{
        char path[4200];
        bool held;
        int fd;

        snprintf(path, sizeof path, "%s/lock", state);
        if ((fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
                return errno != ENOENT;          /* cannot be asked: believe witan.json */
        held = flock(fd, LOCK_SH | LOCK_NB) != 0;
        close(fd);
        return held;
}
