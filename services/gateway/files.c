/* files.c - connections beyond the limit of open files would be taken by the kernel and never by
 * us: their clients would wait, and with them the database, the spool and the metrics. */
#include "files.h"
#include <dirent.h>
#include <sys/resource.h>
#include "base/log.h"

enum { OTHERS = 320,                             /* of the listeners: clients that are told that
                                                  * they are too many, the metrics port's; the
                                                  * database, the spool, routers, clients of the RPC
                                                  * door */
       LEAST = 16 };

static uint64_t open_now(void)
{
        DIR *d = opendir("/proc/self/fd");
        uint64_t n = 0;

        for (; d != NULL && readdir(d) != NULL; n++)
                ;
        if (d != NULL)
                closedir(d);
        return n;                                /* three more than there are: ".", "..", d */
}

uint32_t gateway_connections(uint32_t asked)
{
        uint64_t others = open_now() + OTHERS, left;
        struct rlimit r;

        if (getrlimit(RLIMIT_NOFILE, &r) != 0)
                return asked;
        if (r.rlim_cur < asked + others && r.rlim_cur < r.rlim_max) {
                r.rlim_cur = r.rlim_max < asked + others ? r.rlim_max : asked + others;
                if (setrlimit(RLIMIT_NOFILE, &r) != 0)
                        getrlimit(RLIMIT_NOFILE, &r);
        }
        if (r.rlim_cur >= asked + others)
                return asked;
        left = r.rlim_cur > others + LEAST ? r.rlim_cur - others : LEAST;
        left = left < asked ? left : asked;
        wt_log(WT_WARN, "GATEWAY-CONNECTIONS",
               "max_connections=%u lowered_to=%llu open_files=%llu words=\"raise the hard limit of "
               "open files (ulimit -Hn, LimitNOFILE=), or lower max_connections\"", asked,
               (unsigned long long)left, (unsigned long long)r.rlim_cur);
        return (uint32_t)left;
}
