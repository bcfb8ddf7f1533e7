/* log.h - one event, one line of JSON: {"ts":"...","level":"notice","id":"ROUTER-SHED","svc":
 * "router-0","batch":"a7","rows":96}. For services and tools; lib/ itself never logs.
 * Never prompt text, token ids or secrets; nothing per token: counts go to metrics. */
#ifndef WITAN_BASE_LOG_H
#define WITAN_BASE_LOG_H
#include "base/err.h"

enum wt_level { WT_ERROR, WT_WARN, WT_NOTICE, WT_INFO, WT_DEBUG };

/* Once, before threads: service name (copied), least level, file descriptor (2 by default). */
void wt_log_init(const char *service, enum wt_level least, int fd);
/* id: stable upper-case words, an API. fmt gives key=value pairs separated by blanks; a value with
 * blanks is written key="..."; values that read as numbers become JSON numbers. */
void wt_log(enum wt_level level, const char *id, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
/* Logs the calling thread's last failure: fields code and words. */
void wt_log_err(enum wt_level level, const char *id, wt_err e);
int wt_level_of(const char *name);               /* -1 when unknown */
const char *wt_level_name(enum wt_level l);
#endif
