/* doctor_machine.c - processor, cores, clock, descriptors, libraries, programs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>
#include "base/pool.h"
#include "bus/bus.h"
#include "doctor.h"
#include "math/kernels.h"
#include "identity/identity.h"
#include "books.h"
#include "plugin/plugin.h"
#include "text/tokenizer.h"
#include "where.h"

enum { SANE_YEAR = 2025, LAST_YEAR = 2100, READS = 100000, SPARE_FILES = 256 };

static void processor(struct doctor *d)
{
        const struct wt_kernels *k = wt_kernels_pick(NULL);

        if (k == NULL)
                doctor_say(d, D_FAIL, "processor",
                           "run Witan on an x86-64 of 2013 or later with AVX2, FMA and F16C; in "
                           "a virtual machine, pass the host's processor through",
                           "%s, %s, lacks%s%s%s", d->m.cpu, d->m.arch, d->m.avx2 ? "" : " AVX2",
                           d->m.fma ? "" : " FMA", d->m.f16c ? "" : " F16C");
        else
                doctor_say(d, D_OK, "processor", NULL, "%s%s%s, kernels \"%s\"", d->m.cpu,
                           d->m.cpu[0] != '\0' ? ", " : "", d->m.arch, k->name);
        if (wt_float_ground() != WT_OK)
                doctor_say(d, D_FAIL, "processor", "start witan without it (look at LD_PRELOAD)",
                           "%s", wt_words());
}

static void cores(struct doctor *d)
{
        uint64_t threads = wt_conf_u64(d->c->conf, WT_SET_threads);

        if (d->m.cpu_quota > 0 && d->m.cpu_quota < 1)
                doctor_say(d, D_WARN, "cores",
                           "raise the quota to one core at least: a thread that is stopped in the "
                           "middle of a step stops the answer",
                           "%s grants %.2f of a core", d->m.quota_at, d->m.cpu_quota);
        else if (threads > d->m.cores)
                doctor_say(d, D_WARN, "cores",
                           "leave --threads out: more threads than cores make a step slower",
                           "%llu threads are asked for, and %u cores may be used",
                           (unsigned long long)threads, d->m.cores);
        else if (d->m.cpu_quota > 0 && fabs(d->m.cpu_quota - nearbyint(d->m.cpu_quota)) > 0.01)
                doctor_say(d, D_OK, "cores", NULL, "%u of %u may be used (%s grants %.2f)",
                           d->m.cores, d->m.online, d->m.quota_at, d->m.cpu_quota);
        else
                doctor_say(d, D_OK, "cores", NULL, "%u of %u may be used", d->m.cores, d->m.online);
}

/* Deadlines stand on the one clock, the ends of keys on the other. */
static void clocks(struct doctor *d)
{
        struct timespec a, b;
        struct timex tx = { 0 };
        time_t now = time(NULL);
        struct tm utc;
        bool back = false;

        gmtime_r(&now, &utc);
        clock_gettime(CLOCK_MONOTONIC, &a);
        for (int i = 0; i < READS; i++, a = b) {
                clock_gettime(CLOCK_MONOTONIC, &b);
                back |= b.tv_sec < a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec < a.tv_nsec);
        }
        if (back)
                doctor_say(d, D_FAIL, "clock",
                           "choose another clock source in /sys/devices/system/clocksource, or "
                           "repair the virtual machine's",
                           "the monotonic clock goes back");
        else if (utc.tm_year + 1900 < SANE_YEAR || utc.tm_year + 1900 > LAST_YEAR)
                doctor_say(d, D_FAIL, "clock",
                           "set the date (timedatectl set-ntp true): keys expire by it",
                           "the year is %d", utc.tm_year + 1900);
        else if (adjtimex(&tx) == TIME_ERROR)
                doctor_say(d, D_WARN, "clock",
                           "let chrony or systemd-timesyncd keep it: keys expire by it",
                           "the date is sane, but nothing keeps it in step");
        else
                doctor_say(d, D_OK, "clock", NULL,
                           "the date is sane, the monotonic clock does not go back");
}

