/* fault.c - the names that take the place of the libraries', see fault.h. Compiled without
 * builtins, so that none of these calls itself. */
#include "fault.h"
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct fault plan;
static _Thread_local bool at_work;
static atomic_bool all_at_work;
static atomic_uint seen;
static atomic_bool fired;
static atomic_llong blocks;

void fault_plan(const struct fault *f)
{
        plan = *f;
        atomic_store(&seen, 0);
        atomic_store(&fired, false);
}

void fault_begin(void)
{
        at_work = true;
        atomic_store(&all_at_work, plan.everywhere);
}

void fault_end(void)
{
        at_work = false;
        atomic_store(&all_at_work, false);
}

uint32_t fault_seen(void) { return atomic_load(&seen); }
bool fault_fired(void) { return atomic_load(&fired); }
int64_t fault_blocks(void) { return atomic_load(&blocks); }

/* Is it this call's turn? Sets errno then. */
static bool turn(enum fault_kind kind, int error)
{
        uint32_t n;

        if (plan.kind != kind || (!at_work && !atomic_load(&all_at_work)))
                return false;
        n = atomic_fetch_add(&seen, 1) + 1;
        if (n != plan.n && !(plan.lasts && n > plan.n))
                return false;
        atomic_store(&fired, true);
        errno = plan.error ? plan.error : error;
        return true;
}

/* ---- memory ---- */

#ifdef FAULT_WRAP
#define NAME(f) __wrap_##f
#define REAL(f) __real_##f
char *__real_strdup(const char *s);
char *__real_strndup(const char *s, size_t n);
int __real_vasprintf(char **out, const char *fmt, va_list ap);
char *__wrap_strdup(const char *s);
char *__wrap_strndup(const char *s, size_t n);
int __wrap_asprintf(char **out, const char *fmt, ...);
#define COUNT(p) ((void)0)
#else
#define NAME(f) f
#define REAL(f) __libc_##f
#define COUNT(p) ((p) ? (void)atomic_fetch_add_explicit(&blocks, 1, memory_order_relaxed) : (void)0)
void __libc_free(void *p);
void *__libc_memalign(size_t align, size_t n);
#endif

static uintptr_t program_from, program_to;

static int note_program(struct dl_phdr_info *i, size_t size, void *arg)
{
        (void)size, (void)arg;
        for (int p = 0; p < i->dlpi_phnum; p++) {
                uintptr_t at = i->dlpi_addr + i->dlpi_phdr[p].p_vaddr;

                if (i->dlpi_phdr[p].p_type == PT_LOAD && i->dlpi_phdr[p].p_flags & PF_X) {
                        program_from = at;
                        program_to = at + i->dlpi_phdr[p].p_memsz;
                }
        }
        return 1;                                /* the first is the program */
}

__attribute__((constructor)) static void find_program(void)
{
        dl_iterate_phdr(note_program, NULL);
}

static bool of_ours(const void *caller)
{
        return !plan.ours ||
               ((uintptr_t)caller >= program_from && (uintptr_t)caller < program_to);
}

void *REAL(malloc)(size_t n);
void *REAL(calloc)(size_t n, size_t each);
void *REAL(realloc)(void *p, size_t n);
void *NAME(malloc)(size_t n);
void *NAME(calloc)(size_t n, size_t each);
void *NAME(realloc)(void *p, size_t n);
void *NAME(aligned_alloc)(size_t align, size_t n);
int NAME(posix_memalign)(void **out, size_t align, size_t n);

#define MEMORY()                                                                                  \
        do {                                                                                      \
                if (of_ours(__builtin_return_address(0)) && turn(FAULT_MEMORY, ENOMEM))           \
                        return NULL;                                                              \
        } while (0)

void *NAME(malloc)(size_t n)
{
        void *p;

        MEMORY();
        p = REAL(malloc)(n);
        COUNT(p);
        return p;
}

void *NAME(calloc)(size_t n, size_t each)
{
        void *p;

        MEMORY();
        p = REAL(calloc)(n, each);
        COUNT(p);
        return p;
}

void *NAME(realloc)(void *old, size_t n)
{
        void *p;

        MEMORY();
        p = REAL(realloc)(old, n);
        if (!old)
                COUNT(p);
        return p;
}

#ifdef FAULT_WRAP
void *__real_aligned_alloc(size_t align, size_t n);
int __real_posix_memalign(void **out, size_t align, size_t n);
#else
static void *__libc_aligned_alloc(size_t align, size_t n) { return __libc_memalign(align, n); }
static int __libc_posix_memalign(void **out, size_t align, size_t n)
{
        void *p = __libc_memalign(align, n);

        if (!p)
                return ENOMEM;
        *out = p;
        return 0;
}

void free(void *p)
{
        if (p)
                atomic_fetch_sub_explicit(&blocks, 1, memory_order_relaxed);
        __libc_free(p);
}
#endif

