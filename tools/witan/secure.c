/* secure.c - see secure.h. */
#include "secure.h"
#include <string.h>
#include "net/http.h"
#include "tls/tls.h"

static wt_tls *side;                             /* of this process, until it ends */
static bool told;                                /* by settings: whom to trust */

static void use(wt_tls *t)
{
        wt_http_secure_client(wt_tls_secure(t));
        wt_tls_free(side);                       /* nothing was asked by it yet */
        side = t;
}

wt_err secure_settings(const wt_conf *c)
{
        const char *ca = wt_conf_str(c, WT_SET_cacert), *name = wt_conf_str(c, WT_SET_tls_name);
        wt_tls *t;
        wt_err err = wt_tls_client(&t, ca, name);

        if (err != WT_OK)
                return wt_fail_in(err, "cacert");
        told = *ca != '\0' || *name != '\0';
        use(t);
        return WT_OK;
}

void secure_cluster(const char *cert)
{
        wt_tls *t;

        if (!told && *cert != '\0' && wt_tls_pinned(&t, cert) == WT_OK)
                use(t);
}

const struct wt_secure *secure_client(void)
{
        return wt_tls_secure(side);
}

wt_err secure_check(const wt_conf *c)
{
        const struct wt_tls_files f = { .cert = wt_conf_str(c, WT_SET_tls_cert),
                                        .key = wt_conf_str(c, WT_SET_tls_key) };
        const char *least = wt_conf_str(c, WT_SET_tls_min);
        wt_tls *t = NULL;
        wt_err err = WT_OK;

        if (strcmp(least, "1.2") != 0 && strcmp(least, "1.3") != 0)
                return wt_fail(WT_EINVAL, "tls_min: '%s' (%s) is no version; say 1.2 or 1.3", least,
                               wt_conf_where(c, WT_SET_tls_min));
        if (*f.cert != '\0' || *f.key != '\0')
                err = wt_tls_server(&t, &f);
        wt_tls_free(t);
        return err;
}

const char *secure_scheme(const wt_conf *c)
{
        return wt_conf_str(c, WT_SET_tls_cert)[0] != '\0' ? "https" : "http";
}
