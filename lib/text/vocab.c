/* vocab.c - reads vocabulary, merges and added tokens into tables by id. */
#include "text/tok.h"
#include <stdlib.h>
#include <string.h>

/* While loading: the vocabulary's own strings, so that merges and added tokens find their ids. */
struct name { const char *s; uint32_t len; bool bytes; /* byte-level text */ };
struct loading {
        wt_tokenizer *t; const wt_json *j;
        struct name *name;                       /* (n_ids), s NULL: hole */
        struct wt_tok_words by_name;
        struct wt_buf both;                      /* left and right of a merge, joined */
};

static const char *name_text(const void *arg, uint32_t id, size_t *len)
{
        const struct loading *l = arg;

        *len = l->name[id].len;
        return l->name[id].s;
}

static const char *token_text(const void *arg, uint32_t id, size_t *len)
{
        const wt_tokenizer *t = arg;

        *len = t->token[id].len;
        return t->text.data + t->token[id].off;
}

/* Highest id + 1 over vocabulary and added tokens, with their bounds checked; *bytes: all their
 * texts have no more (a character that stands for a byte has one or two). */
static wt_err count_ids(const wt_json *j, wt_jv vocab, wt_jv added, uint32_t *n_ids, size_t *bytes)
{
        uint64_t id, top = 0;
        size_t len;

        *bytes = 0;

        for (wt_jv v = wt_json_first(j, vocab); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                const char *s = wt_json_key(j, v, &len);

                if (!wt_json_u64(j, v, &id) || id >= WT_TOK_IDS)
                        return wt_fail(WT_EINVAL, "vocab: token \"%.40s\" has no id from 0 to %d",
                                       s, WT_TOK_IDS - 1);
                *bytes += len;
                top = id + 1 > top ? id + 1 : top;
        }
        for (wt_jv v = wt_json_first(j, added); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                if (!wt_json_u64(j, wt_json_get(j, v, "id"), &id) || id >= WT_TOK_IDS)
                        return wt_fail(WT_EINVAL, "added_tokens: one has no id from 0 to %d",
                                       WT_TOK_IDS - 1);
                top = id + 1 > top ? id + 1 : top;
                if (wt_json_str(j, wt_json_get(j, v, "content"), &len) != NULL)
                        *bytes += len;
        }
        if (top == 0)
                return wt_fail(WT_EINVAL, "vocab is empty");
        *n_ids = (uint32_t)top;
        return WT_OK;
}

static void place(wt_tokenizer *t, uint64_t id, size_t off)
{
        t->token[id] = (struct wt_tok_token){ (uint32_t)off, (uint16_t)(t->text.len - off),
                                              WT_TOK_THERE };
}

static wt_err load_vocab(struct loading *l, wt_jv vocab)
{
        const wt_json *j = l->j;
        wt_tokenizer *t = l->t;

        for (wt_jv v = wt_json_first(j, vocab); v != WT_JSON_NONE; v = wt_json_next(j, v)) {
                size_t len, off = t->text.len;
                const char *s = wt_json_key(j, v, &len);
                uint64_t id = 0;

                WT_ASSERT(wt_json_u64(j, v, &id));       /* count_ids has looked */
                if (len > WT_TOK_BYTES)
                        return wt_fail(WT_EEXHAUSTED,
                                       "vocab: the token of id %u has %zu bytes; %d are "
                                       "possible",
                                       (unsigned)id, len, WT_TOK_BYTES);
                if (l->name[id].s != NULL)
                        return wt_fail(WT_EINVAL,
                                       "vocab: id %u is given twice, to \"%.40s\" and to "
                                       "\"%.40s\"",
                                       (unsigned)id, l->name[id].s, s);
                l->name[id] = (struct name){s, (uint32_t)len, wt_bytelevel_bytes(s, len, &t->text)};
                if (!l->name[id].bytes)
                        wt_buf_add(&t->text, s, len);    /* an added token, most likely */
                place(t, id, off);
                (void)wt_tok_words_put(&l->by_name, (uint32_t)id, name_text, l);
                if (l->name[id].bytes && t->token[id].len == 1)
                        t->byte_id[(uint8_t)t->text.data[off]] = (int32_t)id;
        }
        return WT_OK;
}

