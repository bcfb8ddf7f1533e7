/* allowance.c - see allowance.h. */
#include "base/allowance.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"

enum { MAGIC = 0x436f7265, LOOK_US = 20000, PATIENCE_US = 10 * 1000 * 1000 };

/* The file. A holder is known by its process and when that began: numbers of processes come
 * again. */
struct holder { _Atomic uint32_t pid, waits; _Atomic uint64_t began; uint64_t pad[6]; };
struct shared {
        uint32_t magic, n;                       /* cores */
        _Alignas(64) _Atomic int32_t waiters;
        _Atomic uint32_t given;                  /* futex: +1 when a core is given to who waits */
        struct holder holder[WT_ALLOWANCE_MOST];
        _Atomic uint32_t core[WT_ALLOWANCE_MOST];        /* 1 + its holder; 0: free */
};
struct wt_allowance { struct shared *s; uint32_t me; };

wt_err wt_allowance_make(const char *path, uint32_t n)
{
        struct shared *s;
        wt_err err;

        if (n == 0 || n > WT_ALLOWANCE_MOST)
                return wt_fail(WT_EINVAL, "an allowance has 1 to %d cores, not %u",
                               WT_ALLOWANCE_MOST, n);
        if ((s = aligned_alloc(64, sizeof *s)) == NULL)
                return wt_fail(WT_ENOMEM, "no memory for %s", path);
        memset(s, 0, sizeof *s);
        s->magic = MAGIC;
        s->n = n;
        err = wt_file_write(path, s, sizeof *s, 0600);
        free(s);
        return err;
}

/* State letter and start of a process; false: there is none. */
static bool look_at(uint32_t pid, char *state, uint64_t *began)
{
        char path[40], text[1024], *at;
        unsigned long long start = 0;
        ssize_t n;
        int fd;

        snprintf(path, sizeof path, "/proc/%u/stat", pid);
        if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
                return false;
        n = read(fd, text, sizeof text - 1);
        close(fd);
        text[n > 0 ? n : 0] = '\0';
        at = strrchr(text, ')');                 /* its name may hold blanks and brackets */
        if (at == NULL || sscanf(at + 1, " %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d "
                                 "%*d %*d %*d %*d %*d %llu", state, &start) != 2)
                return false;
        *began = start;
        return *state != 'Z' && *state != 'X';
}

