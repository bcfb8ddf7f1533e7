#include <stdbool.h>
#include <string.h>
#include "plugin/plugin.h"

struct field { const char *name; size_t at; };   /* a pointer in an ops table */
#define F(table, name) { #name, offsetof(struct table, name) }

static const struct field compute_fields[] = {
        F(wt_compute_ops, profile), F(wt_compute_ops, layout),
        F(wt_compute_ops, pack_bytes), F(wt_compute_ops, pack),
        F(wt_compute_ops, open), F(wt_compute_ops, close),
        F(wt_compute_ops, upload), F(wt_compute_ops, drop),
        F(wt_compute_ops, buffer_new), F(wt_compute_ops, buffer_free),
        F(wt_compute_ops, host_alloc), F(wt_compute_ops, host_free),
        F(wt_compute_ops, copy_in), F(wt_compute_ops, copy_out), F(wt_compute_ops, kv_page_bytes),
        F(wt_compute_ops, embed), F(wt_compute_ops, attend), F(wt_compute_ops, gate),
        F(wt_compute_ops, ffn), F(wt_compute_ops, expert_ffn), F(wt_compute_ops, fold),
        F(wt_compute_ops, combine), F(wt_compute_ops, head),
        F(wt_compute_ops, event_new), F(wt_compute_ops, event_free),
        F(wt_compute_ops, event_record), F(wt_compute_ops, event_wait), F(wt_compute_ops, sync),
        { NULL, 0 }
};
static const struct field place_fields[] = { F(wt_place_ops, place), { NULL, 0 } };
static const struct field sample_fields[] = {F(wt_sample_ops, scratch_bytes),
                                             F(wt_sample_ops, sample),
                                             F(wt_sample_ops, score),
                                             {NULL, 0}};
static const struct field store_fields[] = {
        F(wt_store_ops, scheme), F(wt_store_ops, open), F(wt_store_ops, close),
        F(wt_store_ops, describe), F(wt_store_ops, now), F(wt_store_ops, begin),
        F(wt_store_ops, snapshot), F(wt_store_ops, commit), F(wt_store_ops, rollback),
        F(wt_store_ops, query), F(wt_store_ops, load), F(wt_store_ops, migrate),
        F(wt_store_ops, seal), F(wt_store_ops, day_add), F(wt_store_ops, day_drop),
        F(wt_store_ops, notify), F(wt_store_ops, listen), F(wt_store_ops, wait),
        F(wt_store_ops, columns),
        { NULL, 0 }
};

static const struct kind {
        uint32_t kind;
        const char *name;
        bool exact;                          /* ABI and sizes to the letter, not by major version */
        uint32_t ops_size;                       /* 0: this ABI has no table for the kind */
        const struct field *required;
} kinds[] = {
        { WT_COMPUTE, "compute", true, sizeof(struct wt_compute_ops), compute_fields },
        { WT_COLLECTIVE, "collective", true, 0, NULL },
        { WT_STORE, "store", false, sizeof(struct wt_store_ops), store_fields },
        { WT_FILTER, "filter", false, 0, NULL },
        { WT_PLACE, "place", false, sizeof(struct wt_place_ops), place_fields },
        { WT_SAMPLE, "sample", false, sizeof(struct wt_sample_ops), sample_fields },
        { WT_TOKENIZER, "tokenizer", false, 0, NULL },
        { WT_ENCODER, "encoder", false, 0, NULL },
        { WT_TOOL, "tool", false, 0, NULL },
        { WT_METRIC, "metric", false, 0, NULL },
};

static const struct kind *kind_of(uint32_t kind)
{
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
                if (kinds[i].kind == kind)
                        return &kinds[i];
        return NULL;
}

const char *wt_kind_name(uint32_t kind)
{
        const struct kind *k = kind_of(kind);

        return k ? k->name : "unknown";
}

static bool pointer_set(const void *table, size_t at)
{
        void *p;

        memcpy(&p, (const char *)table + at, sizeof p);
        return p != NULL;
}

/* An older plugin of a kind that goes by major version may have a shorter table; what is required
 * must lie inside of it. */
static wt_err check_ops(const struct wt_plugin *p, const struct kind *k)
{
        uint32_t size;

        if (!p->ops)
                return wt_fail(WT_EINVAL, "plugin %s has no table of callbacks", p->name);
        memcpy(&size, p->ops, sizeof size);
        if (k->exact && size != k->ops_size)
                return wt_fail(WT_EPRECONDITION,
                               "plugin %s: its %s table has %u bytes, this host's %u; "
                               "build it against this host's plugin.h",
                               p->name, k->name, size, k->ops_size);
        for (const struct field *f = k->required; f->name; f++)
                if (f->at + sizeof(void *) > size || !pointer_set(p->ops, f->at))
                        return wt_fail(WT_EINVAL, "plugin %s lacks %s, which a %s plugin must have",
                                       p->name, f->name, k->name);
        return WT_OK;
}

/* The name goes into settings, logs and file names. */
static wt_err check_text(const struct wt_plugin *p)
{
        size_t n;

        if (!p->name || !p->version || !p->about)
                return wt_fail(WT_EINVAL,
                               "the plugin has no name, no version or no line about itself");
        n = strspn(p->name, "abcdefghijklmnopqrstuvwxyz0123456789-_");
        if (n == 0 || n > 64 || p->name[n])
                return wt_fail(WT_EINVAL, "the plugin's name must be 1 to 64 of a-z 0-9 - _");
        if (strchr(p->about, '\n'))
                return wt_fail(WT_EINVAL, "plugin %s: the line about itself has more than one line",
                               p->name);
        return WT_OK;
}

wt_err wt_plugin_check(const struct wt_plugin *p, uint32_t want_kind)
{
        const struct kind *k;
        wt_err err;

        if (!p)
                return wt_fail(WT_EINVAL, "the plugin's entry gave nothing");
        if (p->magic != WT_PLUGIN_MAGIC)
                return wt_fail(WT_EINVAL, "this is no Witan plugin: magic %#x, not %#x", p->magic,
                               WT_PLUGIN_MAGIC);
        if (p->abi >> 16 != WT_ABI_MAJOR)
                return wt_fail(WT_EPRECONDITION,
                               "the plugin speaks ABI %u.%u, this host %u.%u; build it "
                               "against this host's plugin.h",
                               p->abi >> 16, p->abi & 0xffff, WT_ABI_MAJOR, WT_ABI_MINOR);
        if (p->size < sizeof *p)
                return wt_fail(WT_EPRECONDITION,
                               "the plugin's own record has %u bytes, not %zu; build it "
                               "against this host's plugin.h",
                               p->size, sizeof *p);
        k = kind_of(p->kind);
        if (!k || !k->ops_size)
                return wt_fail(WT_EUNSUPPORTED, "plugins of kind %u (%s) are not part of ABI %u.%u",
                               p->kind, wt_kind_name(p->kind), WT_ABI_MAJOR, WT_ABI_MINOR);
        if (want_kind && p->kind != want_kind)
                return wt_fail(WT_EINVAL, "the plugin is of kind %s; %s was wanted", k->name,
                               wt_kind_name(want_kind));
        if ((err = check_text(p)) != WT_OK)
                return err;
        if (k->exact && (p->abi != WT_ABI || p->size != sizeof *p))
                return wt_fail(WT_EPRECONDITION,
                               "plugin %s speaks ABI %u.%u; a %s plugin must match %u.%u "
                               "exactly",
                               p->name, p->abi >> 16, p->abi & 0xffff, k->name, WT_ABI_MAJOR,
                               WT_ABI_MINOR);
        return check_ops(p, k);
}