/* "a b" or ["a", "b"]: left (2 strings in part). */
static bool merge_parts(const wt_json *j, wt_jv v, const char *part[2], size_t len[2])
{
        if ((part[0] = wt_json_str(j, v, &len[0])) != NULL) {
                const char *blank = memchr(part[0], ' ', len[0]);

                if (blank == NULL)
                        return false;
                part[1] = blank + 1;
                len[1] = len[0] - (size_t)(part[1] - part[0]);
                len[0] = (size_t)(blank - part[0]);
                return memchr(part[1], ' ', len[1]) == NULL;
        }
        if (wt_json_type(j, v) != WT_JSON_ARRAY || wt_json_count(j, v) != 2)
                return false;
        v = wt_json_first(j, v);
        part[0] = wt_json_str(j, v, &len[0]);
        part[1] = wt_json_str(j, wt_json_next(j, v), &len[1]);
        return part[0] != NULL && part[1] != NULL;
}

static int32_t id_of(const struct loading *l, const char *s, size_t len)
{
        return wt_tok_words_get(&l->by_name, s, len, name_text, l);
}

static wt_err load_merge(struct loading *l, wt_jv v, uint32_t rank)
{
        const char *part[2];
        size_t len[2];
        int32_t id[3];
        bool fresh;
        struct wt_tok_pair *p;

        if (!merge_parts(l->j, v, part, len))
                return wt_fail(WT_EINVAL,
                               "merges: number %u is neither \"left right\" nor [\"left\", "
                               "\"right\"]",
                               rank);
        wt_buf_clear(&l->both);
        wt_buf_add(&l->both, part[0], len[0]);
        wt_buf_add(&l->both, part[1], len[1]);
        for (int k = 0; k < 3; k++) {
                const char *s = k < 2 ? part[k] : l->both.data;
                size_t n = k < 2 ? len[k] : l->both.len;

                if ((id[k] = id_of(l, s, n)) < 0)
                        return wt_fail(WT_EINVAL,
                                       "merges: number %u names \"%.*s\", which is not in "
                                       "vocab",
                                       rank, (int)(n < 40 ? n : 40), s);
        }
        if (len[0] == 0 || len[1] == 0 || !l->name[id[2]].bytes)
                return wt_fail(WT_EUNSUPPORTED, "merges: number %u makes \"%.40s\", which is not "
                               "byte-level text", rank, l->both.data);
        p = wt_tok_pairs_put(&l->t->merges, (uint64_t)id[0] << 32 | (uint32_t)id[1], &fresh);
        p->a = rank;                             /* of a pair given twice the later one counts */
        p->b = (uint32_t)id[2];
        return WT_OK;
}

static wt_err load_merges(struct loading *l, wt_jv merges)
{
        uint32_t n = wt_json_count(l->j, merges), rank = 0;
        wt_err err;

        if (n > WT_TOK_MERGES)
                return wt_fail(WT_EEXHAUSTED, "merges: %u of them; %d are possible", n,
                               WT_TOK_MERGES);
        if ((err = wt_tok_pairs_room(&l->t->merges, n)) != WT_OK)
                return err;
        for (wt_jv v = wt_json_first(l->j, merges); v != WT_JSON_NONE; v = wt_json_next(l->j, v))
                if ((err = load_merge(l, v, rank++)) != WT_OK)
                        return err;
        return WT_OK;
}

/* Text of templates, such as <think>, [INST] or <|User|>, whatever "special" says: DeepSeek's
 * <|User|> is none to Hugging Face. */
static bool is_control(const struct wt_tok_added *a)
{
        char first = a->text[0], last = a->text[a->len - 1];

        return a->special || (a->len > 2 && ((first == '<' && last == '>') ||
                                             (first == '[' && last == ']')));
}

