/* main.c - settings in, gateway open, run, close. Exit: 0 stopped, 1 some requests were cut, 2
 * boot fault (said on stderr with what to do). */
#include <stdio.h>
#include "base/dump.h"
#include "base/log.h"
#include "base/stop.h"
#include "boot.h"

static int run(const wt_conf *conf)
{
        struct gateway_boot *b;
        const char *name = wt_conf_str(conf, WT_SET_name);
        wt_err err;
        int rc;

        wt_log_init(name[0] != '\0' ? name : "gateway-0",
                    (enum wt_level)wt_level_of(wt_conf_str(conf, WT_SET_log_level)), 2);
        if ((!wt_conf_bool(conf, WT_SET_core_dumps) && (err = wt_dump_none()) != WT_OK) ||
            (err = wt_stop_init()) != WT_OK || (err = wt_reload_init()) != WT_OK ||
            (err = gateway_boot(&b, conf, NULL)) != WT_OK) {
                fprintf(stderr, "witan-gateway: %s\n", wt_words());
                wt_log_err(WT_ERROR, "GATEWAY-BOOT", err);
                return 2;
        }
        rc = gateway_boot_run(b);
        gateway_boot_close(b);
        return rc;
}

int main(int argc, char **argv, char **envp)
{
        wt_conf *conf;
        int rc = 0;

        if (wt_conf_load(&conf, WT_FOR_GATEWAY, argc - 1, argv + 1, envp, NULL) != WT_OK) {
                fprintf(stderr, "witan-gateway: %s\n", wt_words());
                return 2;
        }
        if (wt_conf_wants_help(conf)) {
                puts("witan-gateway: HTTP in, token ids to a router, text back. witan up starts "
                     "it.\n");
                wt_conf_help(stdout, WT_FOR_GATEWAY);
        } else {
                rc = run(conf);
        }
        wt_conf_free(conf);
        return rc;
}