void *NAME(aligned_alloc)(size_t align, size_t n)
{
        void *p;

        MEMORY();
        p = REAL(aligned_alloc)(align, n);
        COUNT(p);
        return p;
}

int NAME(posix_memalign)(void **out, size_t align, size_t n)
{
        int rc;

        if (of_ours(__builtin_return_address(0)) && turn(FAULT_MEMORY, ENOMEM))
                return ENOMEM;
        rc = REAL(posix_memalign)(out, align, n);
        if (rc == 0)
                COUNT(*out);
        return rc;
}

#ifdef FAULT_WRAP
/* Without --wrap these take memory within libc, where it is caught anyway. */
char *__wrap_strdup(const char *s)
{
        MEMORY();
        return __real_strdup(s);
}

char *__wrap_strndup(const char *s, size_t n)
{
        MEMORY();
        return __real_strndup(s, n);
}

int __wrap_asprintf(char **out, const char *fmt, ...)
{
        va_list ap;
        int n;

        if (turn(FAULT_MEMORY, ENOMEM))
                return -1;
        va_start(ap, fmt);
        n = vasprintf(out, fmt, ap);
        va_end(ap);
        return n;
}
#endif

/* ---- giving up: a process that says it is out of memory has ended as it should ---- */

void __real_wt_out_of_memory(const char *what, size_t bytes) __attribute__((noreturn));
void __wrap_wt_out_of_memory(const char *what, size_t bytes) __attribute__((noreturn));

void __wrap_wt_out_of_memory(const char *what, size_t bytes)
{
        if (fault_fired() && plan.kind == FAULT_MEMORY && *what && bytes > 0)
                _exit(FAULT_EXIT_GAVE_UP);
        __real_wt_out_of_memory(what, bytes);
}

/* ---- files ---- */

#define NEXT(name)                                                                                \
        static __typeof__(&name) next_##name;                                                     \
        if (!next_##name)                                                                         \
                *(void **)&next_##name = dlsym(RTLD_NEXT, #name)

static void die(void)
{
        kill(getpid(), SIGKILL);
        pause();
}

static bool regular(int fd)                      /* never an eventfd, a pipe or a terminal */
{
        struct stat st;

        return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool write_fails(int fd)
{
        int was = errno;

        if (plan.kind != FAULT_WRITE || !regular(fd)) {
                errno = was;
                return false;
        }
        return turn(FAULT_WRITE, EIO);
}

ssize_t write(int fd, const void *p, size_t n)
{
        NEXT(write);

        if (!write_fails(fd))
                return next_write(fd, p, n);
        if (plan.dies && next_write(fd, p, n / 2) >= 0)
                die();
        return -1;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
        NEXT(pwrite64);

        if (!write_fails(fd))
                return next_pwrite64(fd, p, n, at);
        if (plan.dies && next_pwrite64(fd, p, n / 2, at) >= 0)
                die();
        return -1;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at) { return pwrite64(fd, p, n, at); }

static bool sync_fails(void)
{
        if (!turn(FAULT_SYNC, EIO))
                return false;
        if (plan.dies)
                die();
        return true;
}

int fsync(int fd)
{
        NEXT(fsync);

        return sync_fails() ? -1 : next_fsync(fd);
}

int fdatasync(int fd)
{
        NEXT(fdatasync);

        return sync_fails() ? -1 : next_fdatasync(fd);
}

/* ---- messages: libzmq's types are not named here, so that all tests may link this ---- */

int zmq_msg_send(void *m, void *socket, int flags);
int zmq_msg_init_size(void *m, size_t n);
int zmq_msg_init_data(void *m, void *data, size_t n, void (*done)(void *, void *), void *hint);

/* Only a message's first part can be refused: libzmq takes, or drops, what belongs to it. */
int zmq_msg_send(void *m, void *socket, int flags)
{
        NEXT(zmq_msg_send);
        static _Thread_local bool inside;

        if (!inside && turn(FAULT_SEND, EAGAIN))
                return -1;
        inside = flags & 2;                      /* ZMQ_SNDMORE */
        return next_zmq_msg_send(m, socket, flags);
}

int zmq_msg_init_size(void *m, size_t n)
{
        NEXT(zmq_msg_init_size);

        if (of_ours(__builtin_return_address(0)) && turn(FAULT_MEMORY, ENOMEM))
                return -1;
        return next_zmq_msg_init_size(m, n);
}

int zmq_msg_init_data(void *m, void *data, size_t n, void (*done)(void *, void *), void *hint)
{
        NEXT(zmq_msg_init_data);

        if (of_ours(__builtin_return_address(0)) && turn(FAULT_MEMORY, ENOMEM))
                return -1;
        return next_zmq_msg_init_data(m, data, n, done, hint);
}