static void descriptors(struct doctor *d)
{
        uint64_t need = wt_conf_u64(d->c->conf, WT_SET_max_connections) + SPARE_FILES;
        struct rlimit r;

        if (getrlimit(RLIMIT_NOFILE, &r) != 0)
                return;
        if (r.rlim_cur < need && r.rlim_max < need)
                doctor_say(d, D_WARN, "files",
                           "raise the hard limit (ulimit -Hn, LimitNOFILE=), or lower "
                           "--max-connections",
                           "%llu connections want %llu open files, %llu are allowed",
                           (unsigned long long)(need - SPARE_FILES), (unsigned long long)need,
                           (unsigned long long)r.rlim_max);
        else if (r.rlim_cur < need)
                doctor_say(d, D_WARN, "files",
                           "ulimit -n 65536 before witan up, or lower --max-connections",
                           "%llu connections want %llu open files, %llu are allowed",
                           (unsigned long long)(need - SPARE_FILES), (unsigned long long)need,
                           (unsigned long long)r.rlim_cur);
        else
                doctor_say(d, D_OK, "files", NULL, "%llu open files are allowed, %llu are enough",
                           (unsigned long long)r.rlim_cur, (unsigned long long)need);
}

const struct wt_plugin *wt_plugin_store_sqlite(void);

/* SQLite names itself only over an open database, and doctor makes nothing in a state folder. */
static wt_err scratch_store(wt_store **out, char folder[64])
{
        static const struct wt_plugin *(*const built_in[])(void) = { wt_plugin_store_sqlite, NULL };
        char url[96];
        wt_err err = wt_plugin_register(built_in);

        strcpy(folder, "/tmp/witan-doctor-XXXXXX");
        if (err != WT_OK || mkdtemp(folder) == NULL)
                return err != WT_OK ? err : wt_fail(WT_EIO, "/tmp takes no folder");
        snprintf(url, sizeof url, "sqlite:%s/w.db", folder);
        return wt_store_open(out, url, 1000);
}

static void scratch_remove(const char *folder)
{
        static const char *const ends[] = { "", "-wal", "-shm", "-journal" };
        char path[96];

        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
                snprintf(path, sizeof path, "%s/w.db%s", folder, ends[i]);
                unlink(path);
        }
        rmdir(folder);
}

static void describe_store(struct doctor *d, char store[128])
{
        char db[4300], folder[64] = "";
        wt_store *s = NULL;
        wt_err err;

        snprintf(db, sizeof db, "%s/witan.db", d->c->state);
        err = strcmp(wt_conf_str(d->c->conf, WT_SET_store), "sqlite") == 0 && access(db, F_OK) != 0
                      ? scratch_store(&s, folder) : books_open(d->c, &s);
        if (err != WT_OK || wt_store_describe(s, store, 128) != WT_OK)
                snprintf(store, 128, "no store: %.100s", wt_words());
        wt_store_close(s);
        if (folder[0] != '\0')
                scratch_remove(folder);
}

static void libraries(struct doctor *d)
{
        char bus[64], store[128], text[64];

        wt_bus_library(bus);
        describe_store(d, store);
        wt_text_library(text);
        doctor_say(d, wt_bus_can_encrypt() ? D_OK : D_FAIL, "libraries",
                   wt_bus_can_encrypt()
                           ? NULL
                           : "install a libzmq that was built with libsodium or libtweetnacl",
                   "%s; %s; %s; protobuf: none, the wire's code is our own", bus, store, text);
}

static void programs(struct doctor *d)
{
        static const char *const names[] = { "witan-gateway", "witan-router", "witan-expert" };
        char bin[4096], path[4200];
        uint32_t lacking = 0;

        if (where_bin(bin) != WT_OK) {
                doctor_say(d, D_FAIL, "programs", "mount /proc", "%s", wt_words());
                return;
        }
        for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
                snprintf(path, sizeof path, "%s/%s", bin, names[i]);
                if (access(path, X_OK) == 0)
                        continue;
                doctor_say(d, D_FAIL, "programs", "scripts/up builds it", "%s cannot be run", path);
                lacking++;
        }
        if (lacking == 0)
                doctor_say(d, D_OK, "programs", NULL, "gateway, router and expert are in %s", bin);
}

void doctor_machine(struct doctor *d)
{
        processor(d);
        cores(d);
        clocks(d);
        descriptors(d);
        libraries(d);
        programs(d);
}
