/* secure.c - see secure.h. */
#include "secure.h"
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

const char *secure_scheme(const wt_conf *c)
{
        return wt_conf_str(c, WT_SET_tls_cert)[0] != '\0' ? "https" : "http";
}
