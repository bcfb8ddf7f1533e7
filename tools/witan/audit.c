/* audit.c - witan audit: who saw what, when, by which version; and is it still what was logged. */
#include "audit.h"
#include <stdio.h>
#include <string.h>
#include <pwd.h>
#include <unistd.h>
#include "audit/checkpoint_store.h"
#include "audit/deed.h"
#include "audit/table.h"
#include "base/clock.h"
#include "books.h"

wt_err auditor_open(struct call *c, wt_store **out)
{
        wt_store *s;
        wt_err err = books_read(c, &s);

        if (err != WT_OK)
                return err;
        if ((err = wt_audit_migrate(s)) != WT_OK || (err = wt_checkpoints_migrate(s)) != WT_OK) {
                wt_store_close(s);
                return err;
        }
        *out = s;
        return WT_OK;
}

bool auditor_filter(struct call *c, struct wt_audit_filter *f)
{
        int64_t now = (int64_t)wt_wall_us(&wt_clock_real);

        memset(f, 0, sizeof *f);
        for (int i = A_TENANT; i <= A_AFTER; i++)
                if (c->flag[i] != NULL &&
                    wt_audit_filter_set(f, c->verb->flags[i].name, c->flag[i], now) != WT_OK) {
                        verb_usage(c, "--%s: %s", c->verb->flags[i].name, wt_words());
                        return false;
                }
        return true;
}

wt_err auditor_deed(struct call *c, wt_store *s, const char *action, const char *words)
{
        const struct passwd *p = getpwuid(getuid());
        char actor[128];
        struct wt_audit_event e = { .kind = WT_AUDIT_OUTCOME };

        (void)c;
        snprintf(actor, sizeof actor, "shell:%.100s", p != NULL ? p->pw_name : "?");
        e.gateway = WT_STR("witan");
        e.actor = WT_STR(actor);
        e.door = WT_STR("shell");
        e.action = WT_STR(action);
        e.outcome = WT_STR("ok");
        e.cause = WT_STR("admin");
        e.words = WT_STR(words);
        return wt_audit_deed(s, &e, NULL, NULL);
}

wt_err auditor_read(struct call *c, wt_store *s, const char *action)
{
        char words[1000] = "all";
        size_t at = 0;

        for (int i = A_TENANT; i <= A_AFTER; i++)
                if (c->flag[i] != NULL && at < sizeof words - 1)
                        at += (size_t)snprintf(words + at, sizeof words - at, "%s%s=%.64s",
                                               at > 0 ? " " : "", c->verb->flags[i].name,
                                               c->flag[i]);
        return auditor_deed(c, s, action, words);
}

/* What each part takes beyond --state, --config and --store. */
static const struct part {
        int (*run)(struct call *c);
        int words;                               /* at most, with its own name */
        uint32_t flags;                          /* bits of enum audit_flag */
} parts[] = {
        { auditor_query, 1, ((2u << A_CSV) - 1) | 1u << A_OPEN },
        { auditor_tail, 1, (1u << A_LIMIT) - 1 },
        { auditor_export, 1, ((1u << A_LIMIT) - 1) | 1u << A_OUT | 1u << A_CSV },
        { auditor_verify, 1, 1u << A_FILE | 1u << A_WITNESS | 1u << A_LAST | 1u << A_LOG },
        { auditor_witness, 1, 1u << A_LISTEN | 1u << A_LOG },
        { auditor_erase, 2, 1u << A_OUT },
        { auditor_hold, 3, 1u << A_FORCE },
        { auditor_retain, 1, 1u << A_DAYS },
};

static int run(struct call *c)
{
        const struct sub *sub = verb_sub(c);
        const struct part *p;
        int rc;

        if (sub == NULL)
                return EXIT_USAGE;
        p = &parts[sub - c->verb->subs];
        if ((rc = verb_words(c, p->words)) != 0)
                return rc;
        for (int i = 0; i < MAX_FLAGS && c->verb->flags[i].name != NULL; i++)
                if (c->flag[i] != NULL && (p->flags >> i & 1) == 0)
                        return verb_usage(c, "audit %s takes no --%s", sub->name,
                                          c->verb->flags[i].name);
        return p->run(c);
}

