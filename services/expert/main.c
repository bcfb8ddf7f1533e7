/* main.c - settings in, worker open, run, close. Exit: 0 stopped, 2 boot fault or refused by a
 * router for good (said on stderr with what to do). */
#include <stdio.h>
#include "base/dump.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/trace.h"
#include "boot.h"

static wt_err failed(const char *id, wt_err err)
{
        fprintf(stderr, "witan-expert: %s\n", wt_words());
        wt_log_err(WT_ERROR, id, err);
        return err;
}

static wt_err run(const wt_conf *conf)
{
        struct expert_boot *b;
        const char *name = wt_conf_str(conf, WT_SET_name),
                *profile = wt_conf_str(conf, WT_SET_profile);
        wt_err err;

        name = name[0] != '\0' ? name : "expert-0";
        wt_log_init(name, (enum wt_level)wt_level_of(wt_conf_str(conf, WT_SET_log_level)), 2);
        if ((!wt_conf_bool(conf, WT_SET_core_dumps) && (err = wt_dump_none()) != WT_OK) ||
            (err = wt_stop_init()) != WT_OK || (err = wt_reload_init()) != WT_OK ||
            (profile[0] != '\0' && (err = wt_trace_open(profile, name)) != WT_OK) ||
            (err = expert_boot(&b, conf, NULL, NULL)) != WT_OK)
                return failed("EXPERT-BOOT", err);
        if ((err = expert_boot_run(b)) != WT_OK)
                failed("EXPERT-GIVES-UP", err);
        expert_boot_close(b);
        if (wt_trace_close() != WT_OK)
                wt_log_err(WT_WARN, "EXPERT-PROFILE", WT_EIO);
        return err;
}

int main(int argc, char **argv, char **envp)
{
        wt_conf *conf;
        int rc = 0;

        if (wt_conf_load(&conf, WT_FOR_EXPERT, argc - 1, argv + 1, envp, NULL) != WT_OK) {
                fprintf(stderr, "witan-expert: %s\n", wt_words());
                return 2;
        }
        if (wt_conf_wants_help(conf)) {
                puts("witan-expert: holds routed experts and multiplies rows for the routers. "
                     "witan up starts it.\n");
                wt_conf_help(stdout, WT_FOR_EXPERT);
        } else {
                rc = run(conf) == WT_OK ? 0 : 2;
        }
        wt_conf_free(conf);
        return rc;
}