static wt_err load_added(struct loading *l, wt_jv v, struct wt_tok_added *a)
{
        const char *s, *where = "added_tokens";
        size_t len = 0, off = l->t->text.len;
        uint64_t id = 0;
        int32_t known;
        wt_err err;

        s = wt_json_str(l->j, wt_json_get(l->j, v, "content"), &len);
        if (!wt_json_u64(l->j, wt_json_get(l->j, v, "id"), &id) || s == NULL || len == 0 ||
            len > WT_TOK_ADDED_BYTES)
                return wt_fail(WT_EINVAL, "added_tokens: id %u has no content of 1 to %d bytes",
                               (unsigned)id, WT_TOK_ADDED_BYTES);
        known = id_of(l, s, len);
        if ((known >= 0 || l->name[id].s != NULL) && known != (int32_t)id)
                return wt_fail(WT_EINVAL,
                               "added_tokens: \"%s\" and id %u are not together in vocab", s,
                               (unsigned)id);
        if (l->name[id].bytes && (len != l->t->token[id].len ||
                                  memcmp(l->t->text.data + l->t->token[id].off, s, len) != 0))
                return wt_fail(WT_EUNSUPPORTED,
                               "added_tokens: \"%s\" is itself, but in vocab the same "
                               "token (id %u) is byte-level text for something else",
                               s, (unsigned)id);
        if (known < 0 && (l->t->token[id].flags & WT_TOK_THERE))
                return wt_fail(WT_EINVAL, "added_tokens: id %u is given twice", (unsigned)id);
        a->id = (int32_t)id;
        a->len = (uint32_t)len;
        a->text = s;                             /* the JSON's until all are in */
        if ((err = wt_tok_only(l->j, v, where,
                               " id content lstrip rstrip single_word normalized special ")) !=
                    WT_OK ||
            (err = wt_tok_flag(l->j, v, where, "lstrip", false, &a->lstrip)) != WT_OK ||
            (err = wt_tok_flag(l->j, v, where, "rstrip", false, &a->rstrip)) != WT_OK ||
            (err = wt_tok_flag(l->j, v, where, "single_word", false, &a->single_word)) != WT_OK ||
            (err = wt_tok_flag(l->j, v, where, "special", false, &a->special)) != WT_OK ||
            (err = wt_tok_flag(l->j, v, where, "normalized", !a->special, &a->normalized)) != WT_OK)
                return err;
        a->control = is_control(a);
        wt_buf_add(&l->t->text, s, len);
        place(l->t, id, off);
        l->t->token[id].flags |=
                (a->special ? WT_TOK_SPECIAL : 0) | (a->control ? WT_TOK_CONTROL : 0);
        return WT_OK;
}

static int by_content(const void *x, const void *y)
{
        const struct wt_tok_added *a = x, *b = y;
        int d = memcmp(a->text, b->text, a->len < b->len ? a->len : b->len);

        return d != 0 ? d : (a->len > b->len) - (a->len < b->len);
}

static wt_err trie_put(wt_tokenizer *t, uint32_t i)
{
        struct wt_tok_added *a = &t->added[i];
        const char *s;
        char *owned;
        size_t len;
        wt_err err;

        if (!a->normalized)
                return wt_tok_trie_put(&t->raw, a->text, a->len, i);
        if ((err = wt_tok_normal(t, a->text, a->len, &s, &len, &owned)) != WT_OK)
                return err;
        if (len > 0)
                err = wt_tok_trie_put(&t->normal, s, len, i);
        free(owned);
        return err;
}

static wt_err load_all_added(struct loading *l, wt_jv added)
{
        static const char word[] = "[\\w\\x{200c}\\x{200d}]"; /* Rust's \w takes the two joiners */
        wt_tokenizer *t = l->t;
        uint32_t n = wt_json_count(l->j, added);
        wt_err err;

        if (n > WT_TOK_ADDED)
                return wt_fail(WT_EEXHAUSTED, "added_tokens: %u of them; %d are possible", n,
                               WT_TOK_ADDED);
        if ((err = wt_tok_calloc(&t->added, n, sizeof *t->added)) != WT_OK)
                return err;
        for (wt_jv v = wt_json_first(l->j, added); v != WT_JSON_NONE; v = wt_json_next(l->j, v))
                if ((err = load_added(l, v, &t->added[t->n_added++])) != WT_OK)
                        return err;
        qsort(t->added, n, sizeof *t->added, by_content);
        for (uint32_t i = 0; i < n; i++) {
                struct wt_tok_added *a = &t->added[i];

                if (i > 0 && by_content(a - 1, a) == 0)
                        return wt_fail(WT_EINVAL, "added_tokens: \"%s\" is there twice", a->text);
                if (a->single_word && t->word == NULL &&
                    (err = wt_tok_regex_new(&t->word, word, sizeof word - 1, false, "\\w")) !=
                            WT_OK)
                        return err;
                if ((err = trie_put(t, i)) != WT_OK)
                        return err;
        }
        return WT_OK;
}