const struct verb verb_audit = {
        .name = "audit",
        .about = "asks the audit log, exports and verifies it, erases what must go",
        .usage = "witan audit query|tail|export [FILTERS] | verify [--file EXPORT] | "
                 "erase SUBJECT|lost | hold [NAME add|remove] | retain --days N | witness",
        .example = "witan audit query --model tiny --since 24h",
        .text = "The log holds one row for each request: who asked, by which key, for which model, "
                "which revision answered, and how it ended. query and tail show rows; reading is a "
                "row, too. export writes NDJSON that proves itself against a checkpoint which a "
                "witness has cosigned; verify holds the database, or such an export on any "
                "machine, against the witness's public key, and names the first row that is not "
                "what was logged. Times are 2026-11-25, 2026-11-25T10:00:00Z, today, yesterday, "
                "24h for a day ago, or seconds since 1970. docs/audit.md has the formats.",
        .subs = {{"query", "", "rows that the filters let through, oldest first"},
                 {"tail", "", "rows as they come, until Ctrl-C"},
                 {"export", "", "events with proofs, as NDJSON, or with --csv as CSV"},
                 {"verify", "", "is it what was logged? exit code 1 if not"},
                 {"witness", "", "cosigns consistent checkpoints; witan up starts one"},
                 {"erase", "SUBJECT|lost", "destroys the key of a data subject's texts, for good; "
                  "or gives up those whose epoch keys are lost"},
                 {"hold", "[SUBJECT|TENANT add|remove]", "forbids erasing and dropping, or lists"},
                 {"retain", "", "drops the rows of days older than --days"}},
        .flags = {[A_TENANT] = {"tenant", "NAME", "only of this tenant", 0},
                  [A_ACTOR] = {"actor", "NAME", "only by this name of a key or user", 0},
                  [A_KEY] = {"key", "ID", "only by this key", 0},
                  [A_MODEL] = {"model", "NAME", "only of this model", 0},
                  [A_REVISION] = {"revision", "HEX", "only answered by this revision, or by "
                                "those that begin so", 0},
                  [A_ARM] = {"arm", "NAME", "only of this arm of a rollout", 0},
                  [A_OUTCOME] = {"outcome", "ok|refused|failed|client_closed|interrupted",
                                 "only those that ended so", 0},
                  [A_VERDICT] = {"verdict", "WORD", "only with a verdict of this action, rule or "
                                 "type", 0},
                  [A_REQUEST] = {"request", "ID", "one request, as x-request-id named it", 0},
                  [A_SINCE] = {"since", "TIME", "from this time on", 0},
                  [A_UNTIL] = {"until", "TIME", "before this time", 0},
                  [A_LIMIT] = {"limit", "N", "most rows, up to 1000 [100]", 0},
                  [A_AFTER] = {"after", "PLACE", "what the last page ended with", 0},
                  [A_CSV] = {"csv", NULL, "comma separated values", 0},
                  [A_OUT] = {"out", "FILE", "where the export or receipt goes [standard output]",
                             0},
                  [A_WITNESS] = {"witness", "FILE", "the witness's public key "
                                 "[STATE/witness/key.pub]", 0},
                  [A_LAST] = {"last", "FILE", "the witness's own last checkpoint "
                              "[STATE/witness/checkpoint]", 0},
                  [A_LOG] = {"log", "FILE", "the log's public key [STATE/keys/audit-log.pub]", 0},
                  [A_LISTEN] = {"listen", "HOST:PORT", "where the witness is asked "
                                "[127.0.0.1:0]", 0},
                  [A_FILE] = {"file", "FILE", "an export to verify [the database]", 0},
                  [A_DAYS] = {"days", "N", "retain: how many days stay", 0},
                  [A_OPEN] = {"open", NULL, "query: with the texts, as JSON; needs the keys of "
                              "the epochs, and each opening is a row", 0},
                  [A_FORCE] = {"force", NULL, "hold: a name that is not known yet, too", 0}},
        .sets = books_sets,
        .run = run,
};
