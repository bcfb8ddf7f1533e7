/* flood.c - a refusal has a row; a flood of them has some rows in each second, and a note that
 * counts the rest. Kept apart by (tenant, or address where nobody proved who he is; code). */
#include "path.h"
#include <stdio.h>
#include <string.h>
#include "base/rng.h"

/* FNV-1a over strings with their NULs. */
static uint64_t mix(uint64_t h, const char *s)
{
        do
                h = (h ^ (uint8_t)*s) * 0x100000001b3ull;
        while (*s++ != '\0');
        return h;
}

static void note(struct gateway *g, struct flood *f)
{
        uint8_t id[16];
        uint64_t now = wt_wall_us(g->conf.clock), seq;
        struct wt_audit_event e = { .kind = WT_AUDIT_NOTE };

        wt_uuid7(now, id);
        e.request = WT_BYTES(id, 16);
        e.time_us = now;
        e.gateway = audit_text(g->conf.name, 64);
        e.tenant = WT_STR(f->tenant);
        e.source = WT_STR(f->source);
        e.code = WT_STR(f->code);
        e.action = WT_STR("refusals");
        e.outcome = WT_STR("refused");
        e.count = f->count;
        e.since_us = f->since_us;
        e.words = WT_STR("refusals beyond audit_refusals in a second, without rows of their own");
        if (audit_append(g, &e, &seq) == WT_OK) {
                g->audit.notes++;
                f->count = 0;                    /* else the next second tries again */
        }
}

static void begin(struct flood *f, uint64_t key, uint64_t wall, const char *tenant,
                  const char *source, const char *code)
{
        *f = (struct flood){ .key = key, .second = wall / 1000000, .since_us = wall };
        snprintf(f->tenant, sizeof f->tenant, "%s", tenant);
        snprintf(f->source, sizeof f->source, "%s", source);
        snprintf(f->code, sizeof f->code, "%s", code);
}

/* Its own slot, a free one, or, when the whole neighbourhood is flooded too, one for all
 * addresses: a flood from many addresses is one flood. */
static struct flood *slot_of(struct gateway *g, uint64_t key, uint64_t second)
{
        struct flood *all = g->audit.flood, *free_one = NULL;

        for (uint32_t i = 0; i < 8; i++) {
                struct flood *f = &all[(key + i) % (FLOOD_SLOTS - 1) + 1];

                if (f->key == key)
                        return f;
                if (free_one == NULL && f->count == 0 && f->second != second)
                        free_one = f;
        }
        return free_one != NULL ? free_one : &all[0];
}

bool flood_hides(struct request *r)
{
        struct gateway *g = r->g;
        uint64_t wall = wt_wall_us(g->conf.clock), second = wall / 1000000;
        const char *tenant = r->who.key.tenant, *code = r->tally.code ? r->tally.code : "";
        const char *source = tenant[0] != '\0' ? "" : r->tally.source;
        uint64_t key = mix(mix(mix(0xcbf29ce484222325ull, tenant), source), code);
        struct flood *f = slot_of(g, key, second);

        if (f == g->audit.flood && (f->second != second || f->key == 0)) {
                if (f->count > 0)
                        note(g, f);
                begin(f, 1, wall, "", "*", "");
        } else if (f != g->audit.flood && (f->key != key || f->second != second)) {
                if (f->count > 0)
                        note(g, f);
                begin(f, key, wall, tenant, source, code);
        }
        if (f->rows < g->conf.audit_refusals) {
                f->rows++;
                return false;
        }
        f->count++;
        g->audit.summarised++;
        return true;
}

void flood_flush(struct gateway *g, bool all)
{
        uint64_t second = wt_wall_us(g->conf.clock) / 1000000;

        for (uint32_t i = 0; i < FLOOD_SLOTS; i++) {
                struct flood *f = &g->audit.flood[i];

                if (f->count > 0 && (all || f->second != second))
                        note(g, f);
        }
}
