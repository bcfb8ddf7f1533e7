#include "checkpoint.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audit/checkpoint_signer.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/metrics.h"

struct gateway_signer {
        wt_log_signer *thread;
        atomic_uint troubles, rollbacks;
        uint64_t begun_us;
};

/* On the signer's thread. */
static void said(void *arg, bool rollback, const char *words)
{
        struct gateway_signer *s = arg;

        if (words[0] == '\0') {
                wt_log(WT_NOTICE, "AUDIT-CHECKPOINT-OK", "words=\"checkpoints are signed and "
                       "witnessed again\"");
                return;
        }
        atomic_fetch_add(&s->troubles, 1);
        if (rollback)
                atomic_fetch_add(&s->rollbacks, 1);
        wt_log(rollback ? WT_ERROR : WT_WARN, rollback ? "AUDIT-ROLLBACK" : "AUDIT-CHECKPOINT",
               "words=\"%s\"", words);
}

wt_err gateway_signer_open(struct gateway_signer **out, const wt_conf *conf, const char *name,
                           const char *store)
{
        struct gateway_signer *s = calloc(1, sizeof *s);
        const char *witness = wt_conf_str(conf, WT_SET_audit_witness);
        char keys[4200], epochs[4300];
        struct wt_log_conf c = {
                .store = store,
                .timeout_ms = wt_conf_u64(conf, WT_SET_store_timeout),
                .keys = keys,
                .epochs = epochs,
                .holder = name,
                .witness = strcmp(witness, "none") == 0 ? "" : witness,
                .every_ms = 1000,
                .said = said,
                .arg = s,
        };
        wt_err err;

        if (s == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the audit log's signer");
        snprintf(keys, sizeof keys, "%s/keys", wt_conf_str(conf, WT_SET_state));
        snprintf(epochs, sizeof epochs, "%s/audit-epochs", keys);
        s->begun_us = wt_now_us(&wt_clock_real);
        if ((err = wt_log_signer_start(&s->thread, &c)) != WT_OK) {
                free(s);
                return err;
        }
        *out = s;
        return WT_OK;
}

void gateway_signer_close(struct gateway_signer *s)
{
        if (s == NULL)
                return;
        wt_log_signer_stop(s->thread);
        free(s);
}

void gateway_signer_metrics(struct gateway_signer *s, struct wt_buf *out)
{
        uint64_t now = wt_now_us(&wt_clock_real);
        struct wt_log_state st;

        wt_log_signer_state(s->thread, &st);
        const struct wt_metric rows[] = {
                { .name = "witan_audit_signed_rows", .kind = WT_GAUGE,
                  .value = (double)st.signed_rows,
                  .help = "Rows of the newest checkpoint that this gateway signed." },
                { .name = "witan_audit_witnessed_rows", .kind = WT_GAUGE,
                  .value = (double)st.cosigned_rows,
                  .help = "Rows of the newest checkpoint that the witness cosigned." },
                { .name = "witan_audit_witnessed_age_seconds", .kind = WT_GAUGE,
                  .value = !st.holds_lease || st.cosigned_rows == st.signed_rows ? 0 :
                           (double)(now - (st.cosigned_us ? st.cosigned_us : s->begun_us)) / 1e6,
                  .help = "How long rows have been signed that the witness has not cosigned." },
                { .name = "witan_audit_signer", .kind = WT_GAUGE, .value = st.holds_lease,
                  .help = "1 in the gateway that signs the log." },
                { .name = "witan_audit_checkpoint_troubles_total", .kind = WT_COUNTER,
                  .value = (double)atomic_load(&s->troubles),
                  .help = "Times that signing or witnessing began to fail." },
                { .name = "witan_audit_rollbacks_total", .kind = WT_COUNTER,
                  .value = (double)atomic_load(&s->rollbacks),
                  .help = "Times that the witness refused: the log had lost or changed rows." },
        };

        wt_metrics_text(out, rows, sizeof rows / sizeof *rows);
}