/* The JSON goes away after loading: from here on text is the tokenizer's own. */
static void own_texts(wt_tokenizer *t)
{
        for (uint32_t i = 0; i < t->n_added; i++)
                t->added[i].text = t->text.data + t->token[t->added[i].id].off;
}

/* Tokens that their own bytes are merged to: the usual pre-token is one of them, and one look-up
 * then replaces its merges. With ignore_merges all tokens count, whether merges lead there or
 * not. */
static wt_err find_whole(struct loading *l)
{
        wt_tokenizer *t = l->t;
        struct wt_tok_words whole = { 0 };
        struct wt_tok_scratch scratch = { 0 };
        struct wt_ids ids = { 0 };
        wt_err err;

        if ((err = wt_tok_words_room(&whole, t->n_ids)) != WT_OK)
                return err;
        for (uint32_t id = 0; id < t->n_ids; id++) {
                const struct wt_tok_token *k = &t->token[id];

                if (!l->name[id].bytes || k->len == 0)
                        continue;
                ids.len = 0;
                if (!t->ignore_merges) {
                        err = wt_tok_bpe(t, &scratch, t->text.data + k->off, k->len, &ids);
                        if (err == WT_ENOMEM)
                                break;
                        if (err != WT_OK || ids.len != 1 || ids.data[0] != (int32_t)id)
                                continue;        /* a byte without a token: not to be reached */
                }
                (void)wt_tok_words_put(&whole, id, token_text, t);
                t->guard |= t->ignore_merges && (k->flags & WT_TOK_CONTROL);
        }
        wt_tok_scratch_free(&scratch);
        wt_ids_free(&ids);
        t->whole = whole;
        return err == WT_ENOMEM ? err : WT_OK;
}

/* Can merges make a control token out of ordinary text? */
static void find_guard(wt_tokenizer *t)
{
        for (uint64_t i = 0; t->merges.slot != NULL && i <= t->merges.mask; i++)
                if (t->merges.slot[i].key != WT_TOK_NO_KEY &&
                    (t->token[t->merges.slot[i].b].flags & WT_TOK_CONTROL))
                        t->guard = true;
}

static wt_err load_into(struct loading *l, wt_jv model, wt_jv added)
{
        wt_tokenizer *t = l->t;
        wt_jv vocab = wt_json_get(l->j, model, "vocab"),
              merges = wt_json_get(l->j, model, "merges");
        size_t bytes;
        wt_err err;

        if (vocab == WT_JSON_NONE || wt_json_type(l->j, vocab) != WT_JSON_OBJECT ||
            merges == WT_JSON_NONE || wt_json_type(l->j, merges) != WT_JSON_ARRAY)
                return wt_fail(WT_EINVAL,
                               "model: vocab (an object) and merges (a list) are needed");
        if ((err = count_ids(l->j, vocab, added, &t->n_ids, &bytes)) != WT_OK ||
            (err = wt_tok_calloc(&t->token, t->n_ids, sizeof *t->token)) != WT_OK ||
            (err = wt_tok_calloc(&l->name, t->n_ids, sizeof *l->name)) != WT_OK ||
            (err = wt_tok_words_room(&l->by_name, t->n_ids)) != WT_OK)
                return err;
        if (wt_buf_try(&t->text, bytes) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for the %zu bytes of all tokens", bytes);
        memset(t->byte_id, 0xff, sizeof t->byte_id);
        if ((err = load_vocab(l, vocab)) != WT_OK || (err = load_merges(l, merges)) != WT_OK ||
            (err = load_all_added(l, added)) != WT_OK)
                return err;
        own_texts(t);
        if ((err = find_whole(l)) == WT_OK)
                find_guard(t);
        return err;
}

wt_err wt_tok_vocab_load(wt_tokenizer *t, const wt_json *j, wt_jv model, wt_jv added)
{
        struct loading l = { .t = t, .j = j };
        wt_err err = load_into(&l, model, added);

        free(l.name);
        wt_tok_words_free(&l.by_name);
        wt_buf_free(&l.both);
        return err;
}
