#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/conf_value.h"

#define S(name, type, def, min, max, unit, roles, help) \
        { #name, WT_CONF_##type, def, min, max, unit, help, roles },
const struct wt_setting wt_settings[N_WT_SETTINGS] = {
#include "base/settings.def"
};
#undef S

void wt_conf_flag_name(const struct wt_setting *s, char out[64])
{
        snprintf(out, 64, "--%s", s->name);
        for (char *p = out + 2; *p; p++)
                if (*p == '_')
                        *p = '-';
}

void wt_conf_env_name(const struct wt_setting *s, char out[64])
{
        snprintf(out, 64, "WITAN_%s", s->name);
        for (char *p = out; *p; p++)
                *p = (char)toupper((unsigned char)*p);
}

enum wt_set wt_conf_row(const char *name, size_t len)
{
        for (int i = 0; i < N_WT_SETTINGS; i++) {
                const char *row = wt_settings[i].name;
                size_t n = 0;

                while (n < len && row[n] && row[n] == (name[n] == '-' ? '_' : name[n]))
                        n++;
                if (n == len && !row[n])
                        return (enum wt_set)i;
        }
        return N_WT_SETTINGS;
}

enum { NAME = 64 };                              /* names longer than this are nobody's neighbour */

/* Insertions, deletions and replacements between a and b; '-' reads as '_'. */
static size_t distance(const char *a, const char *b)
{
        size_t n = strlen(a), row[NAME + 1];

        for (size_t i = 0; i <= n; i++)
                row[i] = i;
        for (size_t j = 1; b[j - 1]; j++) {
                size_t diagonal = row[0];

                row[0] = j;
                for (size_t i = 1; i <= n; i++) {
                        char x = a[i - 1] == '-' ? '_' : a[i - 1];
                        size_t best = diagonal + (x != b[j - 1]);

                        best = row[i] + 1 < best ? row[i] + 1 : best;
                        best = row[i - 1] + 1 < best ? row[i - 1] + 1 : best;
                        diagonal = row[i];
                        row[i] = best;
                }
        }
        return row[n];
}

const struct wt_setting *wt_conf_nearest(const char *s, unsigned role)
{
        const struct wt_setting *best = NULL;
        size_t least = 4;                        /* a distance of 3 still counts */

        s += strspn(s, "-");
        if (strlen(s) > NAME)
                return NULL;
        for (int i = 0; i < N_WT_SETTINGS; i++) {
                size_t d;

                if (!(wt_settings[i].roles & role))
                        continue;
                d = distance(s, wt_settings[i].name);
                if (d < least && d < strlen(s)) {     /* something must be left of what was typed */
                        least = d;
                        best = &wt_settings[i];
                }
        }
        return best;
}

void wt_conf_hint(const char *name, unsigned role, const char *prefix, char out[128])
{
        const struct wt_setting *near = wt_conf_nearest(name, role);
        char flag[64];

        out[0] = '\0';
        if (!near)
                return;
        wt_conf_flag_name(near, flag);
        snprintf(out, 128, "; did you mean %s%s?", prefix, *prefix ? flag + 2 : near->name);
}

const char *wt_conf_from_name(enum wt_conf_from f)
{
        static const char *const names[] = { "default", "state", "file", "environment", "flag" };

        return (unsigned)f <= WT_FROM_FLAG ? names[f] : "?";
}

static const char *kind(const struct wt_setting *s)
{
        static const char *const kinds[] = { "TEXT", "N", "BYTES", "TIME", "", "PATH" };

        return kinds[s->type];
}

void wt_conf_help(FILE *to, unsigned role)
{
        for (int i = 0; i < N_WT_SETTINGS; i++) {
                const struct wt_setting *s = &wt_settings[i];
                char flag[64], left[96];

                if (!(s->roles & role))
                        continue;
                wt_conf_flag_name(s, flag);
                snprintf(left, sizeof left, "%s %s", flag, kind(s));
                fprintf(to, "  %-28s %s", left, s->help);
                if (*s->def && s->type != WT_CONF_BOOL)
                        fprintf(to, " [%s]", s->def);
                fputc('\n', to);
        }
}
