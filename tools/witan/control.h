/* control.h - one question to a router or worker of the running cluster over the bus, and its
 * answer: what witan control says. */
#ifndef WITAN_TOOLS_CONTROL_H
#define WITAN_TOOLS_CONTROL_H
#include "bus/keyring.h"
#include "model/shape.h"
#include "verb.h"

struct control_line { struct wt_keyring ring; wt_bus *bus; const char *name; };
/* As NAME of STATE/keys ("control-0", "planner-0"), to the process of that key: server is
 * "router" or a worker's name. name and endpoint are borrowed until the close. Nothing is sent. */
wt_err control_open(struct control_line *l, const char *state, const char *name,
                    const char *endpoint, const char *server);
void control_close(struct control_line *l);
/* Sends m, whose method and body are set, and waits for the same method with its call id. The
 * other side's refusal is a failure with its words. Takes m. */
wt_err control_ask(struct control_line *l, wt_msg *m);

struct control_item { uint32_t layer, expert; };
/* "1-5:0-7,2:9" as of the setting shard, against a model: every expert named once and in order,
 * into *out (freed by the caller). Dense layers within a range are passed over; a layer or expert
 * that is not there, or an item that names none, is refused in words. */
wt_err control_items(const struct wt_shape *shape, const char *text, struct control_item **out,
                     uint32_t *n);
#endif
