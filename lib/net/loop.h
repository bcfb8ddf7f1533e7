/* loop.h - an epoll reactor: descriptors and timers, one thread. */
#ifndef WITAN_NET_LOOP_H
#define WITAN_NET_LOOP_H
#include <stdbool.h>
#include <stdint.h>
#include "base/clock.h"
#include "base/err.h"

typedef struct wt_loop wt_loop;
/* Called with what is ready: WT_READ and/or WT_WRITE. Errors and hang-ups count as both, wanted or
 * not; nothing else reports what was not wanted. */
enum { WT_READ = 1, WT_WRITE = 2 };
typedef void (*wt_on_fd)(void *arg, int fd, unsigned ready);
struct wt_timer { uint64_t at_us; void (*fire)(void *arg, struct wt_timer *t); void *arg;
                  uint32_t heap_pos; };          /* the caller's memory; heap_pos 0: not set */

wt_err wt_loop_new(wt_loop **out, const struct wt_clock *clock);
void wt_loop_free(wt_loop *l);
wt_err wt_loop_add(wt_loop *l, int fd, unsigned want, wt_on_fd cb, void *arg);
void wt_loop_want(wt_loop *l, int fd, unsigned want);
void wt_loop_remove(wt_loop *l, int fd);         /* fine in a callback, also of another fd */
void wt_loop_timer_set(wt_loop *l, struct wt_timer *t, uint64_t at_us); /* moves it if set */
void wt_loop_timer_off(wt_loop *l, struct wt_timer *t);
/* Called once after each batch of events, before sleeping; returns true when there is more to do
 * now (the loop then polls without sleeping). For edge-triggered sources such as the bus. It is the
 * last thing before the sleep, so the caller may use such a source between two turns as well. */
void wt_loop_after(wt_loop *l, bool (*after)(void *arg), void *arg);
/* One turn: waits at most max_us for events, fires what is due. */
void wt_loop_turn(wt_loop *l, uint64_t max_us);
uint64_t wt_loop_now(const wt_loop *l);          /* the clock when the turn's events came */
#endif
