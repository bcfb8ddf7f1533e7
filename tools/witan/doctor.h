/* doctor.h - a patient, and what was found. One file per kind of look; each look says what is well
 * too. */
#ifndef WITAN_TOOLS_DOCTOR_H
#define WITAN_TOOLS_DOCTOR_H
#include "base/buf.h"
#include "cluster.h"
#include "machine.h"
#include "verb.h"
#include "weigh.h"

enum doctor_level { D_OK, D_WARN, D_FAIL };
struct doctor {
        struct call *c;
        struct cluster cl;                       /* n 0: none has been started here */
        bool runs;                               /* its supervisor lives */
        struct machine m;
        struct weigh w; bool weighed;            /* the model could be read */
        char model[4096];                        /* its folder; "" when there is none */
        bool colour;
        struct wt_buf json;
        uint32_t n[3];                           /* findings by level */
};

/* A finding. todo: what to do about it; NULL when it is well. */
void doctor_say(struct doctor *d, enum doctor_level level, const char *look, const char *todo,
                const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* His name, or the number of one who has none, in out. */
const char *doctor_user(uid_t uid, char out[64]);

void doctor_machine(struct doctor *d);           /* processor, clock, libraries, programs */
void doctor_settings(struct doctor *d);
void doctor_state(struct doctor *d);             /* folder, its owner and modes, disk */
void doctor_keys(struct doctor *d);
void doctor_model(struct doctor *d);             /* loads, fits: memory and control groups */
void doctor_cluster(struct doctor *d);           /* processes, the key in witan.json */
void doctor_ports(struct doctor *d);
#endif
