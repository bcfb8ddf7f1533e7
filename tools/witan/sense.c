/* sense.c - see sense.h. One rule, one function. */
#include "sense.h"
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "near.h"
#include "secure.h"

int sense_port(const char *address)
{
        const char *colon = strrchr(address, ':');
        char *end;
        long port;

        if (colon == NULL || colon[1] < '0' || colon[1] > '9')
                return -1;
        port = strtol(colon + 1, &end, 10);
        return *end == '\0' && port <= 65535 ? (int)port : -1;
}

static wt_err log_level(const wt_conf *c)
{
        static const char *const levels[] = { "error", "warn", "notice", "info", "debug", NULL };
        const char *s = wt_conf_str(c, WT_SET_log_level), *near;

        if (wt_level_of(s) >= 0)
                return WT_OK;
        near = near_word(s, levels);
        return wt_fail(WT_EINVAL,
                       "log_level: '%s' (%s) is no level; say error, warn, notice, info or debug"
                       "%s%s%s",
                       s, wt_conf_where(c, WT_SET_log_level), near != NULL ? "; did you mean " : "",
                       near != NULL ? near : "", near != NULL ? "?" : "");
}

static wt_err http(const wt_conf *c)
{
        const char *s = wt_conf_str(c, WT_SET_http);

        if (sense_port(s) >= 0)
                return WT_OK;
        return wt_fail(
                WT_EINVAL,
                "http: '%s' (%s) is no address; write HOST:PORT such as 127.0.0.1:8080, port "
                "0 for any free one",
                s, wt_conf_where(c, WT_SET_http));
}

static wt_err bus(const wt_conf *c)
{
        const char *s = wt_conf_str(c, WT_SET_bus);

        if ((strncmp(s, "tcp://", 6) == 0 && sense_port(s + 6) >= 0) ||
            (strncmp(s, "ipc://", 6) == 0 && s[6] != '\0'))
                return WT_OK;
        return wt_fail(WT_EINVAL,
                       "bus: '%s' (%s) is no endpoint; write tcp://HOST:PORT or ipc://PATH", s,
                       wt_conf_where(c, WT_SET_bus));
}

static wt_err replicas(const wt_conf *c)
{
        uint64_t r = wt_conf_u64(c, WT_SET_replicas), n = wt_conf_u64(c, WT_SET_experts);

        if (r <= n)
                return WT_OK;
        return wt_fail(WT_EINVAL,
                       "replicas: %llu (%s) needs as many workers, and experts is %llu (%s); raise "
                       "experts or lower replicas",
                       (unsigned long long)r, wt_conf_where(c, WT_SET_replicas),
                       (unsigned long long)n, wt_conf_where(c, WT_SET_experts));
}

static wt_err gpu(const wt_conf *c)
{
        const char *s = wt_conf_str(c, WT_SET_gpu);

        if (strcmp(s, "auto") == 0 || strcmp(s, "none") == 0 || s[strspn(s, "0123456789")] == '\0')
                return WT_OK;
        return wt_fail(
                WT_EINVAL,
                "gpu: '%s' (%s) is neither a number nor a word that is known; say auto, none "
                "or how many",
                s, wt_conf_where(c, WT_SET_gpu));
}

static wt_err audit_text(const wt_conf *c)
{
        static const char *const words[] = { "absent", "encrypted", NULL };
        const char *s = wt_conf_str(c, WT_SET_audit_text), *near = near_word(s, words);

        if (strcmp(s, words[0]) == 0 || strcmp(s, words[1]) == 0)
                return WT_OK;
        return wt_fail(WT_EINVAL, "audit_text: '%s' (%s) is no policy; say absent or encrypted"
                       "%s%s%s", s, wt_conf_where(c, WT_SET_audit_text),
                       near != NULL ? "; did you mean " : "", near != NULL ? near : "",
                       near != NULL ? "?" : "");
}

static wt_err (*const rules[])(const wt_conf *) = { log_level, http, bus, replicas, gpu,
                                                   audit_text, secure_check };
enum { N_RULES = sizeof rules / sizeof *rules };

uint32_t sense_each(const wt_conf *c, void (*each)(void *arg, const char *words), void *arg)
{
        uint32_t n = 0;

        for (int i = 0; i < N_RULES; i++)
                if (rules[i](c) != WT_OK) {
                        each(arg, wt_words());
                        n++;
                }
        return n;
}

wt_err sense_check(const wt_conf *c)
{
        wt_err err = WT_OK;

        for (int i = 0; i < N_RULES && err == WT_OK; i++)
                err = rules[i](c);
        return err;
}

static wt_err variable(char *entry, const char *const *names)
{
        char *one[] = { (char *)"HOME=/", entry, NULL }, name[64];
        const char *near;
        wt_conf *conf;
        wt_err err;

        snprintf(name, sizeof name, "%.*s", (int)strcspn(entry, "="), entry);
        if (strncmp(name, "WITAN_", 6) != 0 || strcmp(name, "WITAN_SHARED") == 0 ||
            strcmp(name, "WITAN_BUILD") == 0 || strcmp(name, "WITAN_CONFIG") == 0)
                return WT_OK;                    /* a config file is looked at on its own */
        for (int i = 0; names[i] != NULL; i++)
                if (strcmp(name, names[i]) == 0) {
                        if ((err = wt_conf_load(&conf, WT_FOR_ALL, 0, NULL, one, NULL)) == WT_OK)
                                wt_conf_free(conf);
                        return err;
                }
        near = near_word(name, names);
        return wt_fail(WT_EINVAL, "environment %s: there is no such setting; %s%s%s", name,
                       near != NULL ? "did you mean " : "witan config show lists them",
                       near != NULL ? near : "", near != NULL ? "?" : "");
}

uint32_t sense_environment(char *const *envp, void (*each)(void *arg, const char *words), void *arg)
{
        const char *names[N_WT_SETTINGS + 1];
        char spelled[N_WT_SETTINGS][64];
        uint32_t n = 0;

        for (int i = 0; i < N_WT_SETTINGS; i++) {
                wt_conf_env_name(&wt_settings[i], spelled[i]);
                names[i] = spelled[i];
        }
        names[N_WT_SETTINGS] = NULL;
        for (; *envp != NULL; envp++)
                if (variable(*envp, names) != WT_OK) {
                        each(arg, wt_words());
                        n++;
                }
        return n;
}
