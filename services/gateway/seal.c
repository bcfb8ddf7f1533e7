/* seal.c - policy audit_text: encrypted. What was asked and answered goes into the record of the
 * outcome, sealed by the key of whose data it is. The key is asked for before the request is
 * admitted: what could not be recorded as policy says is not answered. */
#include "path.h"
#include "sealer.h"
#include <string.h>
#include "audit/seal.h"
#include "base/log.h"
#include "tls/sign.h"

enum { MOST = (4 << 20) - WT_SEAL_ADDED,         /* of audit.proto */
       PROMPT_MOST = MOST / 2, FOR_CHOICE = 128, KEEP_CAP = 64 << 10 };

/* Whose data it is: the tenant's user, where the client names one, else who holds the key. */
static void name_subject(struct request *r)
{
        struct wt_buf *b = &r->g->audit.scratch;
        size_t len = 0;
        const char *user = wt_json_str(r->body, wt_json_get(r->body, 0, "user"), &len);

        wt_buf_clear(b);
        wt_buf_str(b, user != NULL && len > 0 ? "user:" : "key:");
        wt_buf_str(b, user != NULL && len > 0 ? user : r->who.key.id);
        wt_subject_id(r->g->conf.audit_key, r->who.key.tenant, b->data, r->seal.subject);
}

static bool no_key(struct request *r, wt_err err)
{
        r->g->audit.unkeyed++;
        wt_log_err(WT_WARN, "GATEWAY-NO-TEXT-KEY", err);
        r->retry_s = 1;
        return request_refuse(r, refusal_of(WT_EUNAVAILABLE), "the key that seals the texts of "
                              "this request cannot be had now, and policy (audit_text) lets "
                              "nothing be answered that is not recorded; try again later");
}

bool gateway_seal(struct request *r)
{
        wt_err err;

        if (r->g->sealer == NULL)
                return true;
        name_subject(r);
        err = sealer_key(r->g->sealer, r->id, r->seal.subject, r->who.key.tenant, r->seal.key);
        if (err == WT_EAGAIN)
                return !(r->seal.waits = true);  /* seal_ready */
        return (r->seal.has = err == WT_OK) || no_key(r, err);
}

void seal_ready(void *arg, const uint8_t id[16], const uint8_t *key, wt_err err)
{
        struct request *r = request_find(arg, id);

        if (r == NULL || !r->seal.waits)
                return;                          /* its client has left */
        r->seal.waits = false;
        if (key == NULL) {
                no_key(r, err);
                return;
        }
        memcpy(r->seal.key, key, sizeof r->seal.key);
        r->seal.has = true;
        gateway_admit(r);
}

/* What leaves in a stream is forgotten there. */
void seal_keep(struct sequence *s)
{
        size_t n = s->text.len, room = MOST - s->said.len;
        char *to;

        if (!s->r->seal.has || n == 0)
                return;
        if (n > room)
                s->r->seal.cut = true;
        n = n < room ? n : room;
        if ((to = wt_buf_try(&s->said, n)) == NULL) {
                s->r->seal.cut = true;
                return;
        }
        memcpy(to, s->text.data, n);
        s->said.len += n;
        s->said.data[s->said.len] = '\0';
}

/* As a JSON string of at most room bytes: escapes make a text longer, and how much is known when it
 * is written. */
static void put_text(struct request *r, struct wt_buf *b, const char *text, size_t len, size_t room)
{
        const size_t begin = b->len;

        for (size_t n = len < room ? len : room; ; n /= 2) {
                while (n > 0 && n < len && ((unsigned char)text[n] & 0xc0) == 0x80)
                        n--;
                wt_buf_json_str(b, n > 0 ? text : "", n);
                if (n < len)
                        r->seal.cut = true;
                if (b->len - begin <= room || n == 0)
                        return;
                b->len = begin;
        }
}

/* The prompt as it stood in the request; one that is too long, the beginning of that as a text. */
static void put_prompt(struct request *r, struct wt_buf *b)
{
        const char *name = r->door == &door_chat ? "messages" : "prompt", *raw, *text;
        wt_jv v = wt_json_get(r->body, 0, name);
        size_t len = 0;

        wt_buf_json_key(b, name);
        if ((text = wt_json_str(r->body, v, &len)) != NULL)
                put_text(r, b, text, len, PROMPT_MOST);
        else if ((raw = wt_json_raw(r->body, v, &len)) == NULL)
                wt_buf_str(b, "null");
        else if (len <= PROMPT_MOST)
                wt_buf_add(b, raw, len);
        else
                put_text(r, b, raw, len, PROMPT_MOST);
}

static void put_choice(struct sequence *s, struct wt_buf *b, uint32_t left)
{
        struct wt_buf whole = { 0 };
        const size_t room = (size_t)(MOST - b->len) / left;
        const bool streamed = s->said.len > 0;

        wt_buf_json_sep(b);
        wt_buf_str(b, "{");
        wt_buf_json_ku(b, "index", s->index);
        wt_buf_json_kv(b, "finish_reason", s->finish);
        wt_buf_json_key(b, "text");
        if (streamed) {
                wt_buf_add(&whole, s->said.data, s->said.len);
                wt_buf_add(&whole, s->text.len > 0 ? s->text.data : "", s->text.len);
        }
        put_text(s->r, b, streamed ? whole.data : s->text.data,
                 streamed ? whole.len : s->text.len, room > FOR_CHOICE ? room - FOR_CHOICE : 0);
        wt_buf_str(b, "}");
        if (whole.data != NULL)
                wt_wipe(whole.data, whole.len);
        wt_buf_free(&whole);
}

static void put_all(struct request *r, struct wt_buf *b)
{
        uint32_t left = r->n_seqs;

        wt_buf_str(b, "{");
        put_prompt(r, b);
        wt_buf_json_key(b, "answers");
        wt_buf_str(b, "[");
        for (uint32_t i = 0; i < r->n_seqs; i++, left--)
                if (r->seqs[i].index != UINT32_MAX)      /* best_of: the others */
                        put_choice(&r->seqs[i], b, left);
        wt_buf_str(b, "]");
        if (r->seal.cut)
                wt_buf_json_kb(b, "cut", true);
        wt_buf_str(b, "}");
}

wt_err seal_event(struct request *r, struct wt_audit_event *e)
{
        struct wt_buf clear = { 0 }, *sealed = &r->g->audit.sealed;
        wt_err err;

        if (!r->seal.has)
                return WT_OK;
        put_all(r, &clear);
        if (sealed->cap > KEEP_CAP)
                wt_buf_free(sealed);
        wt_buf_clear(sealed);
        err = wt_seal_text(r->seal.key, r->id, e->kind, clear.data, clear.len, sealed);
        wt_wipe(clear.data, clear.len);
        wt_buf_free(&clear);
        if (err != WT_OK)
                return err;
        e->subject = WT_BYTES(r->seal.subject, 16);
        e->sealed = WT_BYTES(sealed->data, (uint32_t)sealed->len);
        return WT_OK;
}
