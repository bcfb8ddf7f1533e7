/* doctor_model.c - does the model load, and does it fit? */
#include <inttypes.h>
#include <stdio.h>
#include "doctor.h"
#include "text/tokenizer.h"
#include "units.h"
#include "where.h"

static bool loads(struct doctor *d)
{
        wt_tokenizer *t;

        if (where_model(d->c->conf, d->model) != WT_OK) {
                d->model[0] = '\0';
                doctor_say(d, D_FAIL, "model",
                           "name a folder as Hugging Face ships it: --model DIR", "%s", wt_words());
                return false;
        }
        if (weigh_open(&d->w, d->model) != WT_OK) {
                doctor_say(d, D_FAIL, "model",
                           "fetch the folder again, or name another one: --model DIR", "%s: %s",
                           d->model, wt_words());
                return false;
        }
        d->weighed = true;
        if (!d->w.from_files) {
                doctor_say(d, D_FAIL, "model", "fetch its safetensors files",
                           "%s has a config.json and no weights", d->model);
                return false;
        }
        if (wt_tokenizer_load(&t, d->model) != WT_OK) {
                doctor_say(d, D_FAIL, "model",
                           "fetch its tokenizer.json, or name another one: --model DIR", "%s: %s",
                           d->model, wt_words());
                return false;
        }
        wt_tokenizer_free(t);
        return true;
}

/* Weights are mapped and may be dropped and read again, slowly; KV memory must be there. */
static void fits(struct doctor *d)
{
        uint64_t kv =
                wt_conf_u64(d->c->conf, WT_SET_kv_bytes) * wt_conf_u64(d->c->conf, WT_SET_routers);
        uint64_t need = d->w.total_bytes + kv, room = machine_room(&d->m),
                 now = machine_free(&d->m);
        char want[32], have[32], keys[32];
        const char *by = d->m.limit < d->m.memory ? d->m.limit_at : "this machine's memory";

        units_bytes(need, want);
        units_bytes(room, have);
        units_bytes(kv, keys);
        if (kv > room)
                doctor_say(d, D_FAIL, "memory", "lower --kv-bytes",
                           "the routers want %s for keys and values; %s is %s", keys, by, have);
        else if (need > room)
                doctor_say(d, D_FAIL, "memory",
                           "spread the workers over more machines (witan models inspect says how "
                           "many), take a smaller model, or raise the limit",
                           "the model wants %s with its KV cache; %s is %s",
                           want, by, have);
        else if (!d->runs && need > now) {
                units_bytes(now, have);
                doctor_say(d, D_WARN, "memory",
                           "end what else runs here, or expect weights to be read from the disk "
                           "again and again",
                           "the model wants %s with its KV cache; %s are free now", want, have);
        } else {
                doctor_say(d, D_OK, "memory", NULL, "%s wants %s; %s is %s",
                           d->weighed ? "the model with its KV cache" : "the KV cache", want, by,
                           have);
        }
}

void doctor_model(struct doctor *d)
{
        char n[32], bytes[32];

        if (!loads(d)) {
                fits(d);                         /* the KV memory at least */
                return;
        }
        units_count((double)d->w.total, n);
        units_bytes(d->w.total_bytes, bytes);
        doctor_say(d, D_OK, "model", NULL, "%s: %s, %s parameters, %s, context %u", d->model,
                   d->w.shape->family, n, bytes, d->w.shape->max_positions);
        if (d->w.notes[0] != '\0')
                doctor_say(d, D_OK, "model", NULL, "remark: %s", d->w.notes);
        fits(d);
}