static void wake_one(struct shared *s)
{
        atomic_fetch_add(&s->given, 1);
        syscall(SYS_futex, &s->given, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static void take_from(struct shared *s, uint32_t holder)
{
        uint32_t own;

        for (uint32_t i = 0; i < s->n; i++) {
                own = holder + 1;
                if (atomic_compare_exchange_strong(&s->core[i], &own, 0) &&
                    atomic_load(&s->waiters) > 0)
                        wake_one(s);
        }
}

/* Cores of the dead and of those that were stopped: their threads do not run. One that goes on
 * later gives back what is no longer its own, which changes nothing. */
static void reclaim(struct shared *s)
{
        for (uint32_t i = 0; i < WT_ALLOWANCE_MOST; i++) {
                struct holder *h = &s->holder[i];
                uint32_t pid = atomic_load(&h->pid);
                uint64_t began = 0;
                char state = '?';
                bool lives;

                if (pid == 0)
                        continue;
                lives = look_at(pid, &state, &began) && began == atomic_load(&h->began);
                if (lives && state != 'T' && state != 't')
                        continue;
                take_from(s, i);
                if (lives || !atomic_compare_exchange_strong(&h->pid, &pid, 0))
                        continue;
                if (atomic_exchange(&h->waits, 0) != 0)  /* threads of it that waited */
                        atomic_fetch_sub(&s->waiters, 1);
        }
}

static bool enter(wt_allowance *a)
{
        uint32_t pid = (uint32_t)getpid();
        uint64_t began = 0;
        char state;

        look_at(pid, &state, &began);
        for (a->me = 0; a->me < WT_ALLOWANCE_MOST; a->me++) {
                struct holder *h = &a->s->holder[a->me];
                uint32_t nobody = 0;

                if (!atomic_compare_exchange_strong(&h->pid, &nobody, pid))
                        continue;
                atomic_store(&h->began, began);
                atomic_store(&h->waits, 0);
                return true;
        }
        return false;
}

static wt_err map(wt_allowance *a, const char *path)
{
        int fd = open(path, O_RDWR | O_CLOEXEC);
        struct stat st;
        void *p;

        if (fd < 0)
                return wt_fail(errno == ENOENT ? WT_ENOTFOUND : WT_EIO, "could not open %s: %s; "
                               "witan up makes it", path, strerror(errno));
        if (fstat(fd, &st) != 0 || st.st_size != (off_t)sizeof *a->s) {
                close(fd);
                return wt_fail(WT_EDATA, "%s is no allowance of this build; witan up makes one",
                               path);
        }
        p = mmap(NULL, sizeof *a->s, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        close(fd);
        if (p == MAP_FAILED)
                return wt_fail(WT_EIO, "could not map %s: %s", path, strerror(errno));
        a->s = p;
        if (a->s->magic != MAGIC || a->s->n == 0 || a->s->n > WT_ALLOWANCE_MOST)
                return wt_fail(WT_EDATA, "%s is no allowance of this build; witan up makes one",
                               path);
        return WT_OK;
}

wt_err wt_allowance_open(wt_allowance **out, const char *path)
{
        wt_allowance *a = calloc(1, sizeof *a);
        wt_err err;

        if (a == NULL)
                return wt_fail(WT_ENOMEM, "no memory for an allowance of cores");
        if ((err = map(a, path)) == WT_OK) {
                reclaim(a->s);                   /* of a life before this one */
                if (!enter(a))
                        err = wt_fail(WT_EEXHAUSTED, "%d pools share %s already",
                                      WT_ALLOWANCE_MOST, path);
        }
        if (err != WT_OK) {
                if (a->s != NULL)
                        munmap(a->s, sizeof *a->s);
                free(a);
                return err;
        }
        *out = a;
        return WT_OK;
}

void wt_allowance_close(wt_allowance *a)
{
        if (a == NULL)
                return;
        take_from(a->s, a->me);
        atomic_store(&a->s->holder[a->me].pid, 0);
        munmap(a->s, sizeof *a->s);
        free(a);
}

/* Each holder begins its search elsewhere, so that they meet less often. */
static uint32_t take(wt_allowance *a, uint32_t most)
{
        struct shared *s = a->s;
        uint32_t got = 0;

        for (uint32_t i = 0; i < s->n && got < most; i++) {
                uint32_t at = (a->me + i) % s->n, nobody = 0;

                if (atomic_load_explicit(&s->core[at], memory_order_relaxed) == 0 &&
                    atomic_compare_exchange_strong(&s->core[at], &nobody, a->me + 1))
                        got++;
        }
        return got;
}

uint32_t wt_allowance_take(wt_allowance *a, uint32_t most)
{
        return wt_allowance_wanted(a) ? 0 : take(a, most);
}

/* The look after the announcement: who gave before it was made has not woken us. */
static bool wait_turn(wt_allowance *a)
{
        const struct timespec look = { 0, LOOK_US * 1000 };
        uint64_t end = wt_now_us(&wt_clock_real) + PATIENCE_US;

        for (;;) {
                uint32_t seen = atomic_load(&a->s->given);

                if (take(a, 1) > 0)
                        return true;
                if (syscall(SYS_futex, &a->s->given, FUTEX_WAIT, seen, &look, NULL, 0) == 0 ||
                    errno != ETIMEDOUT)
                        continue;
                reclaim(a->s);
                if (wt_now_us(&wt_clock_real) > end)
                        return take(a, 1) > 0;
        }
}

bool wt_allowance_wait(wt_allowance *a)
{
        struct holder *h = &a->s->holder[a->me];
        bool got;

        if (take(a, 1) > 0)
                return true;
        atomic_store(&h->waits, 1);
        atomic_fetch_add(&a->s->waiters, 1);
        got = wait_turn(a);
        atomic_store(&h->waits, 0);
        atomic_fetch_sub(&a->s->waiters, 1);
        return got;
}

void wt_allowance_give(wt_allowance *a, uint32_t n)
{
        struct shared *s = a->s;

        for (uint32_t i = 0; i < s->n && n > 0; i++) {
                uint32_t at = (a->me + i) % s->n, own = a->me + 1;

                if (atomic_load_explicit(&s->core[at], memory_order_relaxed) != own ||
                    !atomic_compare_exchange_strong(&s->core[at], &own, 0))
                        continue;
                n--;
                if (atomic_load(&s->waiters) > 0)
                        wake_one(s);
        }
}

bool wt_allowance_wanted(const wt_allowance *a)
{
        return atomic_load_explicit(&a->s->waiters, memory_order_relaxed) > 0;
}

uint32_t wt_allowance_cores(const wt_allowance *a) { return a->s->n; }

uint32_t wt_allowance_held(const wt_allowance *a)
{
        uint32_t n = 0;

        for (uint32_t i = 0; i < a->s->n; i++)
                n += atomic_load(&a->s->core[i]) != 0;
        return n;
}
